#!/usr/bin/python3
"""replay_access - who may replay what, that every use is journaled, and that what was tampered with is named."""
import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
from replays import *

engine = Engine()
client = engine.client()
replayer = Replayer(engine)
a, b = Maker(1), Maker(2)


def talk(m, said):
    customer = m.customer()
    conversation = m.conversation(customer["entity_id"])
    events = [customer, conversation] + [m.received(conversation["entity_id"], text) for text in said]
    client.append(events)
    return conversation["entity_id"], events


ours, events = talk(a, ["I live in Elm Street", "Number 4"])
theirs, _ = talk(b, ["Nobody else may read this"])


def accesses():
    return engine.sql("select actor, action, resource_type, resource_id, tenant_id, purpose from audit.access where action = 'replay' order by position")


# ---- every use is an event ----

same(replayer.run("--conversation", ours, "--at", "2026-01-01", "--reason", "case 17").returncode, 65, "a replay that fails")
same(accesses(), [["postgres", "replay", "conversation", ours, a.tenant, "case 17"]], "is journaled: who, what, whose, what for")
same(loads(engine.one("select scope::text from audit.access where action = 'replay'")), {"at": "2026-01-01", "format": "table"}, "and how it was asked")
missing = a.uuid()
replayer.run("--conversation", missing)
same(accesses()[-1][3:5], [missing, ""], "so is one for something that is not there")
count = len(accesses())
same(replayer.run("--conversation", "nonsense").returncode, 64, "a command line that is wrong looks at nothing")
same(len(accesses()), count, "and is not journaled")
replayer.run("--tenant", a.tenant, "--type", "message.*")
same(accesses()[-1][:5], ["postgres", "replay", "log", "", a.tenant], "reading the log is journaled as well")
shown = subprocess.Popen([engine.binary, "replay", "--db", engine.conninfo(), "--conversation", ours], stdout=subprocess.PIPE)
shown.stdout.read(1)
same(len(accesses()), count + 2, "it is in the log before the first byte is shown")
shown.kill()
shown.wait()

# ---- logins ----

for name, role in (("acme", "verbatim_reader"), ("looker", "verbatim_auditor"), ("boss", "verbatim_admin"), ("machine", "verbatim_engine")):
    engine.sql("create role %s login in role %s" % (name, role))
engine.sql("insert into verbatim.role_tenants values ('acme', '%s')" % a.tenant)
result = replayer.run("--conversation", ours, user="looker")
ok(result.returncode == 77 and "may not append" in result.stderr and "--to" in result.stderr and result.stdout == "",
   "a login that may not append is refused, with the remedy: " + result.stderr.strip())
for user in ("looker", "boss", "acme"):
    result = replayer.run("--conversation", ours, "--tenant", a.tenant, "--to", engine.address, user=user)
    ok(result.returncode == 0 and "Elm Street" in result.stdout, "%s, with an engine that takes the event, is shown it" % user)
    same(accesses()[-1][0], user, "under its own name")
ok("which this login may not read" in result.stdout, "a tenant's login is told what it cannot verify")
same(replayer.run("--conversation", ours, user="machine").returncode, 0, "an engine's login may append by itself")
result = replayer.run("--conversation", theirs, "--tenant", b.tenant, "--to", engine.address, user="acme")
ok(result.returncode == 65 and "Nobody else" not in result.stdout + result.stderr and result.stdout == "",
   "another's tenant is as if it were not there: " + result.stderr.strip())
same(accesses()[-1][:5], ["acme", "replay", "conversation", theirs, b.tenant], "and the attempt is journaled, for that tenant to see")
result = replayer.run("--conversation", theirs, "--tenant", a.tenant, "--to", engine.address, user="acme")
ok(result.returncode == 65 and result.stdout == "", "nor does its id help in one's own tenant")
result = replayer.run("--conversation", ours, "--to", engine.address, user="acme")
ok(result.returncode == 64 and "--tenant" in result.stderr, "a tenant's login names its tenant: " + result.stderr.strip())
result = replayer.run("--tenant", a.tenant, "--to", engine.address, user="acme")
ok(result.returncode == 77 and "whole shards" in result.stderr, "and does not read the log: " + result.stderr.strip())
result = replayer.run("--conversation", ours, "--to", "127.0.0.1:1", user="looker")
ok(result.returncode != 0 and "nothing is shown" in result.stderr and result.stdout == "", "what cannot be journaled is not shown: " + result.stderr.strip())
seen = engine.sql("set app.tenant_id = '%s'; select distinct tenant_id from audit.access" % a.tenant, user="acme")
same(seen, [[a.tenant]], "a tenant's login sees in audit.access what was done with its own")
same(engine.sql("select count(*) from audit.access", user="acme"), [["0"]], "and nothing when it names none")
ok(int(engine.sql("select count(distinct tenant_id) from audit.access", user="looker")[0][0]) >= 2, "an auditor sees all")
for kind in ("log.created", "tenant.created"):
    try:
        client.append([a.event(kind, a.uuid(), {"name": "x"}, tenant_id="00000000-0000-8000-8000-000000000000")])
        ok(False, "the door lets %s of the system tenant in" % kind)
    except RpcError as refusal:
        same(refusal.code, "invalid", "the door lets nothing but accesses of the system tenant in: not %s" % kind)

# ---- with and without an engine ----

os.kill(engine.process.pid, signal.SIGSTOP)
result = engine.run("replay", "--data", engine.data, "--conversation", ours, "--reason", "the engine hangs")
os.kill(engine.process.pid, signal.SIGCONT)
ok(result.returncode == 0 and "Elm Street" in result.stdout, "the engine next door hangs: the database takes the event: " + result.stderr.strip())
engine.settle()
time.sleep(1)
same([a[5] for a in accesses()].count("the engine hangs"), 1, "once, though the engine finds it in its socket when it wakes")

engine.stop()
result = engine.run("replay", "--data", engine.data, "--conversation", ours)
ok(result.returncode == 0 and "Elm Street" in result.stdout, "with --data and no engine, the database is started for the time: " + result.stderr.strip())
engine.start()
client = engine.client()

# ---- tampering ----

clean = replayer.run("--conversation", ours, "--verify")
ok(clean.returncode == 0 and "verified: 4 of 4 events give their leaf hashes" in clean.stdout, "before: all is well")
ok("is that of the batch" in clean.stdout, "the root is computed again on request")
victim = events[2]["event_id"]
place = engine.one("select position from verbatim.event_log where event_id = '%s'" % victim)
shard = engine.one("select shard from verbatim.event_log where event_id = '%s'" % victim)
leaf = engine.one("select tableoid::regclass from verbatim.event_log where event_id = '%s'" % victim)
engine.sql("set session_replication_role = replica; alter table %s disable trigger append_only; update %s set payload ="
           " replace(payload::text, 'Elm', 'Oak')::json where event_id = '%s'" % (leaf, leaf, victim))
result = replayer.run("--conversation", ours)
ok(result.returncode == 70 and victim in result.stderr and "position " + place in result.stderr, "a changed event is named: " + result.stderr.strip())
ok("NOT what was appended" in result.stdout, "where it is shown, too")
wrong = [o for o in replayer.objects("--conversation", ours) if o["kind"] == "end"][0]["wrong"]
same([(str(w["shard"]), str(w["position"]), w["event_id"]) for w in wrong], [(shard, place, victim)], "and for machines")
ok([o["verified"] for o in replayer.objects("--conversation", ours) if o.get("event_id") == victim] == [False], "at the event")
result = replayer.run("--tenant", a.tenant)
ok(result.returncode == 70 and victim in result.stderr, "reading the log finds it as well: " + result.stderr.strip())
result = replayer.run("--conversation", theirs)
same(result.returncode, 0, "another conversation is not touched by it")
engine.sql("alter table %s disable trigger append_only; update %s e set leaf_hash = verbatim.leaf_hash(e) where event_id = '%s'" % (leaf, leaf, victim))
result = replayer.run("--conversation", ours, "--verify")
ok(result.returncode == 70 and "root" in result.stderr, "a leaf that was changed with it does not give the root: " + result.stderr.strip())
engine.sql("alter table %s disable trigger append_only; delete from %s where event_id = '%s'" % (leaf, leaf, victim))
result = replayer.run("--tenant", a.tenant)
ok(result.returncode == 70 and "position 4 stands where 3 should" in result.stderr, "an event that was taken out is missed: " + result.stderr.strip())

# A clock that was set back leaves events in the log that are later than now: they are found, in whatever month they stand.
place = engine.sql("select shard, max(position) from verbatim.event_log where conversation_id = '%s' group by 1" % theirs)[0]
engine.sql("""set session_replication_role = replica;
    do $$ declare t regclass; begin for t in select inhrelid::regclass from pg_inherits where inhparent = 'verbatim.event_log'::regclass
        union all values ('verbatim.event_log'::regclass), ('verbatim.log_batch') loop
        execute format('alter table %%s disable trigger all', t); end loop; end $$;
    update verbatim.event_log set recorded_at = now() + interval '35 days' where shard = %s and position = %s;
    update verbatim.log_batch set recorded_at = now() + interval '35 days' where shard = %s and %s between first_position and last_position"""
           % (*place, *place))
result = replayer.run("--conversation", theirs)
ok("Nobody else may read this" in result.stdout, "an event of a month to come is shown all the same")
done()
