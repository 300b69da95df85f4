#!/usr/bin/python3
"""kill_points - the engine killed with SIGKILL, and stopped with SIGSTOP, at each named step of append and of project.

Clients go on meanwhile.  Whatever the step: acked events are in the log, what was retried is there once, the read
models are the fold of the log.  A stopped engine that comes back finds that another one has gone on, and is fenced.
"""
import os
import signal
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib.history import *

POINTS = ["append.before", "append.sent", "append.committed", "append.answered",
          "project.before", "project.sent", "project.committed"]


def run_out(engine):
    """The dead engine's leases, which would run out by themselves in ten seconds."""
    engine.sql("update verbatim.lease set expires_at = verbatim.log_now() - interval '1 s'")


binary = debug_binary()
engine = Engine(binary=binary, start=False)
engine.start(env={"VERBATIM_FAULT": "append.before=kill@30"})
load = Load(engine.unix, clients=4)
for i, point in enumerate(POINTS):
    status = engine.wait_exit(60)
    same(status, -signal.SIGKILL, "killed at " + point)
    if status is None:
        engine.kill()
    ok(engine.postmaster() is not None, "its PostgreSQL lives on")
    following = POINTS[i + 1] if i + 1 < len(POINTS) else None
    engine.start(env={"VERBATIM_FAULT": "%s=kill@%d" % (following, 30 if following.startswith("append") else 5)} if following else {})
    if following and following.startswith("project"):
        run_out(engine)
ok(load.more(300), "the engine takes events again")
load.finish()
note("the last leases run out by themselves")
ok(engine.settle(), "by waiting")
same(engine.stop(), 0, "an orderly end")
loads = [load]

# Stopped for longer than a lease while another engine works on the same database.
for i, point in enumerate(("append.before", "append.sent", "project.before", "project.sent")):
    engine.start(env={"VERBATIM_FAULT": "%s=stop@%d" % (point, 30 if point.startswith("append") else 3)})
    run_out(engine)
    load = Load(engine.unix, clients=3, timeout=2, seed=10 + i)
    loads.append(load)
    ok(wait_until(lambda: open("/proc/%d/stat" % engine.process.pid).read().rsplit(")", 1)[1].split()[0] == "T", 60),
       "stopped at " + point)
    other = Engine(db=engine.conninfo(), binary=binary)
    load.addresses.append(other.unix)
    run_out(engine)
    ok(load.more(150), "another engine takes events")
    ok(other.settle(beside_load=True), "and folds them, the stopped one's shards too")
    engine.signal(signal.SIGCONT)
    ok(load.more(150), "both work when it is back")
    load.finish()
    ok(other.settle(), "the read models come to the head")
    same(other.stop(), 0, "the other engine ends in good order")
    if point != "project.sent":
        same(engine.stop(), 0, "and so does the one that was stopped")
check(engine, *loads)
same(engine.stop(), 0, "an orderly end")
done()
