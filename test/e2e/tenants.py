#!/usr/bin/python3
"""tenants - an id means nothing outside its tenant.

Three tenants use the same event, conversation, customer, message and agent ids, two of them in one shard: each sees
and changes only its own rows, duplicates, conflicts, anomalies and expectations.
"""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import *

engine = Engine()
client = engine.client()


def shard_of(tenant):
    return client.call("read", 1, {"tenant_id": tenant}, 1)["shard"]


# Two tenants of one shard, and one of another.
maker = Maker(seed=11)
by_shard = {}
while True:
    tenant = maker.uuid()
    by_shard.setdefault(shard_of(tenant), []).append(tenant)
    together = next((t for t in by_shard.values() if len(t) > 1), None)
    if together and len(by_shard) > 1:
        apart = next(t[0] for t in by_shard.values() if t is not together)
        break
A, B, C = together[0], together[1], apart
same((shard_of(A) == shard_of(B), shard_of(A) == shard_of(C)), (True, False), "two tenants share a shard, the third has another")

customer, conversation, agent, message, answer = (maker.uuid() for _ in range(5))
at = rfc3339(time.time() - 3600)
source = Maker(seed=12, tenant=A)


def history(tenant, word):
    """The same ids for each tenant; only the words differ."""
    events = []
    maker = Maker(seed=13, tenant=tenant)
    ids = iter(IDS)

    def add(kind, entity, payload, **kw):
        events.append(maker.event(kind, entity, payload, event_id=next(ids), occurred_at=at, **kw))
    add("user.created", agent, {"email": word + "@shop.example", "role": "agent"})
    add("customer.created", customer, {"identities": [{"kind": "email", "value": word + "@mail.example"}], "profile": {"name": word}})
    add("conversation.created", conversation, {"customer_id": customer, "initial_channel": "web_chat", "subject": word})
    add("conversation.assigned", conversation, {"agent_id": agent, "assigned_by": "manual"})
    add("message.received", message, {"channel": "web_chat", "direction": "inbound", "sender_type": "customer", "content": word + " asks"},
        conversation_id=conversation)
    return events


IDS = [source.uuid7() for _ in range(5)]
acks = {}
for tenant, word in ((A, "anna"), (B, "bert"), (C, "carl")):
    acks[tenant] = client.append(history(tenant, word))
    same(acks[tenant]["duplicates"], [], "%s's events are new, though their ids stand in the log" % word)
    client.wait(acks[tenant])

columns = "select c.tenant_id, c.subject, u.profile ->> 'name', m.content, a.email, c.state, c.message_count"
joins = (" from core.conversations c join core.customers u on u.tenant_id = c.tenant_id and u.id = c.customer_id"
         " join core.messages m on m.tenant_id = c.tenant_id and m.conversation_id = c.id"
         " join core.users a on a.tenant_id = c.tenant_id and a.id = c.assigned_agent_id order by c.subject")
want = [[t, w, w, w + " asks", w + "@shop.example", "awaiting_agent", "1"] for t, w in ((A, "anna"), (B, "bert"), (C, "carl"))]
same(engine.sql(columns + joins), want, "each has rows of its own under the same keys")

again = client.append(history(A, "anna"))
same(again["duplicates"], [[i, acks[A]["first"] + i] for i in range(5)], "a duplicate is at the tenant's own position")
error = refused(lambda: client.append(history(A, "bert")), "conflict", "another tenant's content under the same ids is a conflict",
                position=acks[A]["first"])
same(client.append(history(B, "bert"))["duplicates"], [[i, acks[B]["first"] + i] for i in range(5)], "and a duplicate where it belongs")

# Two requests in one packet, the same new id, two tenants of one shard: one batch takes both.
IDS2 = [source.uuid7()]
first = client.send("append", [source.event("message.sent", answer, {"channel": "web_chat", "direction": "outbound", "sender_type": "agent",
                                                                      "sender_id": agent, "content": "hello anna"},
                                            event_id=IDS2[0], conversation_id=conversation)])
other = Maker(seed=12, tenant=B)
second = client.send("append", [other.event("message.sent", answer, {"channel": "web_chat", "direction": "outbound", "sender_type": "agent",
                                                                      "sender_id": agent, "content": "hello bert"},
                                            event_id=IDS2[0], conversation_id=conversation)])
x, y = client.recv(first), client.recv(second)
same((x["duplicates"], y["duplicates"], x["shard"] == y["shard"]), ([], [], True), "one id for two tenants in one batch is stored for both")
client.wait(x), client.wait(y)
same(engine.sql("select tenant_id, state, message_count from core.conversations order by subject"),
     [[A, "awaiting_customer", "2"], [B, "awaiting_customer", "2"], [C, "awaiting_agent", "1"]],
     "each answer moved its own tenant's conversation, and the third's stays")
same(engine.sql("select content from core.messages where tenant_id = '%s' and id = '%s'" % (B, answer)), [["hello bert"]],
     "the message of the same id has each tenant's words")

# What one tenant lacks the other's rows do not lend it.
stranger = maker.uuid()
own = Maker(seed=14, tenant=C)
ack = client.append([own.event("conversation.created", stranger, {"customer_id": customer, "initial_channel": "email"})])
ack = client.append([Maker(seed=15, tenant=A).received(stranger, "into a conversation of another tenant")])
client.wait(ack)
client.wait(client.append([Maker(seed=16, tenant=A).event("conversation.resolved", stranger, {"by": "agent"})]))
same(engine.sql("select state, message_count from core.conversations where tenant_id = '%s' and id = '%s'" % (C, stranger)), [["open", "0"]],
     "a message and a resolution that name another tenant's conversation leave it as it was")
same(engine.sql("select distinct tenant_id from core.anomalies"), [[A]], "the anomalies are the sender's")
ok(int(engine.one("select count(*) from core.anomalies where tenant_id = '%s'" % A)) >= 1, "and there are some")

# Expectations and reads.
head = max(int(r[0]) for r in engine.sql("select max(position) from verbatim.event_log where tenant_id in ('%s', '%s')" % (A, B)))
last_a = int(engine.one("select max(position) from verbatim.event_log where tenant_id = '%s'" % A))
last_b = int(engine.one("select max(position) from verbatim.event_log where tenant_id = '%s'" % B))
ok(last_a > last_b, "tenant A wrote last")
expect = [{"scope": s, "id": i, "after": last_b} for s, i in
          (("tenant", B), ("conversation", conversation), ("conversation", stranger), ("entity", conversation), ("entity", customer))]
ack = client.append([Maker(seed=17, tenant=B).received(conversation, "still there?")], expect=expect)
same(ack["duplicates"], [], "what another tenant wrote under the same ids breaks no expectation")
last_b = ack["last"]
refused(lambda: client.append([Maker(seed=18, tenant=B).received(conversation, "hello?")],
                              expect=[{"scope": "conversation", "id": conversation, "after": last_b - 1}]),
        "stale", "but what the tenant itself wrote does", position=last_b)
refused(lambda: client.append([Maker(seed=19, tenant=B).received(conversation, "hello?")],
                              expect=[{"scope": "tenant", "id": A, "after": last_b - 1}]),
        "stale", "scope tenant is the request's own, whatever id it names", position=last_b)

for tenant, count in ((A, 8), (B, 7), (C, 6)):
    events = client.call("read", 1, {"tenant_id": tenant}, 100)["events"]
    same((len(events), {uuid.UUID(bytes=e["tenant_id"]) for e in events}), (count, {uuid.UUID(tenant)}), "read gives a tenant its own %d events" % count)
    events = client.call("read", 1, {"tenant_id": tenant, "conversation_id": conversation}, 100)["events"]
    same({uuid.UUID(bytes=e["tenant_id"]) for e in events}, {uuid.UUID(tenant)}, "and of a conversation only its own")
same(client.call("read", 1, {"tenant_id": B, "conversation_id": stranger}, 100)["events"], [], "none of a conversation that is another's")
engine.settle()
check_log(engine)
same(engine.stop(), 0, "the engine ends in good order")
done()
