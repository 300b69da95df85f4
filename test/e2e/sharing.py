#!/usr/bin/python3
"""sharing - engines share the folding of the shards evenly: when one joins, when one dies, when one leaves in order.

All the while events go in, each is folded once, and what is waited for comes.
"""
import collections
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib.history import *
from lib.rebuilds import holds

LEASE = 10  # seconds, in core/engine/server.c

one = Engine()
load = Load(one.unix, clients=3, tenants=3, seed=31, pause=0.1)
load.more(200)
SHARDS = 5  # four of tenants, and the system's


def shares():
    """How many shards each engine folds, the most first; of leases that have not run out."""
    rows = one.sql("select owner, count(*) from verbatim.lease where expires_at > verbatim.log_now() group by 1")
    return sorted((int(r[1]) for r in rows), reverse=True)


def becomes(want, name, seconds=60):
    begun = time.monotonic()
    ok(wait_until(lambda: shares() == want, seconds, "it is %r" % shares()), name)
    return time.monotonic() - begun


def stays(seconds=8):
    """Nothing moves any more; looked at often."""
    before, owners = None, set()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        owners.add(tuple(map(tuple, one.sql("select shard, owner from verbatim.lease where expires_at > verbatim.log_now() order by 1"))))
        time.sleep(0.3)
    return len(owners)


becomes([5], "one engine folds all shards")
two = Engine(db=one.conninfo())
took = becomes([3, 2], "a second one comes: three and two")
note("within %.1f s" % took)
same(stays(), 1, "and there it stays")
three = Engine(db=one.conninfo())
becomes([2, 2, 1], "a third one: two, two and one")
ok(load.more(300), "events go in")
ack = three.client().append([Maker(seed=32).customer()])
for engine in (one, two, three):
    engine.client(timeout=60).wait(ack, 30000)
ok(True, "and are waited for on each engine")
begun = time.monotonic()
three.kill()
two.kill()
alive = becomes([5], "two are killed: their shards are the first's when the leases have run out")
note("%.1f s after the kill; a lease lasts %d s" % (time.monotonic() - begun, LEASE))
ok(one.settle(60, beside_load=True), "which folds them")
two.start()
becomes([3, 2], "one comes back: three and two")
two.signal(signal.SIGSTOP)
becomes([5], "it stands still: its shards are the first's, which keeps them")
two.signal(signal.SIGCONT)
ok(load.more(300), "events go in")
becomes([3, 2], "it goes on: three and two, in a while", 120)
same(two.stop(), 0, "it leaves in order")
took = becomes([5], "its shards are the first's at once")
load.finish()
ok(one.settle(), "the read models come to the head of the log")
same(one.one("select count(*) from (select first_position <= lag(last_position) over (partition by group_name, generation, shard"
             " order by first_position) b from verbatim.projection_batch) x where b"), "0", "no event was folded twice")
holds(one, "every row of every read model equals a fresh fold of the log")
same(one.stop(), 0, "an orderly end")
done()
