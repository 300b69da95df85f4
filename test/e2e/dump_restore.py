#!/usr/bin/python3
"""dump_restore - the database is dumped and restored into a new cluster: the same log, with the same promises.

Nothing that the log rests on belongs to a cluster (transaction ids, sequences, OIDs), so an engine goes on in the new
one by itself.  A dump that was taken while events went in lacks those that came later: whoever saw them is told.
"""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib.history import *
from lib.rebuilds import holds


def dump(server, path):
    """Roles, then the database, as the manual says."""
    with open(path, "w") as out:
        subprocess.run(["pg_dumpall", "--globals-only", "-d", server.conninfo.replace("dbname=verbatim", "dbname=postgres")], check=True, stdout=out)
        out.write("\\connect verbatim\n")
        out.flush()
        subprocess.run(["pg_dump", "-d", server.conninfo], check=True, stdout=out)


def restore(path):
    server = Server()
    done = subprocess.run(["psql", "-X", "-q", "-d", server.conninfo, "-f", path], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    wrong = [l for l in done.stderr.splitlines() if "ERROR" in l and 'role "postgres" already exists' not in l]
    same(wrong[:3], [], "the dump is restored into a new cluster")
    return server


old = Server()
engine = Engine(db=old.conninfo)
folder = temporary_folder()
load = Load(engine.unix, clients=4)
load.more(500)
load.finish()
engine.settle()
identity = engine.sql("select log_id from verbatim.log_identity")
plan = digests(engine)
same(engine.stop(), 0, "the engine stops")
dump(old, os.path.join(folder, "quiet"))

# ---- nothing is missing ----

new = restore(os.path.join(folder, "quiet"))
moved = Engine(db=new.conninfo)
same(moved.sql("select log_id from verbatim.log_identity"), identity, "it is the same log")
same(digests(moved), plan, "with the same rows in every read model")
client = moved.client(timeout=60)
same(client.hello["epoch"], 1, "in the same epoch: nobody has to adopt what lacks nothing")
again = [load.events[i] for i in list(load.acked)[:50]]
same([client.append([e])["duplicates"][0][1] for e in again], [load.acked[e["event_id"]][1] for e in again],
     "what was acked before is known, at its position")
more = Load(moved.unix, clients=4, seed=2)
ok(more.more(300), "events go on")
dumped = os.path.join(folder, "busy")
dump(new, dumped)
ok(more.more(300), "also while it is dumped, and after")
more.finish()
check(moved, load, more)
holds(moved, "verbatim check: every row of every read model equals a fresh fold of the log")
verified = moved.run("verify", "--db", new.conninfo)
same(verified.returncode, 0, "verbatim verify: " + verified.stdout.strip()[-200:])

# ---- the dump of a log that went on: what came later is missing, and the engine that saw it knows ----

heads = dict(moved.sql("select shard, max(last_position) from verbatim.log_batch group by 1"))
tenants = {place[0]: more.events[i]["tenant_id"] for i, place in more.acked.items()}
moved.signal(signal.SIGSTOP)
new.down("immediate")
shutil.rmtree(new.cluster)
other = restore(dumped)
other.down("fast")
shutil.move(other.cluster, new.cluster)  # at the same address
new.up()
moved.signal(signal.SIGCONT)
short = dict(moved.sql("select shard, max(last_position) from verbatim.log_batch group by 1"))
gone = [s for s in tenants if int(short[str(s)]) < int(heads[str(s)])]
ok(gone, "a dump that was taken on the way lacks the end")
client = moved.client(timeout=60)
for s in sorted(gone):
    maker = Maker(seed=60 + s, tenant=tenants[s])

    def told():
        try:
            client.append([maker.customer()])
            return "stored"
        except RpcError as error:
            return error.code if error.kind != "retry" else None
    same(wait_until(told, 60), "log_diverged", "shard %d, whose end was acked, refuses" % s)
adopted = moved.run("init", "--db", new.conninfo, "--adopt", "--who", "Ada", "--why", "restored from a dump")
same(adopted.returncode, 0, "adopted: " + adopted.stdout.strip())
ok(wait_until(lambda: client.call("status")["ready"], 90), "it goes on by itself")
last = Load(moved.unix, clients=2, seed=3)
ok(last.more(200), "and takes events")
last.finish()
ok(moved.settle(), "the read models come to the head of the log")
check_log(moved)
holds(moved, "and equal a fresh fold of it")
same(moved.stop(), 0, "an orderly end")
done()
