#!/usr/bin/python3
"""diverged - the log under an engine is not the one it was: an older copy restored, a tail cut off, a leaf changed.

The engine refuses instead of going on, says why, and goes on once the log is adopted (or what was missing is back).
"""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib.history import *
from lib.rebuilds import *

server = Server()
engine = Engine(db=server.conninfo)


probes = {}


def code(shard_of):
    """What an append to this tenant's shard is answered with."""
    try:
        e = shard_of.customer()
        client.append([e])
        probes[e["event_id"]] = e
        return "stored"
    except RpcError as error:
        return (error.code, error.kind)


def restore(name):
    server.down("immediate")
    server.restore(name)
    server.up()


# ---- an older copy of the files comes back under a running engine ----

kept = Load(engine.unix, clients=2)
kept.more(300)
kept.finish()
engine.settle()
server.down()
server.copy("older")
server.up()
lost = Load(engine.unix, clients=4, tenants=4, seed=2)
lost.more(600)
lost.finish()
engine.settle()
client = engine.client(timeout=60)
tenants = {lost.acked[i][0]: lost.events[i]["tenant_id"] for i in lost.acked}
heads = dict(engine.sql("select shard, max(last_position) from verbatim.log_batch group by 1"))
restore("older")
makers = {shard: Maker(seed=50 + shard, tenant=tenant) for shard, tenant in tenants.items()}
for shard, maker in sorted(makers.items()):
    same(code(maker), ("log_diverged", "fatal"), "shard %d, whose acked tail is gone, refuses" % shard)
same(engine.one("select count(*) from verbatim.log_batch where shard > 0 and recorded_at > (select max(recorded_at) from verbatim.event_log)"),
     "0", "nothing was written over the gap")
same(client.call("status")["ready"], False, "the engine is not ready")
same(engine.run("status", "--to", engine.address).returncode != 0, True, "`verbatim status` fails")
again = Load(engine.unix, clients=1, seed=3)
ok(wait_until(lambda: again.wrong or again.refusals, 30), "a client is told, every time")
again.abandon = True
again.ending.set()
for writer in again.writers:
    writer.join(30)

# ---- adopted ----

gap = ["--lost", "%d:%d-%s" % (1, int(engine.one("select coalesce(max(last_position), 0) from verbatim.log_batch where shard = 1")) + 1, heads["1"])]
refused = engine.run("init", "--db", server.conninfo, "--adopt")
ok(refused.returncode != 0 and "--who" in refused.stderr, "an adoption wants a name and a reason")
adopted = engine.run("init", "--db", server.conninfo, "--adopt", "--who", "Ada", "--why", "restored from the older copy", *gap)
same(adopted.returncode, 0, "verbatim init --adopt: " + (adopted.stdout + adopted.stderr).strip())
same(engine.sql("select epoch, who, why from verbatim.log_epoch order by epoch desc limit 1"), [["2", "Ada", "restored from the older copy"]],
     "it stands in the log's history")
ok(wait_until(lambda: client.call("status")["ready"], 60), "the running engine goes on by itself")
same(client.call("status")["epoch"], 2, "in the next epoch")
resent = Load(engine.unix, clients=1, seed=4)
resent.more(50)
resent.finish()
first = {}
for event_id in lost.acked:  # the clients send again what was acked and lost
    e = lost.events[event_id]
    ack = client.append([e])
    first[event_id] = (ack["shard"], ack["duplicates"][0][1] if ack["duplicates"] else ack["first"])
    if len(first) == 1:
        same(ack["epoch"], 2, "acks name the epoch")
    if len(first) >= 300:
        break
lost.acked = first
lost.events = {i: lost.events[i] for i in first}
again.acked, again.events, again.wrong = {}, {}, []
check(engine, kept, lost, resent)
old_token = [client.hello["log_id"], 2, 1, 10 ** 9, b"12345678"]
same(engine.client().hello["epoch"], 2, "a new client learns the epoch")

# ---- the copy of epoch 1 comes back under an engine of epoch 2; then what was missing is put back ----

server.down()
server.copy("newer")
server.up()
ok(wait_until(lambda: client.call("status")["ready"], 60), "the engine is well again")
restore("older")
for shard, maker in sorted(makers.items()):
    same(code(maker), ("log_diverged", "fatal"), "shard %d refuses an epoch that has gone back" % shard)
restore("newer")
ok(wait_until(lambda: client.call("status")["ready"], 60), "with the right files back the engine goes on by itself")
more = Load(engine.unix, clients=2, seed=5)
more.more(100)
more.finish()
check(engine, kept, lost, resent, more, fold=False)

# ---- adopted while the engine is idle: nobody appends, and yet it knows ----

quiet = Engine(db=server.conninfo)
onlooker = quiet.client(timeout=60)
engine.settle()
before = int(client.call("status")["epoch"])
named = engine.run("init", "--db", server.conninfo, "--adopt", "--who", "Grace", "--why", "a drill")
same(named.returncode, 0, "adopted once more: " + named.stdout.strip())
ok("2 engines run on it" in named.stdout and "within seconds" in named.stdout, "init tells what happens to the engines that run")
ok(wait_until(lambda: client.call("status")["epoch"] == before + 1 and onlooker.call("status")["epoch"] == before + 1, 10),
   "idle engines learn of it within seconds")
same(engine.client().hello["epoch"], before + 1, "and tell their clients")
ok(wait_until(lambda: engine.sql("select payload->>'who' from verbatim.event_log where event_type = 'log.adopted'"
                                 " order by position desc limit 1") == [["Grace"]], 10), "it is written into the log, though nobody appended")
same(engine.one("select count(*) from verbatim.event_log where event_type = 'log.adopted'"), str(before), "each adoption once")
ok(wait_until(lambda: client.call("status")["ready"] and onlooker.call("status")["ready"], 30), "and both are ready")
same(quiet.stop(), 0, "the second engine stops")

# ---- rows cut out of the log while read models stand beyond ----

engine.settle()
shard = next(int(r[0]) for r in engine.sql("select shard from verbatim.log_batch where shard > 0 group by 1 having count(*) > 3 order by 1"))
same(engine.stop(), 0, "the engine stops")
leaf = engine.one("select tableoid::regclass from verbatim.event_log limit 1")


def cut():
    """Takes the last two batches off the shard's log, as only a superuser can, and keeps them."""
    engine.sql("drop table if exists public.cut_batch, public.cut_log;"
               " create table public.cut_batch as select * from verbatim.log_batch where shard = {0} order by first_position desc limit 2;"
               " create table public.cut_log as select * from verbatim.event_log where shard = {0} and position >= (select min(first_position) from public.cut_batch);"
               " alter table {1} disable trigger append_only; alter table verbatim.log_batch disable trigger append_only;"
               " delete from {1} where shard = {0} and position >= (select min(first_position) from public.cut_batch);"
               " delete from verbatim.log_batch where shard = {0} and first_position >= (select min(first_position) from public.cut_batch)".format(shard, leaf))


cut()
engine.start()
client = engine.client(timeout=60)


def group_state():
    return [g for g in client.call("status")["groups"] if g["shard"] == shard and g["state"] == "stopped"]


def group_trouble():
    return "".join(g["error"] for g in group_state())


ok(wait_until(group_state, 60), "the worker of the shard stops: its read models know more than the log")
ok("log that is not this one" in group_trouble(), "and says why: " + group_trouble())
try:
    client.call("wait", [], [shard, int(engine.one("select max(last_position) + 1 from public.cut_batch"))], 20000)
    ok(False, "who waits for it is told at once")
except RpcError as error:
    same(error.code, "worker_stopped", "who waits for it is told at once")
same(len({g["shard"] for g in client.call("status")["groups"] if g["state"] == "stopped"}), 1, "the other shards go on")
end = engine.one("select max(last_position) from verbatim.log_batch where shard = %d" % shard)
for _ in range(3):
    same(code(makers[shard]), ("log_diverged", "fatal"), "an append to the shard is refused, though this engine never saw what is gone")
told = next(s for s in client.call("status")["shard_list"] if s["shard"] == shard)
ok(told["state"] == "stopped" and "init --adopt" in told["error"], "status says why: " + told["error"])
same(code(makers[next(s for s in makers if s != shard)]), "stored", "the other shards take events")
same(engine.one("select max(last_position) from verbatim.log_batch where shard = %d" % shard), end, "nothing was written over the gap")
engine.sql("insert into verbatim.event_log select * from public.cut_log; insert into verbatim.log_batch select * from public.cut_batch")
ok(wait_until(lambda: not group_state(), 60), "with the rows put back it goes on by itself")
ok(wait_until(lambda: client.call("status")["ready"], 60), "and takes appends")
same(engine.stop(), 0, "the engine stops")

# ---- a leaf changed behind everybody's back ----

engine.sql("update {1} set leaf_hash = sha256(leaf_hash) where shard = {0} and position = (select max(last_position) from verbatim.log_batch where shard = {0})"
           .format(shard, leaf))
engine.start()
client = engine.client(timeout=60)
ok(wait_until(lambda: code(makers.get(shard) or Maker()) == ("log_diverged", "fatal"), 30), "a changed leaf does not give the last root: the shard refuses")
engine.sql("update {1} e set leaf_hash = verbatim.leaf_hash(e) where shard = {0} and position = (select max(last_position) from verbatim.log_batch where shard = {0})"
           .format(shard, leaf))
ok(wait_until(lambda: client.call("status")["ready"], 60), "mended, it goes on by itself")
more.events.update(probes)
check(engine, kept, lost, resent, more)

# ---- rows cut out once more, and given up by name ----

same(engine.stop(), 0, "the engine stops")
cut()
engine.start()
client = engine.client(timeout=60)
same(code(makers[shard]), ("log_diverged", "fatal"), "the shard refuses")
named = engine.run("init", "--db", server.conninfo, "--adopt", "--who", "Ada", "--why", "rows were cut out")
same(named.returncode, 0, "the log is adopted: " + named.stdout.strip())
first, last = engine.sql("select min(first_position), max(last_position) from public.cut_batch")[0]
ok("given up: shard %d, positions %s to %s" % (shard, first, last) in named.stdout, "what the read models have seen and is gone is named by itself")
ok(wait_until(lambda: code(makers[shard]) == "stored", 30), "the running engine takes events for the shard")
check_log(engine)
ok(wait_until(lambda: "rebuild" in group_trouble(), 30), "its read models wait for their rebuild")
outcome = command(engine, "rebuild", "messages")
ok(outcome.status == 70 and "--all" in outcome.error, "which must be of them all: " + outcome.error)
outcome = command(engine, "rebuild", "--all")
same(outcome.status, 0, "they are rebuilt: %r" % outcome)
ok(wait_until(lambda: not group_trouble(), 60), "and go on")
ok(engine.settle(), "to the head of the log")
holds(engine, "and hold what it says")
same(engine.stop(), 0, "the engine stops")
engine.start()
client = engine.client(timeout=60)
same(code(makers[shard]), "stored", "an engine that starts now does not ask again for what was given up")
same(engine.stop(), 0, "an orderly end")
done()
