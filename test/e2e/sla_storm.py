#!/usr/bin/python3
"""
sla_storm - many clocks due in the same second: each journaled once, bounded memory, other work goes on.

VERBATIM_CLOCKS says how many (20,000; the whole claim is 100,000).
"""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib.desk import *

CLOCKS = int(os.environ.get("VERBATIM_CLOCKS", "20000"))

engine = Engine()
desks = [Desk(engine, 100 + i, warn_at=()) for i in range(8)]
began = time.time()
per_desk, due = CLOCKS // 8, round(began + 10 + CLOCKS / 1500)
for d in desks:
    pending = []
    for i in range(0, per_desk, 500):
        pending.append(d.client.send("append", [d.begun(due) for _ in range(min(500, per_desk - i))], {}))
        if len(pending) > 3:
            d.client.recv(pending.pop(0))
    for number in pending:
        d.client.recv(number)
engine.settle(300)
note("%d clocks made in %.1f s, due in %.1f s" % (per_desk * 8, time.time() - began, due - time.time()))
ok(time.time() < due, "all are there before they are due")
memory = engine.resident()
chatter, times, peak = desks[0], [], memory
talk = chatter.conversation(chatter.person["entity_id"])
chatter.client.append([talk])
while True:
    start = time.time()
    chatter.client.append([chatter.received(talk["entity_id"])])
    if start > due:
        times.append(time.time() - start)
    peak = max(peak, engine.resident())
    if start > due and (len(times) % 10 == 0) and sum(t["breaches"] for t in chatter.client.call("status")["timers"]) >= per_desk * 8:
        break
    if start > due + 120 + CLOCKS / 100:
        break
    time.sleep(0.01)
note("journaled in %.1f s; %d appends meanwhile took %.1f ms (median) to %.1f ms; memory %.1f MiB, %.1f at most" %
     (time.time() - due, len(times), 1000 * sorted(times)[len(times) // 2], 1000 * max(times), memory / 2**20, peak / 2**20))
engine.settle(120)
where = "tenant_id in (%s) and conversation_id <> '%s'" % (", ".join("'%s'" % d.tenant for d in desks), talk["entity_id"])
same(engine.sql("select count(*), count(distinct entity_id), count(distinct conversation_id), min(" + INSTANT % "occurred_at" + "), max(" + INSTANT % "occurred_at" +
                ") from verbatim.events where event_type = 'sla.breached' and " + where),
     [[str(per_desk * 8)] * 3 + [rfc3339(due)] * 2], "%d clocks due in the same second are journaled, each once" % (per_desk * 8))
same(engine.one("select count(*) from core.sla_clocks where clock = 'first_response' and breached_at = due_at and " + where), str(per_desk * 8), "and shown")
ok(max(times) < 5, "while other work goes on")
ok(peak - memory < 96 << 20, "and memory stays bounded")
check_log(engine)
done()
