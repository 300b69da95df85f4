#!/usr/bin/python3
"""read_tail - read(): everything once, in order, paged, filtered, live; wait(): what was acknowledged shows."""
import os
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import *

engine = Engine()
client = engine.client()
limits = client.limits
makers = [Maker(seed=50 + i) for i in range(6)]
customers = [m.customer() for m in makers]
talks = [[m.conversation(c["entity_id"]) for _ in range(3)] for m, c in zip(makers, customers)]
sent = {}
for m, c, three in zip(makers, customers, talks):
    events = [c] + three
    for i in range(600):
        talk = three[i % 3]["entity_id"]
        events.append(m.received(talk, "question %d" % i) if i % 4 else m.sent(talk, text="answer %d" % i))
    sent[m.tenant] = events
    for i in range(0, len(events), 100):
        client.append(events[i:i + 100])


def pages(filter, limit, start=1):
    """All that read() gives, page after page."""
    found, at, rounds = [], start, 0
    while True:
        answer = client.call("read", at, filter, limit)
        found += answer["events"]
        rounds += 1
        assert len(answer["events"]) <= limit and answer["next"] >= at
        if answer["next"] > answer["head"]:
            return found, rounds
        at = answer["next"]


def ids(events):
    return [str(uuid.UUID(bytes=e["event_id"])) for e in events]


# ---- paging and filters ----

for limit in (1000, 100, 7):
    found, rounds = pages({"tenant_id": makers[0].tenant}, limit)
    same(ids(found) == [e["event_id"] for e in sent[makers[0].tenant]], True, "pages of %d give a tenant's events once and in order" % limit)
for shard in range(1, 5):
    want = [r[0] for r in engine.sql("select event_id from verbatim.event_log where shard = %d order by position" % shard)]
    found, rounds = pages({"shard": shard}, 97)
    same((ids(found) == want, [e["position"] for e in found] == list(range(1, len(want) + 1))), (True, True),
         "shard %d whole: %d events, gapless from 1" % (shard, len(want)))
found, rounds = pages({"shard": 0}, 10)
same(found[0]["event_type"], "log.created", "shard 0 has the log's own first event")
talk = talks[0][1]["entity_id"]
found, rounds = pages({"tenant_id": makers[0].tenant, "conversation_id": talk}, 50)
same(ids(found) == [e["event_id"] for e in sent[makers[0].tenant] if e.get("conversation_id") == talk], True,
     "a conversation: its events and no others")
found, rounds = pages({"tenant_id": makers[0].tenant, "types": ["message.sent", "conversation.created"]}, 20)
same(ids(found) == [e["event_id"] for e in sent[makers[0].tenant] if e["event_type"] in ("message.sent", "conversation.created")], True,
     "types narrow it further")
found, rounds = pages({"tenant_id": makers[0].tenant, "types": ["team.created"]}, 10)
same((found, rounds), ([], 1), "types of which there are none: nothing, in one answer")
found, rounds = pages({"tenant_id": makers[0].tenant, "conversation_id": makers[0].uuid()}, 10)
same((found, rounds), ([], 1), "a conversation that is not there: nothing")
nobody = Maker(seed=99)
answer = client.call("read", 1, {"tenant_id": nobody.tenant}, 10)
same(answer["events"], [], "a tenant that has none: nothing")
shard = int(engine.one("select shard from verbatim.event_log where tenant_id = '%s' limit 1" % makers[0].tenant))
same(client.call("read", 1, {"tenant_id": makers[0].tenant, "shard": shard}, 1)["shard"], shard, "a tenant's shard may be named beside it")
refused(lambda: client.call("read", 1, {"tenant_id": makers[0].tenant, "shard": shard % 4 + 1}, 1), "params", "but no other", field="filter.shard")

event = client.call("read", 1, {"tenant_id": makers[0].tenant}, 5)["events"][4]
row = engine.sql("select event_id, shard, position, encode(leaf_hash, 'hex'), extract(epoch from recorded_at), payload, event_type, actor_type"
                 " from verbatim.event_log where event_id = '%s'" % uuid.UUID(bytes=event["event_id"]))[0]
same([str(uuid.UUID(bytes=event["event_id"])), event["shard"], event["position"], event["leaf_hash"].hex(), event["recorded_at"].timestamp(),
      event["payload"], event["event_type"], event["actor_type"]],
     [row[0], int(row[1]), int(row[2]), row[3], float(row[4]), json.loads(row[5]), row[6], row[7]], "each field is the row's")

at = event["position"] + 1
goes_on = client.call("read", at, {"tenant_id": makers[0].tenant}, 3)["events"]
for n in (8, 32):
    same(client.call("read", at, {"tenant_id": makers[0].tenant, "leaf": event["leaf_hash"][:n]}, 3)["events"], goes_on,
         "a cursor may bring %d bytes of the leaf it has seen" % n)
for name, start, leaf in (("another leaf", at, bytes(32)), ("a leaf of another place", at + 1, event["leaf_hash"]), ("a leaf beyond the head", 1 << 40, event["leaf_hash"])):
    refused(lambda: client.call("read", start, {"tenant_id": makers[0].tenant, "leaf": leaf}, 3), "log_diverged", "a cursor with %s is refused" % name)
for start, leaf in ((at, b"short"), (at, bytes(33)), (at, "text of a leaf"), (1, bytes(32))):
    refused(lambda: client.call("read", start, {"tenant_id": makers[0].tenant, "leaf": leaf}, 3), "params", "a leaf %r from %d is none" % (leaf, start),
            field="filter.leaf")

big = Maker(seed=60)
large = [big.received(big.uuid(), "x" * 60000 + str(i)) for i in range(150)]
for i in range(0, 150, 30):
    client.append(large[i:i + 30])
found, rounds = pages({"tenant_id": big.tenant}, 1000)
same((ids(found) == [e["event_id"] for e in large], found[149]["payload"]["content"] == large[149]["payload"]["content"]), (True, True),
     "nine megabytes of history come whole")
ok(rounds > 3, "in answers of bounded size (%d of them)" % rounds)

# ---- at the head ----

tenant = {"tenant_id": makers[1].tenant}
head = client.call("read", 1, tenant, 1)["head"]
answer = client.call("read", head + 1, tenant, 10)
same((answer["events"], answer["next"], answer["head"]), ([], head + 1, head), "from the head on there is nothing, at once")
answer = client.call("read", head + 1000, tenant, 10)
same((answer["events"], answer["head"], answer["next"]), ([], head, head + 1000), "from beyond it, nothing either, and next is not moved")
answer = client.call("read", head + 1, tenant, 10, 200)
same((answer["events"], answer["next"]), ([], head + 1), "a tail whose time is over is answered empty, to go on from where it was")

tails = [engine.client() for _ in range(2)]
numbers = [t.send("read", head + 1, tenant, 10, 60000) for t in tails]
beyond = engine.client()
far = beyond.send("read", head + 3, tenant, 10, 60000)
typed = engine.client()
only = typed.send("read", head + 1, dict(tenant, types=["message.edited"]), 10, 60000)
client.call("ping")
new = makers[1].received(talks[1][0]["entity_id"], "live")
ack = client.append([new])
same([ids(t.recv(n)["events"]) for t, n in zip(tails, numbers)], [[new["event_id"]]] * 2, "two tails of one tenant both wake with what is appended")
two = [makers[1].received(talks[1][0]["entity_id"], "more"), makers[1].event("message.edited", new["entity_id"], {"content": "Live!"},
                                                                          conversation_id=talks[1][0]["entity_id"])]
for e in two:
    client.append([e])
got = typed.recv(only)
same((ids(got["events"]), got["events"][0]["position"]), ([two[1]["event_id"]], ack["last"] + 2), "one that waits for a type sleeps through the others")
same(ids(beyond.recv(far)["events"])[:1], [two[1]["event_id"]], "one from beyond the head wakes when its position comes")
sleeper = engine.client()
number = sleeper.send("read", 1, {"tenant_id": nobody.tenant}, 10, 60000)
same(client.call("ping", 1), 1, "a tail holds nobody up")
ack = client.append([nobody.customer()])
same([e["position"] for e in sleeper.recv(number)["events"]], [ack["first"]], "the first event of a tenant wakes who waits for it")

# A follower: everything once, in order, while four others append.
follower, seen = engine.client(), []
start = client.call("read", 1, tenant, 1)["head"] + 1
TOTAL = 4 * 150


def follow():
    at = start
    while len(seen) < TOTAL:
        answer = follower.call("read", at, tenant, 50, 5000)
        seen.extend(answer["events"])
        at = answer["next"]


def feed(n):
    own, c = Maker(seed=70 + n, tenant=makers[1].tenant), engine.client()
    for i in range(150):
        c.append([own.received(talks[1][n % 3]["entity_id"], "%d %d" % (n, i))])


threads = [threading.Thread(target=follow)] + [threading.Thread(target=feed, args=(n,)) for n in range(4)]
[t.start() for t in threads]
[t.join(120) for t in threads]
same(ids(seen), [r[0] for r in engine.sql("select event_id from verbatim.event_log where tenant_id = '%s' and position >= %d order by position"
                                          % (makers[1].tenant, start))], "a follower sees each event once and in order, live")
for n in range(4):
    mine = [e["payload"]["content"] for e in seen if e["payload"]["content"].startswith("%d " % n)]
    same(mine == ["%d %d" % (n, i) for i in range(150)], True, "and each writer's in the order it wrote them")

# ---- wait ----

talk = talks[2][0]["entity_id"]
count = int(engine.one("select message_count from core.conversations where id = '%s'" % talk))
bad = 0
for i in range(30):
    ack = client.append([makers[2].received(talk, "read your writes")])
    client.wait(ack, models=["conversations", "messages"] if i % 2 else [])
    count += 1
    bad += engine.one("select message_count from core.conversations where id = '%s'" % talk) != str(count)
same(bad, 0, "after wait() a select sees what was appended, thirty times")
token = [ack["log_id"], ack["epoch"], ack["shard"], ack["last"], ack["leaf"]]
reached = client.call("wait", [], token, 0)
ok(reached["position"] >= ack["last"] and reached["shard"] == ack["shard"], "what is there already is answered with timeout 0")
same(client.call("wait", ["conversations"], token[:4] + [ack["leaf"][:8]], 0)["shard"], ack["shard"], "eight bytes of the leaf are enough")
ok(client.call("wait", [], [ack["shard"], ack["last"]], 0)["position"] >= ack["last"], "shard and position are enough, too")
ok(client.call("wait", [], [ack["shard"], 0], 0)["position"] >= 0, "position 0 is always there")
error = refused(lambda: client.call("wait", [], [ack["shard"], ack["last"] + 1000], 0), "timeout", "what is not there with timeout 0 is a timeout")
same(error and error.kind, "retry", "to be tried again")
refused(lambda: client.call("wait", [], [ack["shard"], ack["last"] + 1000], 100), "timeout", "or after a tenth of a second")
refused(lambda: client.call("wait", ["nothing"], token, 0), "not_found", "a read model that does not exist", field="read_models")
refused(lambda: client.call("wait", [], [uuid.uuid4().bytes] + token[1:], 0), "log_diverged", "a token of another log", field="token")
refused(lambda: client.call("wait", [], [token[0], token[1] + 1] + token[2:], 0), "log_diverged", "a token of an epoch that has not come", field="token")
refused(lambda: client.call("wait", [], token[:4] + [bytes(32)], 0), "log_diverged", "a token whose leaf is not the log's", field="token")
other = engine.client()
for leaf in (b"short", bytes(33), "text of a leaf", None):
    refused(lambda: client.call("wait", [], token[:4] + [leaf], 0), "params", "a token with the leaf %r is none" % (leaf,), field="token")
number = other.send("wait", [], [ack["shard"], ack["last"] + 1], 60000)
ack = client.append([makers[2].received(talk, "wake")])
same(other.recv(number)["shard"], ack["shard"], "a wait for what has not come yet ends when it comes")
ack2 = client.append([makers[2].received(talk, "behind")])
refused(lambda: client.call("wait", [], [ack["log_id"], ack["epoch"], ack["shard"], ack["last"], bytes(32)], 0), "log_diverged",
        "a token whose leaf is not the log's, not at the head either", field="token")
client.wait(ack2)
same(client.call("wait", [], [ack["log_id"], ack["epoch"], ack["shard"], ack["last"], ack["leaf"]], 0)["shard"], ack["shard"],
     "with the right one it is answered")
gone = engine.client()
for i in range(40):
    gone.send("wait", [], [ack["log_id"], ack["epoch"], ack["shard"], ack["last"], bytes(32)], 60000)
gone.close()
same(client.call("ping", 2), 2, "who asks and goes away harms nobody")
refused(lambda: client.call("wait", [], [ack["log_id"], ack["epoch"], ack["shard"], ack2["last"] + 5, bytes(32)], 0), "log_diverged",
        "a token that is ahead of the log", field="token")
engine.settle()
check_log(engine)
same(engine.stop(), 0, "the engine ends in good order")
done()
