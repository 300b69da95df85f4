#!/usr/bin/python3
"""idempotency - an event is stored once, however often, wherever and whenever it is sent; never with two contents."""
import os
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import *

engine = Engine()
maker = Maker(seed=21)
customer = maker.customer()
conversation = maker.conversation(customer["entity_id"])
request = [customer, conversation, maker.received(conversation["entity_id"], "hello")]


def stored():
    return int(engine.one("select count(*) from verbatim.event_log where shard > 0"))


def places(ack, count):
    """The position of each event of a request of which none is new."""
    return [p for _, p in sorted(ack["duplicates"])] if len(ack["duplicates"]) == count else ack


client = engine.client()
first = client.append(request)
want = list(range(first["first"], first["last"] + 1))
same(client.append(request)["duplicates"], [[i, p] for i, p in enumerate(want)], "a request sent again is at its first positions")
again = client.append(request)
same((again["first"], again["last"], again["leaf"], again["shard"], again["log_id"], again["epoch"]),
     (first["first"], first["last"], first["leaf"], first["shard"], first["log_id"], first["epoch"]),
     "its answer is the first one, leaf and all")
same(places(engine.client().append(request), 3), want, "on another connection, too")
same(places(Client(engine.unix).append(request), 3), want, "and over a Unix socket")
same(engine.stop(), 0, "after an orderly end")
engine.start()
same(places(engine.client().append(request), 3), want, "and a start they are where they were")
engine.kill()
engine.start()
client = engine.client()
same(places(client.append(request), 3), want, "after a kill, too")
same(places(client.append(list(reversed(request))), 3), list(reversed(want)), "in whatever order")
same(client.append([request[1]])["duplicates"], [[0, want[1]]], "and one at a time")
same(stored(), 3, "three events stand in the log")

# ---- other content ----

changes = {
    "payload": dict(request[2]["payload"], content="goodbye"), "event_type": "message.edited", "entity_id": maker.uuid(),
    "conversation_id": maker.uuid(), "customer_id": maker.uuid(), "resolution_id": maker.uuid(), "actor_type": "user",
    "actor_id": maker.uuid(), "actor_ip": "10.0.0.1", "actor_user_agent": "curl", "correlation_id": maker.uuid(),
    "causation_id": maker.uuid(), "occurred_at": "2024-05-01T00:00:00Z", "silent": True,
}
for name, value in changes.items():
    other = dict(request[2], **{name: value})
    if name == "event_type":
        other["payload"] = {"content": "hello"}
    refused(lambda: client.append([other]), "conflict", "the same id with another %s is a conflict" % name, position=want[2])
new = maker.received(conversation["entity_id"], "new")
error = refused(lambda: client.append([new, dict(request[2], silent=True)]), "conflict", "beside a new event, too, naming the one",
                index=1, position=want[2])
same(stored(), 3, "and nothing of such a request is stored")
same(client.append([dict(request[2], payload=dict(reversed(list(request[2]["payload"].items()))))])["duplicates"], [[0, want[2]]],
     "another order of keys is no other content")

# ---- inside a request, and partly ----

one, two = (maker.received(conversation["entity_id"], str(i)) for i in range(2))
ack = client.append([one, two, one])
same((ack["last"] - ack["first"], ack["duplicates"]), (1, [[2, ack["first"]]]), "an event that stands twice in a request is stored once")
same(client.append([one, two, one])["duplicates"], [[0, ack["first"]], [1, ack["first"] + 1], [2, ack["first"]]],
     "and sent again, all three are duplicates")
three = maker.received(conversation["entity_id"], "three")
refused(lambda: client.append([three, dict(three, silent=True)]), "conflict", "twice with different content is a conflict", index=1)
same(stored(), 5, "of which nothing is stored")
ack = client.append([one, three, two, new])
same(ack["duplicates"], [[0, want[2] + 1], [2, want[2] + 2]], "a request that is partly there: what is there is a duplicate")
same((ack["last"] - ack["first"], stored()), (1, 7), "and what is new is stored, seamlessly")
same(engine.sql("select event_id from verbatim.event_log where shard > 0 order by position offset 5"),
     [[three["event_id"]], [new["event_id"]]], "in its order")

# ---- large ----

bulk = [maker.received(conversation["entity_id"], "bulk %d" % i) for i in range(5000)]
ack = client.append(bulk)
same((ack["last"] - ack["first"], ack["duplicates"]), (4999, []), "a request larger than a batch is stored whole")
again = client.append(bulk)
same(again["duplicates"] == [[i, ack["first"] + i] for i in range(5000)], True, "and is a duplicate whole")
mixed = bulk[:4000] + [maker.received(conversation["entity_id"], "late") for _ in range(2000)]
more = client.append(mixed)
same((len(more["duplicates"]), more["last"] - more["first"]), (4000, 1999), "two thirds of it there, one third new")
head = stored()
refused(lambda: client.append(bulk[:3000] + [dict(bulk[3000], silent=True)] + bulk[3001:] + [maker.received(conversation["entity_id"])]),
        "conflict", "one conflict in its middle refuses all of it", index=3000, position=ack["first"] + 3000)
same(stored(), head, "and stores nothing")

# ---- in flight ----

for rounds, size in ((300, 1), (40, 50)):
    requests = [[maker.received(conversation["entity_id"], "race") for _ in range(size)] for _ in range(rounds)]
    answers = [None, None, None, None]

    def race(n):
        c = engine.client()
        order = requests if n % 2 == 0 else list(reversed(requests))
        numbers = {id(r): c.send("append", r) for r in order}
        answers[n] = [c.recv(numbers[id(r)]) for r in requests]

    def where(answer, count):
        d = dict(map(tuple, answer["duplicates"]))
        fresh = iter(range(answer["first"], answer["last"] + 1))
        return [d[i] if i in d else next(fresh) for i in range(count)]
    threads = [threading.Thread(target=race, args=(n,)) for n in range(4)]
    head = stored()
    [t.start() for t in threads]
    [t.join() for t in threads]
    same(stored() - head, rounds * size, "%d requests of %d events from four connections at once are stored once" % (rounds, size))
    got = [[where(a, size) for a in per] for per in answers]
    same(got[1:] == got[:1] * 3, True, "and all four are told the same positions")
    fresh = [sum(len(a[i]["duplicates"]) < size for a in answers) for i in range(rounds)]
    same(set(fresh), {1}, "to exactly one of them each request was new")

clash = [maker.received(conversation["entity_id"], "clash") for _ in range(100)]
ends = [[], []]


def fight(n):
    c = engine.client()
    numbers = [c.send("append", [dict(e, actor_user_agent="client %d" % n)]) for e in clash]
    for number in numbers:
        try:
            c.recv(number)
            ends[n].append("stored")
        except RpcError as e:
            ends[n].append(e.code)


threads = [threading.Thread(target=fight, args=(n,)) for n in range(2)]
[t.start() for t in threads]
[t.join() for t in threads]
same({tuple(sorted(p)) for p in zip(*ends)}, {("conflict", "stored")}, "of two contents in flight under one id one is stored, the other a conflict")

pipelined = engine.client()
e = maker.received(conversation["entity_id"], "again and again")
numbers = [pipelined.send("append", [e]) for _ in range(500)]
answers = [pipelined.recv(n) for n in numbers]
same((len({a["first"] for a in answers}), sum(not a["duplicates"] for a in answers)), (1, 1),
     "500 times the same event in one burst is one event at one position")

# ---- ids and times ----

for name, value in (("of version 4", maker.uuid()), ("of version 1", "c232ab00-9414-11ec-b3c8-9f6bdeced846"),
                    ("of version 8", "00000000-0000-8000-8000-000000000001"), ("of no version", "ffffffff-ffff-ffff-ffff-ffffffffffff"),
                    ("of version 7 years ago", "01010a14-571a-7b1b-aa69-354a5e788143")):
    e = maker.received(conversation["entity_id"], event_id=value)
    ack = client.append([e])
    same((ack["duplicates"], client.append([e])["duplicates"]), ([], [[0, ack["first"]]]), "an id %s is stored and found again" % name)


def uuid7(seconds):
    ms = int((time.time() + seconds) * 1000)
    return str(uuid.UUID(int=ms << 80 | 0x7000 << 64 | 0x8000 << 48 | maker.random.getrandbits(48)))


refused(lambda: client.append([maker.received(conversation["entity_id"], event_id=uuid7(25 * 3600))]), "invalid",
        "an id of version 7 from more than a day ahead is refused", index=0, field="event_id")
same(client.append([maker.received(conversation["entity_id"], event_id=uuid7(23 * 3600))])["duplicates"], [], "less than a day ahead it is taken")
refused(lambda: client.append([maker.received(conversation["entity_id"], occurred_at=rfc3339(time.time() + 25 * 3600))]), "invalid",
        "an event from more than a day ahead is refused", index=0, field="occurred_at")
same(client.append([maker.received(conversation["entity_id"], occurred_at=rfc3339(time.time() + 23 * 3600))])["duplicates"], [],
     "less than a day ahead it is taken")
late = maker.received(conversation["entity_id"], occurred_at="1999-12-31T23:59:59Z")
ack = client.append([late])
same(client.append([late])["duplicates"], [[0, ack["first"]]], "an event that is decades late is stored, and known again")
same(engine.one("select recorded_at > now() - interval '1 hour' from verbatim.event_log where event_id = '%s'" % late["event_id"]), "t",
     "recorded_at says when it came")

engine.kill()
engine.start()
client = engine.client()
same(client.append(bulk)["duplicates"] == again["duplicates"], True, "after another kill five thousand duplicates are where they were")
engine.settle()
same(engine.one("select count(*) from core.messages"), engine.one("select count(*) from verbatim.event_log where event_type = 'message.received'"),
     "and every message shows once")
check_log(engine)
same(engine.stop(), 0, "the engine ends in good order")
done()
