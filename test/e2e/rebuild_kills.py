#!/usr/bin/python3
"""rebuild_kills - killed at every step, under load: people see the old tables or the new ones, and the next rebuild goes on.

Then what else may end one: a file system without room for spilled rows, an owner that hangs, another one that takes over.
"""
import os
import signal
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib.history import *
from lib.rebuilds import *
from lib.watch import *

engine = Engine(binary=debug_binary())
generate(engine, 80, 9)
load = Load(engine.unix, clients=2, tenants=2, seed=91, pause=0.05)
load.more(200)
watch = Watch(engine.conninfo(), read_models(engine))

# Each in its turn; the shadows of the one before are gone on with, or swept away.
BEFORE = ["begun", "folded", "written", "copied", "indexed", "caught_up", "merged", "held", "marked", "switching"]
AFTER = ["switched", "told"]
for i, point in enumerate(BEFORE + AFTER):
    shown = behind_views(engine)
    models = ["--all"] if i % 3 == 2 else ["conversations", "messages"]
    how = ["--from-scratch"] if i % 4 == 3 else []
    outcome = command(engine, "rebuild", *models, env={"VERBATIM_FAULT": "rebuild.%s=kill@1" % point})
    same(outcome.status, -signal.SIGKILL, "killed at " + point)
    if point in BEFORE:
        same(behind_views(engine), shown, "people see what they saw")
        outcome = command(engine, "rebuild", *models, *how)
        same((outcome.status, outcome.summary.get("resumed")), (0, not how), "the next one %s" % ("begins anew" if how else "goes on"))
        if outcome.status:
            note(repr(outcome))
    else:
        ok(behind_views(engine) != shown, "people see the new tables")
    same(shadows(engine), [], "nothing is left about")
    load.more(20)
same(engine.one("select count(*) from verbatim.rebuild where state = 'building'"), "0", "no rebuild is unfinished")
same(command(engine, "rebuild", "teams").status, 0, "the next one tells of those that could not any more")
told = [e["rebuild"] for e in rebuilt_events(engine)]
same(told, [int(r[0]) for r in engine.sql("select id from verbatim.rebuild where state = 'switched' order by ended_at")], "each rebuild is an event, once")
holds(engine, "and all tables hold what the log says")

# One that was killed for other read models than the next one asks for is swept away.
same(command(engine, "rebuild", "users", env={"VERBATIM_FAULT": "rebuild.copied=kill@2"}).status, -signal.SIGKILL, "killed amid the shards")
same(len(shadows(engine)), 1, "a shadow stays")
outcome = command(engine, "rebuild", "teams")
same((outcome.status, outcome.summary.get("resumed"), shadows(engine)), (0, False, []), "and goes when others are rebuilt")

# An owner that hangs is succeeded when its heart has not beaten for a while, and then may do nothing more.
process = command(engine, "rebuild", "users", env={"VERBATIM_FAULT": "rebuild.copied=stop"}, wait=False)
ok(wait_until(lambda: open("/proc/%d/stat" % process.pid).read().rsplit(")", 1)[1].split()[0] == "T", 60), "one hangs")
same(command(engine, "rebuild", "users").status, 75, "it is waited for")
engine.sql("update verbatim.rebuild set beat_at = beat_at - interval '1 min' where state = 'building'")
outcome = command(engine, "rebuild", "users")
same((outcome.status, outcome.summary.get("resumed")), (0, True), "then somebody else goes on: %r" % outcome)
shown = generations(engine)
process.send_signal(signal.SIGCONT)
outcome = finish(process)
same(outcome.status, 75, "the one that hung is told: " + outcome.error)
same(generations(engine), shown, "and has changed nothing")

# No room for what does not fit into memory.
outcome = command(engine, "rebuild", "--all", "--memory", "1M", "--spill", "/nonexistent")
same(outcome.status, 74, "no room for spilled rows: " + outcome.error)
same((generations(engine), shadows(engine)), (shown, []), "the shadows are gone, what is live is untouched")
process = command(engine, "rebuild", "--all", env={"VERBATIM_FAULT": "rebuild.begun=stop"}, wait=False)
ok(wait_until(lambda: open("/proc/%d/stat" % process.pid).read().rsplit(")", 1)[1].split()[0] == "T", 60), "one is stopped at its beginning")
process.send_signal(signal.SIGINT)
process.send_signal(signal.SIGCONT)
outcome = finish(process)
same(outcome.status, 75, "interrupted: %s" % outcome.error)
same(command(engine, "rebuild", "--all", "--resume").status, 0, "it is gone on with")

load.finish()
ok(engine.settle(), "the read models come to the head of the log")
watch.stop()
same(watch.wrong[:3], [], "in %d looks at every read model no row went back and none was missing" % watch.rounds)
holds(engine, "all tables hold what the log says")
check_log(engine)
same(engine.stop(), 0, "an orderly end")
done()
