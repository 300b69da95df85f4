#!/usr/bin/python3
"""stranger - other people's transactions and locks: service goes on, or stands still and comes back by itself."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib.history import *

engine = Engine()
load = Load(engine.unix, clients=4, timeout=60)
load.more(200)

snapshot = Session(engine.conninfo())
snapshot.tell("begin isolation level repeatable read; select count(*) from verbatim.event_log")
writer = Session(engine.conninfo())
writer.tell("create table public.strange (a int); begin; insert into public.strange values (1); select pg_current_xact_id()")
ok(load.more(1000), "appends go on beside an open snapshot and an open transaction with an id")


heads = engine.sql("select shard, max(last_position) from verbatim.log_batch group by 1")
behind = " or ".join("(shard = %s and position < %s)" % (shard, head) for shard, head in heads)
ok(wait_until(lambda: engine.one("select count(*) from verbatim.checkpoints where " + behind) == "0", 60),
   "and so do the read models: nobody waits for a stranger's transaction")
other = Engine(db=engine.conninfo())
extras = [Maker(seed=9).customer()]
ok(other.client().append(extras)["last"] > 0, "another engine starts and appends beside them")
same(other.stop(), 0, "and ends")
writer.tell("rollback")
writer.close()
snapshot.tell("commit")
snapshot.close()

# Nor does it slow down the rows that every batch adds to: of a row's versions, which must all stay, only the newest is looked at.
days = engine.one("select table_name from verbatim.generation where projection = 'analytics.rollup_day' and active")
looked = ("select coalesce(sum(idx_tup_read), 0), (select n_tup_upd from pg_stat_user_tables where relname = '%s')"
          " from pg_stat_user_indexes where indexrelname = '%s_pkey'" % (days, days))
snapshot = Session(engine.conninfo())
snapshot.tell("begin isolation level repeatable read; select count(*) from verbatim.event_log")
maker, client, counted = Maker(seed=10), engine.client(timeout=60), []
customer = maker.customer()
talk = maker.conversation(customer["entity_id"])
events = [customer, talk] + [maker.received(talk["entity_id"]) for _ in range(300)]
for number, event in enumerate(events):
    client.wait(client.append([event]), 30000)
    extras.append(event)
    if number in (200, len(events) - 1):
        wait_until(lambda: False, 3) # until what the server counted is there for others to see
        counted.append([int(n) for n in engine.sql(looked)[0]])
(read, updated), (read_later, updated_later) = counted
ok(updated_later - updated > 100, "a hundred batches added to the same day beside an old snapshot")
ok(read_later - read < 3 * (updated_later - updated), "and found each row at once: %d versions read for %d updates" % (read_later - read, updated_later - updated))
snapshot.tell("commit")
snapshot.close()

# A lock that stops every append, for a while: longer than the engine's lock_timeout.
idle = engine.client(timeout=60)
for name, mode, seconds in (("event_log", "share", 3), ("log_batch", "share row exclusive", 3), ("event_log", "access exclusive", 13)):
    locker = Session(engine.conninfo())
    locker.tell("begin; lock table verbatim.%s in %s mode" % (name, mode))
    before = load.count()
    wait_until(lambda: False, seconds)
    ok(load.count() - before < 200, "appends stand while %s is locked in %s mode" % (name, mode))
    ok(idle.call("ping", 1) == 1, "the engine answers pings")
    locker.tell("commit")
    locker.close()
    ok(load.more(200), "they go on when it is gone")
ok(set(load.refusals) <= {"unavailable", "timeout", "busy"}, "what was refused was refused for a while only: %s" % dict(load.refusals))
same(load.cuts, 0, "no client lost its socket")

# A read model's table locked: appends go on, the rows follow.
locker = Session(engine.conninfo())
table = engine.one("select table_name from verbatim.generation where projection = 'core.messages' and active")
locker.tell("begin; lock table generations.%s in share mode" % table)
ok(load.more(500), "a stranger's lock on a read model does not stop appends")
locker.tell("commit")
locker.close()

# A stranger's row lock and a refused session cannot hold a shard either.
ids = Session(engine.conninfo())
ids.tell("begin; select * from verbatim.log_identity for update")
ok(load.more(200), "nor does a lock on the log's identity")
ids.tell("rollback")
ids.close()
load.finish()
load.events.update({e["event_id"]: e for e in extras})
check(engine, load)
same(engine.stop(), 0, "an orderly end")
done()
