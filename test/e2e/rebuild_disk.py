#!/usr/bin/python3
"""rebuild_disk - the database has no room for the shadows: they go, what is live is untouched, and with room again it is as ever.

Whatever is made new stands in a tablespace on a small file system of its own, so root; skipped where mount is not allowed.
"""
import atexit
import os
import pwd
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib.history import *
from lib.rebuilds import *

disk = os.path.join(temporary_folder(), "disk")
os.mkdir(disk)


def mount(size, *options):
    return subprocess.run(["mount", "-t", "tmpfs", "-o", ",".join(["size=%d" % size, "mode=755", *options]), "none", disk],
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


if os.geteuid() != 0 or not mount(1 << 30):
    skip_all("a file system cannot be mounted here")


@atexit.register
def unmount():
    end_engines()
    subprocess.run(["umount", "-l", disk])


def shown(engine):
    return engine.one("select max(generation) from verbatim.generation where active")


def fails(engine, size, step):
    """A rebuild for which there is so much room, and not enough."""
    ok(mount(size, "remount"), "%d KiB of room" % (size >> 10))
    before, events = shown(engine), len(rebuilt_events(engine))
    outcome = command(engine, "rebuild", "--all")
    same(outcome.status, 69, "no room for its %s: %r" % (step, outcome))
    ok("No space left on device" in outcome.error or "could not extend" in outcome.error, "it says so: " + outcome.error)
    same((shown(engine), shadows(engine), len(rebuilt_events(engine))), (before, [], events), "the shadows are gone, what is live is untouched")
    same(engine.one("select count(*) from verbatim.rebuild where state = 'building'"), "0", "and nothing waits to be resumed")
    holds(engine, "every row")
    generate(engine, 5, size)
    ok(engine.settle(), "which goes on")


engine = Engine()
owner = pwd.getpwuid(os.stat(engine.one("select current_setting('data_directory')")).st_uid)
space = os.path.join(disk, "space")
os.mkdir(space)
os.chown(space, owner.pw_uid, owner.pw_gid)
os.chmod(os.path.dirname(disk), 0o755)
generate(engine, 300, 17)
ok(engine.settle(), "there is something to fold")
engine.sql("create tablespace small location '%s'" % space)
engine.sql("grant create on tablespace small to public")
engine.sql("do $$ begin execute format('alter database %I set default_tablespace = small', current_database()); end $$")
same(command(engine, "rebuild", "--all").status, 0, "with room it is done")
tables, all_of_it = (int(v) for v in engine.sql(
    "select sum(pg_table_size(c.oid))::int8, sum(pg_total_relation_size(c.oid))::int8 from pg_class c join pg_tablespace t on t.oid = c.reltablespace"
    " where t.spcname = 'small' and c.relkind = 'r'")[0])
used = os.statvfs(disk)
used = (used.f_blocks - used.f_bfree) * used.f_frsize
note("%d KiB of tables, %d KiB with their indexes, %d KiB in all" % (tables >> 10, all_of_it >> 10, used >> 10))
fails(engine, used + tables // 3, "rows")
fails(engine, used + tables + (all_of_it - tables) // 2, "indexes")
ok(mount(1 << 30, "remount"), "with room again")
same(command(engine, "rebuild", "--all").status, 0, "it is done")
holds(engine, "and holds what the log says")
check_log(engine)
same(engine.stop(), 0, "an orderly end")
done()
