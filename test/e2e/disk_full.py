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
if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400m,mode=755", "none", disk],
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode:
    skip_all("a file system cannot be mounted here")


@atexit.register
def unmount():
    end_engines()
    subprocess.run(["umount", "-l", disk])


BALLAST = os.path.join(disk, "ballast")


def fill():
    """Takes whatever is free, by writing: on a tmpfs that others write to as well, fallocate may try for ever."""
    size = 1 << 20
    with open(BALLAST, "ab", buffering=0) as f:
        while size >= 4096:
            try:
                f.write(bytes(size))
            except OSError:
                size //= 2


def empty():
    os.unlink(BALLAST)


engine = Engine(data=os.path.join(disk, "var"))
idle = engine.client(timeout=120)
load = Load(engine.unix, clients=4, timeout=120)
load.more(200)
doctor = engine.run("doctor", *engine.where())
ok(doctor.returncode == 78 and any(f["check"] == "disk" and f["verdict"] == "fault" for f in map(json.loads, doctor.stdout.splitlines())),
   "doctor calls a disk with so little room a fault")
# Segments of the write-ahead log that are there already: so it is the tables that find no room first.
for _ in range(5):
    engine.sql("select pg_switch_wal()")
    load.more(20)
engine.sql("checkpoint")

# First the tables find no room, then the write-ahead log finds none either, which ends the server.
for what in ("tables", "write-ahead log"):
    fill()
    before = load.refusals["unavailable"]
    if what == "tables":
        ok(wait_until(lambda: load.refusals["unavailable"] > before + 20, 90), "no room for the tables: appends are answered 'unavailable'")
    else:
        def down():
            engine.sql("select pg_switch_wal()", check=False)  # the next segment has to be made
            return idle.call("status")["database"] == "connecting"
        ok(wait_until(down, 90), "no room for the write-ahead log: the server goes down")
        before = load.count()
        wait_until(lambda: False, 2)
        ok(load.count() - before < 50, "nothing is acked without it")
    status = idle.call("status")
    note("ready %s, database %s, %s" % (status["ready"], status["database"], {s["error"] for s in status["shard_list"]} - {""}))
    same(status["ready"], False, "status says so")
    empty()
    ok(load.more(200, 120), "with room again events go in by themselves")
ok(set(load.refusals) <= {"unavailable"}, "refused as unavailable: %s" % dict(load.refusals))
same(load.cuts, 0, "no client lost its socket")
load.finish(120)
check(engine, load)

# A restart on a full disk: refused with the reason, or it waits; afterwards it starts as ever.
same(engine.stop(), 0, "an orderly end")
fill()
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
