#!/usr/bin/python3
"""order - positions are gapless, in the order of acknowledging, and visible as soon as they are told.

What cost others an incident stands here under its own name: out-of-order commits, gaps left by what was rolled back,
writers of one microsecond, notifications that come before the row can be seen, pages that end behind an unseen row.
"""
import os
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import *

engine = Engine()
client = engine.client()
maker = Maker(seed=101)
talk = maker.uuid()


def message(own=maker, conversation=talk, text="x", **kw):
    return own.received(conversation, text, **kw)


# ---- what is refused leaves no gap ----

refused(lambda: client.append([message(event_type="nothing")]), "invalid", "the very first request is refused")
refused(lambda: client.append([message()], expect=[{"scope": "tenant", "after": 0}, {"scope": "entity", "id": talk, "after": 0}])
        and client.append([message()], expect=[{"scope": "tenant", "after": 0}]), "stale", "an expectation fails in the log's first moments")
first = client.append([message()])
same(first["first"], 2, "a rollback gap at position 1: there is none")
base = first["last"]
first_event = client.call("read", base, {"tenant_id": maker.tenant}, 1)["events"][0]
numbers, kinds = [], []
for i in range(400):
    kind = ("good", "good", "invalid", "stale", "conflict", "mixed")[i % 6]
    e, options = message(text=str(i)), {}
    events = [e, message(text="%d b" % i)]
    if kind == "invalid":
        events[1]["payload"]["channel"] = "smoke"
    elif kind == "stale":
        options = {"expect": [{"scope": "tenant", "after": base - 1}]}
    elif kind == "conflict":
        events[1]["event_id"] = str(uuid.UUID(bytes=first_event["event_id"]))
    elif kind == "mixed":
        events[1]["tenant_id"] = maker.uuid()
    numbers.append(client.send("append", events, options))
    kinds.append(kind)
codes, places = [], []
for n in numbers:
    try:
        ack = client.recv(n)
        codes.append("good")
        places += [ack["first"], ack["last"]]
    except RpcError as e:
        codes.append({"mixed_tenants": "mixed"}.get(e.code, e.code))
same(codes, kinds, "of 400 requests in one burst each gets its own answer")
same(places, list(range(base + 1, base + 1 + 2 * kinds.count("good"))),
     "rollback gaps in the middle and at the head: the good ones stand without a gap, in the order they were sent")

# ---- many writers ----

tenants = [Maker(seed=200 + i) for i in range(5)]
WRITERS, EACH = 8, 60
acks = [[] for _ in range(WRITERS)]
failed = []


def write(n):
    try:
        c = engine.client()
        own = [Maker(seed=1000 * n + i, tenant=t.tenant) for i, t in enumerate(tenants)]
        numbers = []
        for i in range(EACH):
            m = own[i % len(own)]
            request = [message(m, talk, "%d/%d/%d" % (n, i, k)) for k in range(1 + i % 7)]
            numbers.append((m.tenant, request, c.send("append", request)))
        for tenant, request, number in numbers:
            ack = c.recv(number)
            acks[n].append((tenant, request, ack))
    except Exception as e:
        failed.append(e)


threads = [threading.Thread(target=write, args=(n,)) for n in range(WRITERS)]
[t.start() for t in threads]
[t.join(120) for t in threads]
same(failed, [], "eight writers of five tenants, all pipelined")
row = {r[0]: (int(r[1]), int(r[2]), r[3]) for r in engine.sql("select event_id, shard, position, encode(leaf_hash, 'hex') from verbatim.event_log")}
wrong = sum(row[e["event_id"]][:2] != (ack["shard"], ack["first"] + i) for per in acks for _, request, ack in per for i, e in enumerate(request))
same(wrong, 0, "every event stands where its acknowledgement says, the events of a request side by side")
same(sum(row[request[-1]["event_id"]][2] != ack["leaf"].hex() for per in acks for _, request, ack in per), 0, "with the leaf that it gave")
backwards = 0
for per in acks:
    for t in tenants:
        firsts = [ack["first"] for tenant, _, ack in per if tenant == t.tenant]
        backwards += firsts != sorted(firsts)
same(backwards, 0, "each writer's requests for a tenant stand in the order it sent them")

# ---- out-of-order commits, same microsecond ----

same(engine.one("select count(*) from (select shard, position, xmin::text::bigint x, lag(xmin::text::bigint) over (partition by shard order by position) p"
                " from verbatim.event_log) t where x < p"), "0", "out-of-order commit of two appends: transactions stand in the order of positions")
same(engine.sql("select b.shard, b.first_position from verbatim.log_batch b join verbatim.event_log e on e.shard = b.shard and e.position between"
                " b.first_position and b.last_position group by 1, 2 having count(distinct e.recorded_at) > 1 or min(e.recorded_at) <> min(b.recorded_at)"), [],
     "a batch has one recorded_at")
same(engine.one("select count(*) from (select position - first_position + 1 - count(*) over (partition by e.shard, b.first_position order by position) d"
                " from verbatim.event_log e join verbatim.log_batch b on b.shard = e.shard and position between first_position and last_position) x where d <> 0"),
     "0", "same-microsecond writers: within it positions alone make the order, and are gapless")

# ---- visible when told ----

late = 0
for i in range(40):
    ack = client.append([message(text="seen?")])
    late += engine.one("select count(*) from verbatim.event_log where shard = %d and position = %d" % (ack["shard"], ack["last"])) != "1"
same(late, 0, "an acknowledged event is visible at once")
follower, blind, told = engine.client(), [], []
start = client.call("read", 1, {"tenant_id": maker.tenant}, 1)["head"] + 1


def follow():
    at = start
    while len(told) < 40:
        answer = follower.call("read", at, {"tenant_id": maker.tenant}, 100, 10000)
        for e in answer["events"]:
            told.append(e["position"])
        if answer["events"]:
            seen = engine.one("select max(position) from verbatim.event_log where shard = %d" % answer["shard"])
            blind.append(int(seen) < answer["events"][-1]["position"])
        at = answer["next"]


thread = threading.Thread(target=follow)
thread.start()
for i in range(40):
    client.append([message(text="tell")])
thread.join(60)
same((told == list(range(start, start + 40)), sum(blind)), (True, 0),
     "notification before visibility: what a live reader was told can be selected")

# ---- pages while others write ----

stop, trouble = threading.Event(), []
shard = client.append([message()])["shard"]


def page():
    c = engine.client()
    while not stop.is_set():
        at, count, head = 1, 0, None
        while True:
            answer = c.call("read", at, {"shard": shard}, 37)
            positions = [e["position"] for e in answer["events"]]
            if positions != list(range(at, at + len(positions))) or answer["next"] != at + len(positions):
                trouble.append((at, answer["next"], positions[:3]))
            at = answer["next"]
            if at > answer["head"]:
                break


readers = [threading.Thread(target=page) for _ in range(2)]
[t.start() for t in readers]
writer = engine.client()
for i in range(60):
    numbers = [writer.send("append", [message() for _ in range(5)]) for _ in range(5)]
    [writer.recv(n) for n in numbers]
stop.set()
[t.join(60) for t in readers]
same(trouble, [], "page ceiling past an unseen row: every page, read while others append, begins where the last one ended")

engine.settle()
same(engine.sql("select count(*) from core.messages"), engine.sql("select count(*) from verbatim.event_log where event_type = 'message.received'"),
     "no event was passed over by the read models")
check_log(engine)
same(engine.stop(), 0, "the engine ends in good order")
done()
