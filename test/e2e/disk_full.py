#!/usr/bin/python3
"""disk_full - the cluster's file system fills up: appends are refused for a while, nothing is corrupt, service comes back.

Needs a small file system of its own, so root; skipped where mount is not allowed.
"""
import atexit
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib.history import *

folder = temporary_folder()
disk = os.path.join(folder, "disk")
os.mkdir(disk)
if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1g,mode=755", "none", disk],
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode:
    skip_all("a file system cannot be mounted here")


@atexit.register
def unmount():
    end_engines()
    subprocess.run(["umount", "-l", disk])


BALLAST = os.path.join(disk, "ballast")


def fill(leave):
    """Leaves so many bytes free."""
    with open(BALLAST, "ab") as f:
        while True:
            free = os.statvfs(disk)
            more = free.f_bavail * free.f_frsize - leave
            if more < 4096:
                return
            try:
                os.posix_fallocate(f.fileno(), os.fstat(f.fileno()).st_size, more)
            except OSError:  # somebody else took of it meanwhile
                pass


def empty():
    os.unlink(BALLAST)


engine = Engine(data=os.path.join(disk, "var"))
idle = engine.client(timeout=120)
load = Load(engine.unix, clients=4, timeout=120)
load.more(200)
for leave in (0, 300000, 3000000):
    fill(leave)
    before = load.refusals["unavailable"]

    def stands():
        count = load.count()
        wait_until(lambda: False, 1)
        return load.count() == count
    ok(wait_until(stands, 90), "with %d bytes free nothing more is acked after a while" % leave)
    wait_until(lambda: False, 2)
    note("refusals %s" % dict(load.refusals))
    ok(idle.call("ping", 1) == 1, "the engine answers")
    status = idle.call("status")
    note("status: ready %s, database %s, %s" % (status["ready"], status["database"], {s["error"] for s in status["shard_list"]}))
    empty()
    ok(load.more(200, 120), "with room again events go in by themselves")
ok(set(load.refusals) <= {"unavailable"}, "refused as unavailable: %s" % dict(load.refusals))
ok(load.refusals["unavailable"] > 0, "clients were told to try again")
same(load.cuts, 0, "no client lost its socket")
load.finish(120)
check(engine, load)

# A restart on a full disk: refused with the reason, or it waits; afterwards it starts as ever.
same(engine.stop(), 0, "an orderly end")
fill(0)
engine.start(wait=False)
note("on a full disk: ready %s" % engine.wait_ready(10))
if engine.process.poll() is None:
    engine.kill()
empty()
engine.start()
more = Load(engine.unix, clients=2, seed=2)
ok(more.more(100), "after a start on a full disk, with room again, it serves as ever")
more.finish()
check(engine, load, more)
same(engine.stop(), 0, "an orderly end")
done()
