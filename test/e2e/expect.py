#!/usr/bin/python3
"""expect - a request is stored only if nothing came in between: scopes, types, races, bursts, duplicates."""
import os
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import *

engine = Engine()
client = engine.client()
maker = Maker(seed=31)
customer = maker.customer()
talk = maker.conversation(customer["entity_id"])
other = maker.conversation(customer["entity_id"])
c1, c2 = talk["entity_id"], other["entity_id"]
resolution = maker.uuid()
opened = maker.event("resolution.created", resolution, {"conversation_id": c1, "issue_type": "billing", "owning_team": "finance"},
                     conversation_id=c1)
ack = client.append([customer, talk, maker.received(c1), other, opened, maker.received(c2)])
p = {name: ack["first"] + i for i, name in enumerate(["customer", "talk", "received", "other", "resolution", "last"])}
stored = [6]


def note_for(conversation):
    return maker.event("note.added", maker.uuid(), {"content": "x", "conversation_id": conversation}, conversation_id=conversation)


def count():
    return int(engine.one("select count(*) from verbatim.event_log where shard > 0"))


def holds(name, *expects):
    ack = client.append([maker.event("customer.seen", customer["entity_id"], {"at": rfc3339(time.time())})], expect=list(expects))
    stored[0] += 1
    same(ack["duplicates"], [], name)
    return ack


def stale(name, position, *expects):
    e = maker.event("customer.seen", customer["entity_id"], {"at": rfc3339(time.time())})
    return refused(lambda: client.append([e], expect=list(expects)), "stale", name, position=position)


def scope(kind, id=None, after=0, types=None):
    e = {"scope": kind, "after": after}
    if id:
        e["id"] = id
    if types is not None:
        e["types"] = types
    return e


# ---- scopes ----

stale("tenant: an event after that position", p["last"], scope("tenant", after=p["resolution"]))
stale("entity: the conversation itself", p["talk"], scope("entity", c1, p["customer"]))
holds("entity: a message of the conversation is no event of its entity", scope("entity", c1, p["talk"]))
stale("conversation: its messages count", p["resolution"], scope("conversation", c1, p["received"]))
holds("conversation: another one's do not", scope("conversation", c1, p["resolution"]))
stale("resolution: what names it", p["resolution"], scope("resolution", resolution, p["talk"]))
ack = holds("resolution: nothing after it", scope("resolution", resolution, p["resolution"]))
stale("entity: a customer, that has no conversation", ack["last"], scope("entity", customer["entity_id"], p["last"]))
holds("all four at once, when each is true", scope("tenant", after=ack["last"]), scope("entity", c1, p["talk"]),
      scope("conversation", c1, p["resolution"]), scope("resolution", resolution, p["resolution"]))
error = stale("all four, when one is not", p["talk"], scope("tenant", after=ack["last"] + 1), scope("conversation", c1, p["resolution"]),
              scope("entity", c1, 0), scope("resolution", resolution, p["resolution"]))
same(error.kind, "caller", "stale is the caller's to mend")
ok("%d" % p["talk"] in str(error), "and says where in words, too")
holds("an id that nothing bears", scope("conversation", maker.uuid(), 0))
holds("a position beyond the head", scope("tenant", after=1 << 40))

# ---- types ----

stale("types: one of them stands there", p["received"], scope("conversation", c1, 0, ["message.received", "message.sent"]))
holds("types: none of them does", scope("conversation", c1, 0, ["message.sent", "message.edited"]))
stale("types: an empty list means all", p["resolution"], scope("conversation", c1, p["received"], []))
stale("types: of the whole tenant", p["last"], scope("tenant", after=p["received"], types=["message.received"]))
holds("types: of the whole tenant, none", scope("tenant", after=p["last"], types=["message.received"]))
many = [scope("tenant", after=p["last"] - i % 2, types=["sla_policy.reapply"] if i % 3 else ["team.created", "message.sent"]) for i in range(20)]
holds("types: twenty of the whole tenant at once, none", *many)
stale("types: twenty of the whole tenant, and one that does", p["last"], *many, scope("tenant", after=p["received"], types=["team.updated", "message.received"]))
holds("types: after the last that does", *many, scope("tenant", after=p["last"], types=["team.updated", "message.received"]))
same(count(), stored[0], "what was stale was not stored")

# ---- duplicates ----

first = note_for(c1)
broken = [scope("conversation", c1, 0)]
ack = client.append([first])
stored[0] += 1
again = client.append([first], expect=broken)
same(again["duplicates"], [[0, ack["first"]]], "a request that is all there is a duplicate, whatever it expects")
second = note_for(c1)
refused(lambda: client.append([first, second], expect=[scope("tenant", after=1 << 40)]), "conflict",
        "partly there and with an expectation it is a conflict, even a true one", index=0)
refused(lambda: client.append([second, first], expect=broken), "conflict", "or a broken one", index=1)
same(count(), stored[0], "of which nothing is stored")
same(client.append([first, second])["duplicates"], [[0, ack["first"]]], "without one the new part goes in")
stored[0] += 1

# ---- one burst ----

base = ack["last"] + 1
a, b, c, d = (note_for(c2) for _ in range(4))
expects = [scope("conversation", c2, p["last"])]
numbers = [client.send("append", [e], {"expect": expects}) for e in (a, b)]
numbers += [client.send("append", [c], {"expect": [scope("conversation", c1, base)]}), client.send("append", [d], {})]
first = client.recv(numbers[0])
error = refused(lambda: client.recv(numbers[1]), "stale", "an expectation that an earlier request of the same burst breaks is stale",
                position=first["first"])
third, fourth = client.recv(numbers[2]), client.recv(numbers[3])
same((third["first"], fourth["first"]), (first["last"] + 1, first["last"] + 2), "the others of the burst are stored in order, without a gap")
stored[0] += 3
same(client.append([a], expect=expects)["duplicates"], [[0, first["first"]]], "the winner sent again is its own duplicate")
refused(lambda: client.append([b], expect=expects), "stale", "the loser stays stale", position=fourth["first"])
chain, numbers, last = [note_for(c2) for _ in range(50)], [], fourth["last"]
for i, e in enumerate(chain):
    numbers.append(client.send("append", [e], {"expect": [scope("tenant", after=last + i)]}))
same([client.recv(n)["first"] for n in numbers], [last + 1 + i for i in range(50)],
     "a burst in which each expects the one before it goes in whole")
stored[0] += 50
same(count(), stored[0], "and the log has just those")

# ---- races ----

CONNECTIONS, ROUNDS = 8, 40
head = last + 50
barrier = threading.Barrier(CONNECTIONS)
results = [[] for _ in range(CONNECTIONS)]
clients = [engine.client() for _ in range(CONNECTIONS)]
events = [[note_for(c1) for _ in range(ROUNDS)] for _ in range(CONNECTIONS)]


def race(n):
    for r in range(ROUNDS):
        barrier.wait()
        try:
            results[n].append((True, clients[n].append([events[n][r]], expect=[scope("conversation", c1, head + r)])["first"]))
        except RpcError as e:
            results[n].append((e.code, e.position))


threads = [threading.Thread(target=race, args=(n,)) for n in range(CONNECTIONS)]
[t.start() for t in threads]
[t.join() for t in threads]
per_round = list(zip(*results))
same([sum(x[0] is True for x in r) for r in per_round], [1] * ROUNDS, "of eight that append on one expectation exactly one wins, each round")
same([sorted(set(map(str, (x[0] for x in r)))) for r in per_round], [["True", "stale"]] * ROUNDS, "the others are stale")
same([{x[1] for x in r} for r in per_round], [{head + 1 + i} for i in range(ROUNDS)], "and are told where the winner stands")
stored[0] += ROUNDS
same(count(), stored[0], "the log has the winners and no more")

# All at once and without a pause: a counter that is read and written by conditional appends loses nothing.
conversation = maker.uuid()
client.append([maker.conversation(customer["entity_id"], conversation)])
target, wins = 15, [0] * 4


def count_up(n):
    c = engine.client()
    while wins[n] < target:
        events = c.call("read", 1, {"tenant_id": maker.tenant, "conversation_id": conversation}, 1000)["events"]
        try:
            c.append([maker.event("note.added", str(uuid.uuid4()), {"content": str(len(events))}, event_id=str(uuid.uuid4()),
                                  conversation_id=conversation)], expect=[scope("conversation", conversation, events[-1]["position"])])
            wins[n] += 1
        except RpcError as e:
            assert e.code == "stale", e


threads = [threading.Thread(target=count_up, args=(n,)) for n in range(4)]
[t.start() for t in threads]
[t.join() for t in threads]
same(engine.sql("select payload ->> 'content' from verbatim.event_log where event_type = 'note.added' and conversation_id = '%s'"
                " order by position" % conversation), [[str(i)] for i in range(1, 4 * target + 1)],
     "a counter kept by reading and conditional appends counts every step once")
check_log(engine)
same(engine.stop(), 0, "the engine ends in good order")
done()
