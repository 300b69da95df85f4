#!/usr/bin/python3
"""two_engines - two engines on one database at once: one order, no doubles, each event folded once, work that moves."""
import os
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib.history import *

one = Engine()
two = Engine(db=one.conninfo())

# One tenant, so one shard, written from both at once.
maker = Maker(seed=5)
first, second = one.client(timeout=60), two.client(timeout=60)
customer = maker.customer()
talk = maker.conversation(customer["entity_id"])
first.append([customer, talk])
events = {e["event_id"]: e for e in (customer, talk)}
acks = {}


def send(client, batches):
    pending = [(client.send("append", b), b) for b in batches]
    for number, b in pending:
        ack = client.recv(number)
        duplicates = dict(ack["duplicates"])
        at = ack["first"]
        for i, e in enumerate(b):
            if i not in duplicates:
                duplicates[i] = at
                at += 1
            acks.setdefault(e["event_id"], set()).add(duplicates[i])


def both(left, right):
    threads = [threading.Thread(target=send, args=(c, b)) for c, b in ((first, left), (second, right))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()


def batches(count, size):
    made = [[maker.received(talk["entity_id"]) for _ in range(size)] for _ in range(count)]
    events.update({e["event_id"]: e for b in made for e in b})
    return made


both(batches(300, 2), batches(300, 2))
same(len(acks), 1200, "600 requests of one tenant, through both engines at once")
positions = [p for places in acks.values() for p in places]
same(sorted(positions), list(range(3, 1203)), "stand without gap or double")
for direction in (1, -1):
    doubled = batches(150, 3)
    both(doubled, doubled[::direction])
same(len(acks), 2100, "the same requests to both at once, in the same and in the other order")
same([e for e, places in acks.items() if len(places) > 1], [], "have one position each, whichever engine is asked")

# Large batches: each waits for the other's, and looks where it ended.
before = len(acks)
both(batches(60, 200), batches(60, 200))
same(len(acks) - before, 24000, "120 large requests of one tenant, through both engines at once")
same(sorted(p for places in acks.values() for p in places), list(range(3, 3 + len(acks))), "stand without gap or double")

# Somebody holds the lock by which they wait for each other: it is courtesy alone.
stranger = Session(one.conninfo())
stranger.tell("select pg_advisory_lock(hashtext('verbatim.append'), s) from generate_series(0, 4) s")
both(batches(20, 200), batches(20, 200))
stranger.close()
same(sorted(p for places in acks.values() for p in places), list(range(3, 3 + len(acks))), "also while a stranger holds their advisory locks")

# expect: of two that say "nothing after this", one wins.
last = max(p for places in acks.values() for p in places)
outcomes = []


def claim(client):
    e = maker.received(talk["entity_id"])
    try:
        client.append([e], expect=[{"scope": "conversation", "id": talk["entity_id"], "after": last}])
        outcomes.append("stored")
        events[e["event_id"]] = e
    except RpcError as error:
        outcomes.append(error.code)


for client in (first, second):
    threading.Thread(target=claim, args=(client,)).start()
wait_until(lambda: len(outcomes) == 2, 30)
same(sorted(outcomes), ["stale", "stored"], "of two conditional appends on one place one is stored")

# General load on both, and read-your-writes on either.
load = Load(one.unix, two.unix, clients=6, seed=3)
load.more(500)
for writer, reader, name in ((one, two, "the second"), (two, one, "the first")):
    e = maker.received(talk["entity_id"], "read your own write")
    events[e["event_id"]] = e
    ack = writer.client().append([e])
    reader.client().wait(ack, 30000)
    same(one.one("select count(*) from core.messages where id = '%s'" % e["entity_id"]), "1",
         "wait on %s engine answers for what the other took" % name)
tail = reader.client().call("read", ack["last"], {"tenant_id": maker.tenant}, 10)
same([x["position"] for x in tail["events"]], [ack["last"]], "each reads what the other appended")
for engine in (one, two):
    ok(wait_until(lambda: engine.client().call("status")["ready"], 30), "status is well")
states = [[g["state"] for g in e.client().call("status")["groups"]] for e in (one, two)]
holders = one.sql("select count(*), count(distinct (name, shard)) from verbatim.lease where expires_at > verbatim.log_now()")[0]
same(holders[0], holders[1], "each shard of each group has one holder")
groups = len(states[0])

# One dies: the other takes its shards when the leases have run out, and its clients.
two.kill()
ok(load.more(300), "events go on when one engine is killed")
ok(wait_until(lambda: one.one("select count(distinct owner) from verbatim.lease where expires_at > verbatim.log_now()") == "1"
              and int(one.one("select count(*) from verbatim.lease where expires_at > verbatim.log_now()")) == groups, 60),
   "its shards move to the other")
ok(one.settle(beside_load=True), "which folds them")
two.start()
ok(load.more(300), "and it comes back")

# Both end in good order.
load.finish()
extra = Load(one.unix, clients=1, seed=4)
extra.more(50)
extra.finish()
load.events.update(events)
check(one, load, extra)
counted = one.one("select count(*) from verbatim.projection_batch b where exists (select 1 from verbatim.projection_batch c"
                  " where (c.group_name, c.generation, c.shard) = (b.group_name, b.generation, b.shard)"
                  " and c.first_position < b.first_position and c.last_position >= b.first_position)")
same(counted, "0", "no event was folded twice: the workers' batches do not overlap")
same(two.stop(), 0, "the second ends in good order")
ok(int(one.one("select count(distinct owner) from verbatim.lease")) <= 1, "and gives its leases back, so that nobody waits for them to run out")
ok(wait_until(lambda: one.one("select count(*) from verbatim.lease where expires_at > verbatim.log_now()") == str(groups), 8),
   "the first takes them over")
same(one.stop(), 0, "the first too")
done()
