#!/usr/bin/python3
"""reapply - a policy is written anew, its running clocks are told: all of a tenant's, by name, in events of their own that
a person appends, or that the engine journals for who asked for all."""
import hashlib
import os
import sys
import uuid

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import *

TALKS = 1203


def policy(minutes):
    return {"name": "P", "tier": "standard", "first_response_time_minutes": minutes, "resolution_time_minutes": 600,
            "business_hours_only": False}


engine = Engine()
client = engine.client()
m, other = Maker(seed=1), Maker(seed=2)
ids = {}
for maker in (m, other):
    p, customer = maker.uuid(), maker.customer()
    client.append([maker.event("sla_policy.created", p, policy(60)), customer])
    talks = [maker.conversation(customer["entity_id"]) for _ in range(TALKS)]
    client.append(talks[:1000])
    ack = client.append(talks[1000:] + [
        maker.event("resolution.created", maker.uuid(), {"conversation_id": talks[0]["entity_id"], "issue_type": "ops", "owning_team": "infra"}),
        maker.event("conversation.deleted", talks[1]["entity_id"], {"reason": "test"}, conversation_id=talks[1]["entity_id"]),
        maker.event("sla_policy.updated", p, policy(30))])
    client.wait(ack)
    ids[maker] = p
shown = engine.run("psql", "--db", engine.conninfo(), "--", "-Atc", "select core.sla_reapply('%s')" % ids[m])
events = [json.loads(line) for line in shown.stdout.splitlines()]
same({e["tenant_id"] for e in events}, {m.tenant}, "the policy's tenant is named")
same([len(e["payload"].get("conversation_ids", e["payload"].get("resolution_ids"))) for e in events], [1000, TALKS - 1 - 1000, 1],
     "a thousand names an event at most, and not what is deleted")
ack = client.append(events)
client.wait(ack)
same(len(client.append(events)["duplicates"]), len(events), "the same lines once more are duplicates")
how = "select policy_version, target_seconds, count(*) from core.sla_clocks where tenant_id = '%s' and state = 'running' group by 1, 2 order by 2"
same(engine.sql(how % m.tenant), [["2", "1800", str(TALKS - 1)], ["2", "36000", str(TALKS)]], "every running clock goes by the newest version")
same(engine.sql("select core.sla_reapply('%s')" % ids[m]), [], "and nobody is left to be told")
same(engine.sql(how % other.tenant), [["1", "3600", str(TALKS - 1)], ["1", "36000", str(TALKS)]], "the other tenant's stay with theirs")
same(engine.one("select count(*) from core.anomalies"), "0", "and nothing did not fit")

# A resolution's story is found by an index, as a conversation's is.
plan = "\n".join(r[0] for r in engine.sql("set enable_seqscan = off; explain select * from core.sla_clock_history where tenant_id = '%s' and resolution_id = '%s'"
                                          " order by position" % (m.tenant, m.uuid())))
ok("resolution_id = " in plan and "Sort" not in plan, "what happened to a resolution's clock comes from an index, in order")

# ---- all: true ----


def asks(event):
    return engine.sql("select parts, named, finished_at is not null from core.sla_reapplications where id = '%s'" % event["event_id"])


def parts(event):
    return engine.sql("select event_id, jsonb_array_length(coalesce(payload->'conversation_ids', '[]')) + jsonb_array_length(coalesce(payload->'resolution_ids', '[]')),"
                      " occurred_at = '%s', actor_type from verbatim.events where event_type = 'sla_policy.reapply' and causation_id = '%s' order by position"
                      % (event["occurred_at"], event["event_id"]))


def derived(event, nth):
    h = bytearray(hashlib.sha256(("%s %s reapply %d" % (m.tenant, event["event_id"], nth)).encode()).digest()[:16])
    h[6], h[8] = h[6] & 0x0f | 0x80, h[8] & 0x3f | 0x80
    return str(uuid.UUID(bytes=bytes(h)))


client.append([m.event("sla_policy.updated", ids[m], policy(20))])
ask = m.event("sla_policy.reapply", ids[m], {"all": True})
ack = client.append([ask])
client.wait(ack)
named = TALKS  # the open conversations, and the resolution
wait_until(lambda: asks(ask) == [[str(len(parts(ask))), str(named), "t"]], 30)
told = parts(ask)
same([int(p[1]) for p in told], [200] * (named // 200) + [named % 200, 0], "who asks for all: the engine names two hundred at a time, and says when nobody is left")
same([p[0] for p in told], [derived(ask, i + 1) for i in range(len(told))], "with ids that follow from the ask")
same({(p[2], p[3]) for p in told}, {("t", "system")}, "as of the moment it was asked")
same(engine.sql(how % m.tenant), [["3", "1200", str(TALKS - 1)], ["3", "36000", str(TALKS)]], "every running clock goes by the newest version")
same(engine.sql(how % other.tenant), [["1", "3600", str(TALKS - 1)], ["1", "36000", str(TALKS)]], "the other tenant's stay with theirs")

silent = m.event("sla_policy.reapply", ids[m], {"all": True}, silent=True)
client.wait(client.append([silent]))
same((asks(silent), parts(silent)), ([], []), "nothing follows from one that is silent")
same(engine.sql("select code from core.anomalies"), [["unbounded"]], "but an anomaly, which says so")

# ---- killed between any two steps ----

engine.stop()
engine.binary = debug_binary()
for n, fault in enumerate(("timers.named=kill@2", "append.sent=kill@4", "append.committed=kill@5", "timers.journaled=kill@3", "project.sent=kill@4")):
    engine.start(env={"VERBATIM_FAULT": fault})
    client = engine.client()
    ask = m.event("sla_policy.reapply", ids[m], {"all": True})
    try:
        client.append([m.event("sla_policy.updated", ids[m], policy(30 + n))])
        client.append([ask])
    except (ConnectionError, OSError):
        pass
    wait_until(lambda: not engine.alive(), 20, "the engine dies")
    ok(not engine.alive(), fault)
    engine.start()
    client = engine.client()
    client.append([ask])  # whatever became of it
    wait_until(lambda: asks(ask)[0:1] and asks(ask)[0][2] == "t", 30)
    told = parts(ask)
    same([p[0] for p in told], [derived(ask, i + 1) for i in range(len(told))], "each part stands in the log once")
    same([int(told[-1][1]), sum(int(p[1]) for p in told)], [0, named], "and names everybody once")
    same(engine.sql("select count(*) from core.sla_clocks c join core.slas s on s.id = c.policy_id where c.tenant_id = '%s'"
                    " and c.state = 'running' and c.policy_version <> s.policy_version" % m.tenant), [["0"]], "nobody is left out")
    engine.stop()
engine.start()
check_log(engine)
same(engine.stop(), 0, "the engine ends in good order")
done()
