#!/usr/bin/python3
"""reapply - a policy is written anew, its running clocks are told: all of a tenant's, by name, in events of their own."""
import os
import sys

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
check_log(engine)
same(engine.stop(), 0, "the engine ends in good order")
done()
