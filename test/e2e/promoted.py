#!/usr/bin/python3
"""promoted - the primary is lost and a streaming standby takes its place.

Synchronous: nothing that was acked is missing, and engines go on by themselves, with the standby for the primary; when
the old primary comes back beside it, with a shorter history, they refuse it.  Asynchronous: the lost end is noticed
and refused, also when the new history has grown past it; nothing goes on quietly until the log is adopted.
"""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib.history import *
from lib.rebuilds import holds


def told(client, events):
    """What an append is answered with."""
    try:
        return client.append(events)
    except RpcError as error:
        return error.code, error.kind


def ready(engine):
    return engine.client(timeout=60).call("status")["ready"]


def synchronous(primary, name):
    sql = "alter system set synchronous_standby_names = '%s'" % name
    for text in (sql, "select pg_reload_conf()"):
        subprocess.run(["psql", "-X", "-q", "-d", primary.conninfo, "-c", text], check=True, stdout=subprocess.DEVNULL)


# ---- synchronous ----

primary = Server()
standby = Standby(primary)
synchronous(primary, "*")
engine = Engine(db=either(primary, standby))
load = Load(engine.unix, clients=4, timeout=60)
load.more(400)
same(engine.sql("select sync_state from pg_stat_replication"), [["sync"]], "commits wait for the standby")
primary.kill()
standby.promote()
ok(load.more(400, 120), "the primary is killed, the standby promoted: events go in again by themselves")
same(load.cuts, 0, "no client lost its socket")
ok(set(load.refusals) <= {"unavailable", "timeout", "busy"}, "refused for a while only: %s" % dict(load.refusals))
same(engine.one("select pg_is_in_recovery()"), "f", "in the promoted server")
load.finish()
check(engine, load, fold=False)
holds(engine, "verbatim check: every row of every read model equals a fresh fold of the log")
same(engine.client().hello["epoch"], 1, "nothing that was acked is missing, so nobody had to adopt anything")

# The old primary comes back beside it, and an engine's sessions find it first.
os.unlink(os.path.join(primary.cluster, "postmaster.pid"))
synchronous_off = os.path.join(primary.cluster, "postgresql.auto.conf")
with open(synchronous_off, "w"):
    pass
primary.up()
client = engine.client(timeout=60)
tenant = next(iter(load.events.values()))["tenant_id"]
maker = Maker(seed=70, tenant=tenant)
shard = load.acked[next(iter(load.events))][0]


def heads(server):
    rows = subprocess.run(["psql", "-X", "-q", "-A", "-t", "-d", server.conninfo, "-c",
                           "select shard || ' ' || max(last_position) from verbatim.log_batch group by shard"],
                          stdout=subprocess.PIPE, text=True, check=True).stdout.split("\n")
    return {int(r.split()[0]): int(r.split()[1]) for r in rows if r}


before = heads(primary)
subprocess.run(["psql", "-X", "-q", "-d", standby.conninfo, "-c", "select pg_terminate_backend(pid) from pg_stat_activity"
                " where application_name like 'verbatim%'"], check=True, stdout=subprocess.DEVNULL)
# One at a time, and not repeated: an answer says whether it went into the wrong history.
ok(wait_until(lambda: told(client, [maker.customer()]) == ("log_diverged", "fatal"), 60), "the old primary is back, with a shorter log: refused")
same(heads(primary)[shard], before[shard], "nothing is written over what it lacks")
primary.down("immediate")
strays = []


def goes_in():
    strays.append(maker.customer())
    return isinstance(told(client, strays[-1:]), dict)


ok(wait_until(goes_in, 90), "it goes away again: the engine goes on with the promoted one by itself")
ok(wait_until(lambda: ready(engine), 60), "and is ready")
check_acks(engine, load, others=[r[0] for r in engine.sql("select event_id from verbatim.event_log where tenant_id = '%s' and event_type = 'customer.created'" % tenant)])
check_log(engine)
same(engine.stop(), 0, "an orderly end")
standby.down("immediate")

# ---- asynchronous: the standby lacks the newest ----

primary = Server()
standby = Standby(primary)
engine = Engine(db=either(primary, standby), args=["--database-timeout", "5s"])
kept = Load(engine.unix, clients=2, seed=21)
kept.more(300)
kept.finish()
engine.settle()
ok(wait_until(lambda: engine.sql("select count(*) from pg_stat_replication where replay_lsn = pg_current_wal_lsn()") == [["1"]], 60),
   "a standby that follows has everything")
standby.down("fast")
lost = Load(engine.unix, clients=4, tenants=4, seed=22)
lost.more(600)
lost.finish()
engine.settle()
tenants = {place[0]: lost.events[i]["tenant_id"] for i, place in lost.acked.items()}
makers = {s: Maker(seed=90 + s, tenant=t) for s, t in tenants.items()}
ends = heads(primary)
leaves = {int(s): bytes.fromhex(l) for s, l in engine.sql(
    "select shard, encode(leaf_hash, 'hex') from verbatim.event_log e where (shard, position) in"
    " (select shard, max(last_position) from verbatim.log_batch group by 1)")}
log_id = engine.client().hello["log_id"]
engine.signal(signal.SIGSTOP)  # it sees nothing of what follows
primary.kill()
standby.up()
standby.promote()
fresh = Engine(db=standby.conninfo)
new = fresh.client(timeout=60)
short = heads(standby)
ok(all(short.get(s, 0) < ends[s] for s in makers), "the standby lacks what was acked last")
for s in sorted(makers):
    ok(isinstance(told(new, [makers[s].customer()]), dict), "an engine that knows nothing of it appends to shard %d" % s)
for s in sorted(makers):
    for client_says, call in (
            ("an ack", lambda: new.call("wait", [], [log_id, 1, s, ends[s], leaves[s]], 5000)),
            ("a cursor", lambda: new.call("read", ends[s] + 1, {"shard": s, "leaf": leaves[s]}, 10, 0))):
        refused(call, "log_diverged", "who brings %s of the lost end of shard %d is told, by any engine" % (client_says, s))
overgrown = sorted(makers)[0]
while heads(standby)[overgrown] <= ends[overgrown] + 5:
    new.append([makers[overgrown].customer() for _ in range(200)])
refused(lambda: new.call("wait", [], [log_id, 1, overgrown, ends[overgrown], leaves[overgrown]], 5000), "log_diverged",
        "also when the new history has grown past it")
same(fresh.stop(), 0, "the fresh engine ends")
grown = heads(standby)
engine.signal(signal.SIGCONT)
client = engine.client(timeout=60)
for s in sorted(makers):
    ok(wait_until(lambda: told(client, [makers[s].customer()]) == ("log_diverged", "fatal"), 60),
       "the engine whose acks are gone refuses shard %d%s" % (s, ", though its log is longer now" if s == overgrown else ""))
same({s: p for s, p in heads(standby).items() if s}, {s: p for s, p in grown.items() if s}, "it has written nothing")
same(ready(engine), False, "and is not ready")

# ---- adopted: what was lost is named, and sent again ----

gap = [w for s in sorted(makers) for w in ("--lost", "%d:%d-%d" % (s, short.get(s, 0) + 1, ends[s]))]
adopted = engine.run("init", "--db", standby.conninfo, "--adopt", "--who", "Ada", "--why", "the primary burned down", *gap)
same(adopted.returncode, 0, "verbatim init --adopt: " + (adopted.stdout + adopted.stderr).strip())
ok(wait_until(lambda: ready(engine), 90), "the engine goes on by itself")
resent = {}
for event_id in list(lost.acked)[:300]:
    e = lost.events[event_id]
    ack = client.append([e])
    resent[event_id] = (ack["shard"], ack["duplicates"][0][1] if ack["duplicates"] else ack["first"])
same(client.hello["epoch"], 1, "a client that was there before")
same(engine.client().hello["epoch"], 2, "and one that comes now")
log = stored(engine)
same([i for i, place in resent.items() if log.get(i, [None])[0] != place][:5], [], "what is sent again stands once, where its ack says")
same([i for i, place in kept.acked.items() if log.get(i, [None])[0] != place][:5], [], "what the standby had stands as it did")
ok(engine.settle(), "the read models come to the head of the log")
check_log(engine)
same(engine.one(MESSAGES), "0", "and messages equal a fold in SQL")
same(engine.stop(), 0, "an orderly end")
done()
