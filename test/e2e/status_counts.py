#!/usr/bin/python3
"""status_counts - what status counts: events, duplicates wherever they stand, refusals whoever made them."""
import os
import socket
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import *

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


wait_until(lambda: watcher.call("status")["appended_events"] >= 1, 10)  # log.created
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
same(engine.stop(), 0, "an orderly end")
done()
