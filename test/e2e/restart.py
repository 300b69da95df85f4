#!/usr/bin/python3
"""restart - starting and stopping: an empty log, one event, tiles of both levels, SIGTERM under load, leftovers, two serves."""
import os
import signal
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib.history import *

engine = Engine()
NOT_KEYS = " where event_type <> 'audit.activity_recorded'"  # the engine's own key is journaled as well
same(engine.sql("select event_type from verbatim.event_log" + NOT_KEYS), [["log.created"]], "a new log holds the event of its creation, and no other")
same(engine.stop(), 0, "an engine that took nothing stops")
engine.start()
ok(engine.settle(), "and starts")
same(engine.one("select count(*) from verbatim.event_log" + NOT_KEYS), "1", "its creation is not told twice")
check_log(engine)
maker = Maker(seed=11)
customer = maker.customer()
client = engine.client()
ack = client.append([customer])
same(ack["first"], 1, "the first event of a shard stands at 1")
client.wait(ack)
same(engine.stop(), 0, "stopped after one event")
engine.start()
client = engine.client()
same(client.append([customer])["duplicates"], [[0, 1]], "it is a duplicate after a restart")
talk = maker.conversation(customer["entity_id"])
same(client.append([talk])["first"], 2, "the next one stands at 2")
check_log(engine)

# Past several tiles of 256 leaves, then past 65,536, in one shard; each time a restart in the middle of a tile.
sent = 2


def grow(upto):
    global sent
    pending = []
    while sent < upto or pending:
        if sent < upto and len(pending) < 8:
            n = min(1000, upto - sent)
            pending.append(client.send("append", [maker.received(talk["entity_id"], "m%d" % (sent + i)) for i in range(n)]))
            sent += n
        else:
            client.recv(pending.pop(0))


for upto, level in ((256, 0), (256 * 3 + 100, 0), (65536 + 256 + 57, 1)):
    grow(upto)
    same(engine.stop(), 0, "stopped at %d events" % upto)
    engine.start()
    client = engine.client(timeout=60)
    grow(upto + 1)
    ok(roots_hold(engine), "after a restart the root goes on from %d leaves" % upto)
    same(engine.one("select max(level) from verbatim.log_tile"), str(level), "tiles reach level %d" % level)
same(engine.one("select count(*) from verbatim.log_tile where level = 0"), str(sent // 256), "each full tile is there")
ok(engine.settle(120), "the read models come to the head")
same(engine.one("select message_count from core.conversations where id = '%s'" % talk["entity_id"]), str(sent - 2), "and count every message")

# A second serve on the same folder.
second = engine.run("serve", "--data", engine.data, "--listen", "127.0.0.1:0", timeout=60)
ok(second.returncode != 0, "a second serve on one folder is refused")
ok("engine" in second.stderr and len(second.stderr.splitlines()) <= 4, "and says why: " + second.stderr.strip().splitlines()[-1])
same(client.call("ping", 1), 1, "the first does not notice")

# SIGTERM under load, three times; clients come back by themselves.
load = Load(engine.unix, clients=4, seed=12)
load.more(100)
for _ in range(3):
    same(engine.stop(), 0, "SIGTERM under load ends in good order")
    ok(engine.postmaster() is None, "and so does PostgreSQL")
    ok(not os.path.exists(os.path.join(engine.data, "engine.json")), "engine.json is gone")
    engine.start()
    ok(load.more(100), "the clients go on")
ok(set(load.refusals) <= {"stopping"}, "refused, if at all, as stopping: %s" % dict(load.refusals))

# Killed together with its PostgreSQL: socket files, lock files and pid files are left over.
before = engine.postmaster()
engine.kill()
os.kill(before, signal.SIGKILL)
ok(os.path.exists(engine.unix), "the socket's file is left over")
engine.start()
ok(load.more(100), "an engine starts over what a crash left")
# Killed alone: its PostgreSQL runs on and is taken over.
before = engine.postmaster()
engine.kill()
engine.start()
same(engine.postmaster(), before, "the running PostgreSQL is taken over")
ok(load.more(100), "and serves")
load.finish()
own = engine.sql("select count(*) from verbatim.event_log where tenant_id = '%s'" % maker.tenant)
same(own, [[str(sent)]], "what was there before is all there")
ok(engine.settle(60), "the read models come to the head")
log = stored(engine)
same([i for i, place in load.acked.items() if log.get(i, [None])[0] != place][:5], [], "every acked event stands at its acked position")
same(load.wrong[:5], [], "no answer contradicted another")
same(sorted(set(load.events) - set(log))[:5], [], "every event that was sent is stored")
check_log(engine)
same(engine.one(COUNTS), "0", "message counts and last messages equal a fold in SQL")
same(engine.one(MESSAGES), "0", "messages equal a fold in SQL")
same(engine.stop(), 0, "an orderly end")
done()
