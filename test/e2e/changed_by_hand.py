#!/usr/bin/python3
"""changed_by_hand - somebody deletes rows of a read model under the worker that keeps it: it is missed, loudly.

The worker knows the row, the table does not: nothing of the batch is written, and the shard's read models stand still
with words that say what to do.  The log, and the other shards, go on.  What the words say helps.
"""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib.history import *
from lib.rebuilds import *

engine = Engine()
client = engine.client(timeout=60)
makers = [Maker(seed=400 + i) for i in range(8)]
talks, shards = [], []
for maker in makers:
    customer = maker.customer()
    talk = maker.conversation(customer["entity_id"])
    ack = client.append([customer, talk, maker.received(talk["entity_id"])])
    client.wait(ack)
    talks.append(talk["entity_id"])
    shards.append(ack["shard"])
victim = 0
other = next(i for i in range(8) if shards[i] != shards[victim])


def group():
    return next(g for g in client.call("status")["groups"] if g["shard"] == shards[victim])


table = engine.one("select table_name from verbatim.generation where projection = 'core.conversations' and active")

# A row that somebody holds, and lets go of as another version, is not a row that is gone.  A roll-up's is found by its place.
days = engine.one("select table_name from verbatim.generation where projection = 'analytics.rollup_day' and active")
counted = ("select sum(messages_in) from analytics.rollup_day where dimensions = 'all' and tenant_id = '%s'" % makers[victim].tenant)
before = int(engine.one(counted))
holder = Session(engine.conninfo())
holder.tell("begin; update generations.%s set messages_in = messages_in + 7 where tenant_id = '%s'" % (days, makers[victim].tenant))
ack = client.append([makers[victim].received(talks[victim], "who holds it?")])
ok(wait_until(lambda: engine.one("select count(*) from pg_stat_activity where wait_event_type = 'Lock' and application_name like 'verbatim core%'") == "1", 20),
   "the worker waits for whoever holds a row")
holder.tell("commit")
holder.close()
ok(client.wait(ack, 30000), "and goes on when it is let go")
same(int(engine.one(counted)), before + 1, "with its own values")
engine.sql("delete from generations.%s where id = '%s'" % (table, talks[victim]))
position = group()["position"]
messages = engine.one("select count(*) from core.messages where conversation_id = '%s'" % talks[victim])
ack = client.append([makers[victim].received(talks[victim], "is anybody there?")])
refused(lambda: client.wait(ack, 60000), "worker_stopped", "an event of a conversation whose row was deleted stops the worker")
told = group()
ok("the read model was changed by hand: rebuild it" in told["error"] and "core.conversations: 1 of" in told["error"],
   "status says what happened and what to do: " + told["error"])
same(told["position"], position, "the checkpoint has not moved")
same(engine.one("select count(*) from core.messages where conversation_id = '%s'" % talks[victim]), messages, "nothing of the batch was written")
status = client.call("status")
ok(not status["ready"] and "changed by hand" in status["error"], "the engine is not ready")
ok("changed by hand" in engine.tail(200), "and its diary says so")
ack = client.append([makers[victim].received(talks[victim], "still there?")])
ok(ack["last"] > position, "appends to the shard go on")
ack = client.append([makers[other].received(talks[other], "hello")])
ok(client.wait(ack, 30000), "so do the other shards' read models")

# It stays so: neither a second look nor another engine goes on from rows that are not right.

guest = Engine(db=engine.conninfo())
wait_until(lambda: False, 17)
same((group()["state"], group()["position"]), ("stopped", position), "the worker stays stopped")
same(engine.one("select max(position) from verbatim.checkpoints where shard = %d" % shards[victim]), str(position),
     "and no other engine takes its place")
with open(engine.log, errors="replace") as diary:
    same(diary.read().count("changed by hand"), 1, "the diary says it once")
same(guest.stop(), 0, "the other engine ends in order")

# What the words say.
outcome = command(engine, "rebuild", "conversations")
same(outcome.status, 0, "the read model is rebuilt: %r" % outcome)
ok(engine.settle(), "and the stopped worker goes on")
same(engine.one("select count(*) from core.messages where conversation_id = '%s'" % talks[victim]), str(int(messages) + 2), "with what had waited")
same(engine.one("select message_count from core.conversations where id = '%s'" % talks[victim]), str(int(messages) + 2), "in the row that was deleted")
ok(wait_until(lambda: client.call("status")["ready"], 30), "the engine is ready")
outcome = command(engine, "check")
same((outcome.status, {d["read_model"] for d in outcome.differences}), (1, {"analytics.rollup_day"}), "check finds what else was changed by hand, above")
same(command(engine, "rebuild", "rollup_day").status, 0, "which is rebuilt as well")
holds(engine, "and every read model holds what the log says")
check_log(engine)
same(engine.stop(), 0, "an orderly end")
done()
