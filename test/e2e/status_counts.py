#!/usr/bin/python3
"""status_counts - what status counts: events, duplicates wherever they stand, refusals whoever made them."""
import os
import socket
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib.desk import *

engine = Engine()
client = engine.client()
watcher = engine.client()
before = {}


def since():
    """What the counters have gained since the last look."""
    status = watcher.call("status")
    gained = {k: status[k] - before.get(k, 0) for k in ("appended_events", "duplicates", "refused")}
    before.update({k: status[k] for k in gained})
    return gained


def counted(name, events=0, duplicates=0, refused=0):
    same(since(), {"appended_events": events, "duplicates": duplicates, "refused": refused}, name)


wait_until(lambda: watcher.call("status")["journaled_events"] >= 1, 10)  # log.created
since()
maker = Maker(seed=1)
one, two, three = maker.customer(), maker.customer(), maker.customer()
client.append([one, two])
counted("two events", events=2)
client.append([one, two])
counted("a request sent again", duplicates=2)
client.append([one, three, three])
counted("a request with one that was there, one new, and this one twice", events=1, duplicates=2)
client.append([one, one])
counted("one that was there, twice", duplicates=2)
refused(lambda: client.append([dict(one, payload={"nonsense": 1})]), "invalid", "an event that does not fit")
counted("is a refusal", refused=1)
refused(lambda: client.append([dict(one, actor_type="system")]), "conflict", "an id with other content")
counted("is one", refused=1)
refused(lambda: client.append([maker.customer()], expect=[{"scope": "tenant", "after": 0}]), "stale", "an expectation that does not hold")
counted("is one", refused=1)
refused(lambda: client.call("fly"), "unknown_method", "a method that there is not")
counted("is one", refused=1)
refused(lambda: client.call("read", 0, {"shard": 1}), "params", "a parameter that is wrong")
counted("is one", refused=1)
stranger = engine.client(hello=False)
refused(lambda: stranger.call("ping"), "hello_required", "a call before hello")
counted("is one", refused=1)
host, port = engine.address.rsplit(":", 1)
raw = socket.create_connection((host, int(port)))
raw.sendall(b"\xc1")
ok(raw.recv(4096), "bytes that are no MessagePack are answered")
raw.close()
counted("and are one", refused=1)
counted("looking counts nothing")

# ---- what the engine journals itself ----


def timers(*keys):
    return [watcher.call("status")["timers"][desk.shard - 1][k] for k in keys]


desk = Desk(engine, 7)
since()
due = time.time() + 1.5
desk.client.append([desk.begun(due), desk.begun(due)])
wait_until(lambda: timers("breaches") == [2], 20)
counted("what clients sent is counted as theirs", events=2)
warnings, breaches, past, late, most = timers("warnings", "breaches", "past", "late_ms", "late_most_ms")
same((warnings, breaches, past), (2, 2, 2), "the warnings were past when they became known, the breaches were not")
ok(0 <= late <= most < 1500, "the breaches were journaled soon after their instant (%d, at most %d ms)" % (late, most))
status = watcher.call("status")
same(status["journaled_events"], 6, "log.created, the key of the engine's own user, and what time decided, are counted as the engine's")
ack = desk.client.append([desk.begun(time.time() - 86400)])
wait_until(lambda: timers("breaches") == [3], 20)
same(timers("past", "late_most_ms"), [4, most], "one that was told a day late makes nobody look late")
out = engine.run("status", "--to", engine.address).stdout
ok("; 8 events journaled by itself" in out, "status says so")
same(engine.stop(), 0, "an orderly end")
done()
