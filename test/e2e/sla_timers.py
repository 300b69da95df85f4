#!/usr/bin/python3
"""
sla_timers - what time decides about SLA clocks is journaled once, at its instant, whatever happens to the engine.

Promises are of minutes, so conversations begin here just so long ago that they are due in a moment.
"""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib.desk import *


def decisions(engine, where="true"):
    """What the log says: (conversation, type, occurred_at, breached_at or threshold, due_at), in order."""
    return [tuple(r) for r in engine.sql(
        "select conversation_id, event_type, " + INSTANT % "occurred_at" + ", coalesce(payload->>'breached_at', payload->>'threshold'),"
        " payload->>'due_at' from verbatim.events where event_type in ('sla.warning', 'sla.breached') and payload->>'clock' = 'first_response'"
        " and " + where + " order by shard, position")]


def of(*conversations):
    return "conversation_id in (%s)" % ", ".join("'%s'" % c["entity_id"] for c in conversations)


def breach(conversation, due):
    at = rfc3339(due)
    return conversation["entity_id"], "sla.breached", at, at, at


def wants(engine, conversations, name, seconds=30):
    """Each of the (conversation, due) is breached, at its instant.  That nothing comes twice is seen at the end."""
    where = of(*[c for c, _ in conversations]) + " and event_type = 'sla.breached'"
    wait_until(lambda: len(decisions(engine, where)) >= len(conversations), seconds, name)
    same(sorted(decisions(engine, where)), sorted(breach(c, due) for c, due in conversations), name)


def table_of(engine):
    """Below schema generations, where the clocks have columns that the view does not show."""
    return engine.one("select table_name from verbatim.generation where projection = 'core.sla_clocks' and active")


def soon(seconds=1.0):
    return round(time.time() + seconds, 3)


def timers(engine, shard):
    return next(t for t in engine.client().call("status")["timers"] if t["shard"] == shard)


engine = Engine(binary=debug_binary())
desk = Desk(engine, 1)

# ---- warning and breach, word for word ----

due = soon(2)
talk = desk.begun(due)
desk.client.wait(desk.client.append([talk]))
wait_until(lambda: len(decisions(engine)) > 0, 10)
same(decisions(engine), [(talk["entity_id"], "sla.warning", rfc3339(due - 15), "0.75", rfc3339(due))],
     "a warning whose instant has passed already is journaled at once, with its own instant")
status = timers(engine, desk.shard)
same((status["owner"], status["next"], status["warnings"], status["breaches"]), (True, rfc3339(due), 1, 0),
     "status names the next instant")
wants(engine, [(talk, due)], "the breach comes when the time is up, and bears that instant")
row = engine.sql("select id, started_by, event_type, entity_type, entity_id, causation_id, actor_type, (recorded_at > occurred_at)::text,"
                 " extract(epoch from recorded_at - occurred_at), e.event_id from verbatim.events e"
                 " join generations.\"%s\" c on c.id = e.entity_id where event_type = 'sla.breached'" % table_of(engine))[0]
same((row[3], row[4], row[5], row[6], row[7]), ("sla_clock", row[0], talk["event_id"], "system", "true"),
     "it is the clock's, caused by the event that set it going, decided by the engine, recorded after its instant")
note("recorded %.1f ms after it" % (float(row[8]) * 1000))
line = "%s %s first_response 1 1 1 breach %s" % (desk.tenant, talk["entity_id"], rfc3339(due))
same(row[9], engine.one("select overlay(overlay(substr(encode(sha256('%s'), 'hex'), 1, 32) placing '8' from 13) placing"
                        " to_hex((get_byte(sha256('%s'), 8) & 63) | 128) from 17)::uuid" % (line, line)),
     "its id is what anybody can work out from its words")
desk.client.call("ping", 1)
engine.settle()
same(engine.sql("select " + INSTANT % "breached_at" + ", state from core.sla_clocks where conversation_id = '%s' and clock = 'first_response'" % talk["entity_id"]),
     [[rfc3339(due), "running"]], "and the read model shows it")
ok(wait_until(lambda: timers(engine, desk.shard)["breaches"] == 1, 5), "status has counted it")

# ---- answers ----

due = soon(1.5)
in_time, silent, late = desk.begun(due), desk.begun(due, silent=True), desk.begun(due)
desk.client.append([in_time, silent, late])
desk.client.append([desk.answer(in_time["entity_id"], due - 1)])
wants(engine, [(late, due)], "of three promises the one that was not kept is journaled")
same(decisions(engine, of(in_time, silent) + " and event_type = 'sla.breached'"), [], "not the one that was, nor imported history")
due = soon(-30)
told = desk.begun(due)
desk.client.append([told, desk.answer(told["entity_id"], time.time())])
wants(engine, [(told, due)], "an answer that came too late leaves the breach to be journaled, once")

# ---- races: answers given in time that arrive just when the breach is due ----

due = soon(3)
racers = [desk.begun(due) for _ in range(60)]
desk.client.append(racers)
pending = []
for i, talk in enumerate(racers):
    time.sleep(max(0, due - 0.015 + 0.0006 * i - time.time()))
    pending.append(desk.client.send("append", [desk.answer(talk["entity_id"], due - 0.5)], {}))
for number in pending:
    desk.client.recv(number)
engine.settle()
time.sleep(1.2)
order = engine.sql("select conversation_id, (max(position) filter (where event_type = 'sla.breached') < max(position) filter (where event_type = 'message.sent'))::text,"
                   " count(*) filter (where event_type = 'sla.breached') from verbatim.events where " + of(*racers) + " group by 1")
same([r for r in order if r[1] == "false" or int(r[2]) > 1], [], "no breach stands after an answer that was given in time")
note("%d of %d answers came after the breach" % (sum(r[1] == "true" for r in order), len(order)))
engine.settle()
same(engine.one("select count(*) from core.sla_clocks where clock = 'first_response' and " + of(*racers) + " and (breached_at is not null or state <> 'fulfilled')"),
     "0", "and those that were told after it retract it")

# ---- the engine is not there when the time comes ----

due = soon(1.5)
missed = [desk.begun(due + i / 1000) for i in range(5)]
desk.client.append(missed)
engine.settle()
engine.stop()
time.sleep(max(0, due + 1 - time.time()))
engine.start()
desk.reconnect(engine)
wants(engine, [(c, due + i / 1000) for i, c in enumerate(missed)], "an engine that was down over the due times journals them at its start, with the true instants")

# ---- killed between any two steps ----

for fault in ("timers.decided=kill", "append.sent=kill@4", "append.committed=kill@3", "timers.journaled=kill"):
    engine.stop()
    engine.start(env={"VERBATIM_FAULT": fault})
    desk.reconnect(engine)
    due = soon(1.5)
    doomed = [desk.begun(due) for _ in range(3)]
    died = False
    try:
        desk.client.append(doomed)
    except (ConnectionError, OSError):
        died = True
    died = wait_until(lambda: not engine.alive(), 15, "the engine dies") or died
    engine.start()
    desk.reconnect(engine)
    desk.client.append(doomed)  # whatever became of it
    ok(died, fault)
    wants(engine, [(c, due) for c in doomed], "each of three promises is journaled as broken, once")

# ---- clocks that are set ----

for shift in (-4, 4):
    engine.stop()
    engine.start(env={"VERBATIM_CLOCK_SHIFT": str(shift)})
    desk.reconnect(engine)
    due = soon(3)
    shifted = desk.begun(due)
    desk.client.append([shifted])
    wait_until(lambda: decisions(engine, of(shifted) + " and event_type = 'sla.breached'"), 20)
    now = time.time()
    ok(now >= due + (-shift if shift < 0 else 0), "a clock that is %+d s off: no breach before the instant is over by both clocks" % shift)
    wants(engine, [(shifted, due)], "then it is journaled")
engine.stop()
engine.start(env={"VERBATIM_CLOCK_SHIFT": "60"})
desk.reconnect(engine)
time.sleep(1.5)
before = len(decisions(engine))
engine.stop()
engine.start()
desk.reconnect(engine)
time.sleep(1.5)
same(len(decisions(engine)), before, "a clock set forward by a minute and back again journals nothing twice")

# ---- two engines ----

other = Engine(db=engine.conninfo())
due = soon(2)
shared = [desk.begun(due) for _ in range(20)]
for i, talk in enumerate(shared):
    (desk.client if i % 2 else other.client()).append([talk])
wants(engine, [(c, due) for c in shared], "two engines: each breach once")
ok(wait_until(lambda: sum(t["owner"] for e in (engine, other) for t in e.client().call("status")["timers"]) == 4, 20), "each shard has one owner")
due = soon(2)
taken = [desk.begun(due) for _ in range(20)]
other.client().append(taken)
engine.kill()
wants(other, [(c, due) for c in taken], "when the owner is killed the other one goes on", 40)
ok(wait_until(lambda: timers(other, desk.shard)["owner"], 20), "as the owner")
engine.start()
desk.reconnect(engine)
other.stop()

# ---- read models that are folded anew ----

engine.settle()
before = decisions(engine)
tables = [r[0] for r in engine.sql("select format('generations.%I', tablename) from pg_tables where schemaname = 'generations'")]
engine.sql("begin; lock verbatim.projection_batch; truncate %s; delete from verbatim.projection_batch; commit" % ", ".join(tables))
engine.stop()
engine.start()
ok(engine.settle(), "the read models, emptied, are folded from the log's beginning")
time.sleep(2.5)
same(decisions(engine), before, "which journals nothing")
ok(engine.client().call("status")["duplicates"] <= 1, "nor tries to")  # log.created is told at each start
same(engine.one("select count(*) from generations.\"%s\" where next_at < now()" % table_of(engine)), "0", "and leaves nothing to be decided")


same(engine.sql("select entity_id, event_type, payload->>'threshold', payload->>'due_at', count(*) from verbatim.events"
                " where event_type in ('sla.warning', 'sla.breached') group by 1, 2, 3, 4 having count(*) > 1"), [], "nothing at all was journaled twice")
same(engine.sql("select position from verbatim.event_log where event_type in ('sla.warning', 'sla.breached') and recorded_at <= occurred_at"), [],
     "or before its instant was over")
same(engine.sql("select code, text from core.anomalies"), [], "and every event found its clock")
done()
