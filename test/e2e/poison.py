#!/usr/bin/python3
"""poison - rows the database refuses and events no fold can apply: the worker goes on, and says what it left out."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib.history import *

engine = Engine()
client = engine.client()
table = engine.one("select table_name from verbatim.generation where projection = 'core.messages' and active")
engine.sql("alter table generations.%s add constraint no_poison check (content is distinct from 'poison')" % table)

# Poison among many others, alone, at both ends, twice in a row, on a live engine.
maker = Maker(seed=21)
customer = maker.customer()
talks = [maker.conversation(customer["entity_id"]) for _ in range(3)]
events = [customer] + talks
poison = []
for i in range(900):
    e = maker.received(talks[i % 3]["entity_id"], "poison" if i in (0, 1, 400, 450, 899) else "fine %d" % i)
    events.append(e)
    if e["payload"]["content"] == "poison":
        poison.append(e)
ack = client.append(events)
client.wait(ack, 60000)
for text in ("poison", "fine after all"):
    e = maker.received(talks[0]["entity_id"], text)
    events.append(e)
    if text == "poison":
        poison.append(e)
    ack = client.append([e])
    client.wait(ack, 60000)
ok(True, "the worker goes on past rows that the database refuses")
positions = {r[0]: r[1] for r in engine.sql("select event_id, position from verbatim.event_log where tenant_id = '%s'" % maker.tenant)}
same(engine.sql("select position, read_model, code from core.anomalies where tenant_id = '%s' order by position::int8" % maker.tenant),
     [[positions[e["event_id"]], "messages", "row_refused"] for e in sorted(poison, key=lambda e: int(positions[e["event_id"]]))],
     "each of them is an anomaly row_refused, and nothing else is one")
same(engine.one("select count(*) from core.messages where tenant_id = '%s'" % maker.tenant), str(len(events) - 4 - len(poison)),
     "every other message is there")
fine = {t["entity_id"]: sum(e["event_type"] == "message.received" and e["conversation_id"] == t["entity_id"] and e not in poison
                            for e in events) for t in talks}
same({r[0]: int(r[1]) for r in engine.sql("select id, message_count from core.conversations where tenant_id = '%s'" % maker.tenant)}, fine,
     "nothing of a refused event is kept: the counts are those of the rest")
ok("poison" not in open(os.path.join(engine.data, "pg.log"), errors="replace").read().replace("no_poison", ""), "PostgreSQL's log tells no contents")
ok("\"poison\"" not in open(engine.log, errors="replace").read(), "nor does the engine's")
ok(int(engine.one("select count(*) from verbatim.projection_batch where shard = %d" % ack["shard"])) > 10, "batches were halved down to the events")
status = client.call("status")
ok(status["ready"], "the engine is ready")
ok(any(g["anomalies"] for g in status["groups"]), "status counts anomalies")

# What no fold can apply.
other = Maker(seed=22)
c2 = other.customer()
t2 = other.conversation(c2["entity_id"])
strays = [other.received(other.uuid(), "to a conversation nobody began"),
          other.event("conversation.assigned", other.uuid(), {"agent_id": other.uuid(), "assigned_by": "manual"}),
          other.event("message.delivered", other.uuid(), {"at": rfc3339(time.time())}, conversation_id=t2["entity_id"]),
          other.conversation(other.uuid()),
          dict(other.conversation(c2["entity_id"], t2["entity_id"]))]
strays[1]["conversation_id"] = strays[1]["entity_id"]
last = other.received(t2["entity_id"], "and on it goes")
client.append([c2, t2])
for e in strays:
    client.append([e])
ack = client.append([last])
client.wait(ack, 60000)
found = {r[0]: r[1] for r in engine.sql("select l.event_id, string_agg(a.code, ',' order by a.code) from core.anomalies a"
                                        " join verbatim.event_log l on l.shard = %d and l.position = a.position"
                                        " where a.tenant_id = '%s' group by 1" % (ack["shard"], other.tenant))}
note(sorted(found.values()))
same(sorted(set(e["event_id"] for e in strays) - set(found)), [], "an event that no fold can apply leaves an anomaly")
same(engine.one("select message_count from core.conversations where tenant_id = '%s' and id = '%s'" % (other.tenant, t2["entity_id"])), "1",
     "and the fold goes on behind it")

# Under load, killed and started again: the same rows, the same anomalies.
load = Load(engine.unix, clients=2, seed=23)
load.more(200)
engine.kill()
engine.start()
load.more(200)
load.finish()
load.events.update({e["event_id"]: e for e in events + [c2, t2, last] + strays})
ok(engine.settle(), "the read models come to the head of the log")
check_acks(engine, load)
check_log(engine)
live = digests(engine)
again, roots = refold(engine)
for name in sorted(live):
    if live[name] != again.get(name):
        note("%s: %s live, %s anew" % (name, live[name], again.get(name)))
ok(live == again, "a fresh fold of the log, with the same refusals, gives the same rows and anomalies")
engine.sql("alter table generations.%s drop constraint no_poison" % table)
same(engine.stop(), 0, "an orderly end")

# Nothing can be written at all: the worker stops, says so, and comes back when it is mended.
engine.start()
client = engine.client()
anomalies = engine.one("select table_name from verbatim.generation where projection = 'core.anomalies' and active")
engine.sql("alter table generations.%s add constraint no_poison check (content is distinct from 'poison');"
           " alter table generations.%s add constraint nothing check (code <> 'row_refused') not valid" % (table, anomalies))
e = maker.received(talks[0]["entity_id"], "poison")
ack = client.append([e])
try:
    client.wait(ack, 60000)
    ok(False, "a worker that cannot even note the anomaly stops")
except RpcError as error:
    same(error.code, "worker_stopped", "a worker that cannot even note the anomaly stops")
same(client.call("status")["ready"], False, "status says so")
ack = client.append([maker.received(talks[0]["entity_id"], "appends go on")])
engine.sql("alter table generations.%s drop constraint no_poison; alter table generations.%s drop constraint nothing" % (table, anomalies))


def waited():
    try:
        client.wait(ack, 30000)
        return True
    except RpcError:
        return False


ok(wait_until(waited, 60), "mended, it goes on by itself")
same(engine.one("select count(*) from core.messages where content = 'poison'"), "1", "with the row that was refused before")
same(engine.stop(), 0, "an orderly end")
done()
