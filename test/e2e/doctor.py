#!/usr/bin/python3
"""doctor - each thing that can be wrong is put wrong, named with a remedy, and well again when it is mended."""
import json
import os
import socket
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import *

engine = Engine()
maker = Maker()
client = Client(engine.address)
client.wait(client.append([maker.customer()]))


def examine(*where):
    """(status, {check: [finding, ...]})"""
    result = engine.run("doctor", *(where or engine.where()))
    found = {}
    for line in result.stdout.splitlines():
        f = json.loads(line)
        found.setdefault(f["check"], []).append(f)
    return result.returncode, found, result.stderr


def verdicts(found, check):
    return sorted({f["verdict"] for f in found[check]})


status, well, words = examine()
same(status, 0, "a fresh engine has no fault")
note({c: [f["found"] for f in fs] for c, fs in well.items() if verdicts(well, c) != ["well"]})
# How full this machine's disk is is nobody's doing; disk_full.py fills one of its own.
same(sorted(c for c in well if c != "disk" and set(verdicts(well, c)) & {"fault", "warning", "unknown"}), [],
     "nor a warning, and everything could be looked at")
ok(all(f["remedy"] for fs in well.values() for f in fs if f["verdict"] != "well"), "what is not well has a remedy")

leaf = engine.one("select inhrelid::regclass::text from pg_inherits where inhparent = 'verbatim.event_log'::regclass order by 1 limit 1")
second = engine.one("select inhrelid::regclass::text from pg_inherits where inhparent = 'verbatim.event_log'::regclass order by 1 offset 1 limit 1")
table = engine.one("select table_name from verbatim.generation where projection = 'core.messages' and active")
tenant = maker.tenant

# (check, verdict, words it must hold, what breaks it, what mends it)
CASES = [
    ("append_only_triggers", "fault", leaf.split(".")[1], "alter table %s disable trigger append_only" % leaf,
     "alter table %s enable always trigger append_only" % leaf),
    ("append_only_triggers", "fault", "log_batch", "alter table verbatim.log_batch enable replica trigger append_only",
     "alter table verbatim.log_batch enable always trigger append_only"),
    ("append_only_grants", "fault", "verbatim_engine has UPDATE", "grant update on %s to verbatim_engine" % leaf,
     "revoke update on %s from verbatim_engine" % leaf),
    ("append_only_grants", "fault", "everybody has INSERT", "grant insert on verbatim.log_tile to public",
     "revoke insert on verbatim.log_tile from public"),
    ("owner", "warning", "verbatim_owner", "alter role verbatim_owner login", "alter role verbatim_owner nologin"),
    ("row_security", "fault", table, "alter table generations.%s disable row level security" % table,
     "alter table generations.%s enable row level security" % table),
    ("row_security", "fault", "passes row security by",
     "create role eve login bypassrls in role verbatim_reader; insert into verbatim.role_tenants values ('eve', '%s')" % tenant,
     "delete from verbatim.role_tenants where role_name = 'eve'; drop role eve"),
    ("row_security", "fault", "core.messages", "alter view core.messages set (security_invoker = false)",
     "alter view core.messages set (security_invoker = true)"),
    ("synchronous_commit", "warning", "role verbatim_reader", "alter role verbatim_reader set synchronous_commit = off",
     "alter role verbatim_reader reset synchronous_commit"),
    ("vacuum", "warning", table, "alter table generations.%s set (autovacuum_enabled = false)" % table,
     "alter table generations.%s reset (autovacuum_enabled)" % table),
    ("epoch", "fault", "the log ends at", "insert into verbatim.projection_batch select last_position + 1, last_position + 5,"
     " clock_timestamp(), generation, epoch, shard, group_name, leaf_hash from verbatim.projection_batch order by last_position desc limit 1",
     "set session_replication_role = replica; delete from verbatim.projection_batch b where last_position > (select max(last_position)"
     " from verbatim.log_batch l where l.shard = b.shard)"),
]
for check, verdict, holds, breaks, mends in CASES:
    engine.sql(breaks)
    status, found, words = examine()
    hit = [f for f in found[check] if holds in f["found"]]
    ok(hit and hit[0]["verdict"] == verdict and hit[0]["remedy"], "%s: %s is a %s with a remedy" % (check, holds, verdict))
    same(status, 78 if verdict == "fault" else 0, "%s: the exit status" % check)
    if verdict == "fault":
        ok("fault" in words, "%s: and the error says so" % check)
    engine.sql(mends)
    same(verdicts(examine()[1], check), ["well"], "%s: well again when it is mended" % check)

# Settings of the server.
def setting(words):
    engine.sql("alter system " + words)
    engine.sql("select pg_reload_conf()")


for check, verdict, holds, name in (("server", "fault", "fsync is off", "fsync"), ("server", "fault", "full_page_writes is off", "full_page_writes"),
                                    ("synchronous_commit", "warning", "off by default", "synchronous_commit"),
                                    ("vacuum", "warning", "autovacuum is off", "autovacuum")):
    setting("set %s = off" % name)
    ok(wait_until(lambda: any(holds in f["found"] and f["verdict"] == verdict for f in examine()[1][check]), 30), "%s: %s is a %s" % (check, holds, verdict))
    setting("reset " + name)
    ok(wait_until(lambda: verdicts(examine()[1], check) == ["well"], 30), "%s: well again" % check)

# Strangers take what connections there are.
strangers, words = [], b"user\0postgres\0database\0verbatim\0\0"
most = int(engine.one("select current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int"))
for _ in range(most - int(engine.one("select count(*) from pg_stat_activity where backend_type = 'client backend'"))):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(30)
    s.connect(os.path.join(engine.socket_folder(), ".s.PGSQL.5432"))
    s.sendall(struct.pack("!ii", 8 + len(words), 196608) + words)
    if s.recv(1) == b"R":
        strangers.append(s)
ok(wait_until(lambda: verdicts(examine()[1], "connections") == ["warning"], 30), "connections: %d strangers leave no room" % len(strangers))
for s in strangers:
    s.close()
ok(wait_until(lambda: verdicts(examine()[1], "connections") == ["well"], 60), "connections: well again")

# An event that does not fit.
client.wait(client.append([maker.received(maker.uuid())]))
ok(any("unknown_conversation" in f["found"] and f["verdict"] == "note" for f in examine()[1]["anomalies"]), "anomalies: counted by their code")

# A killed engine's shard, with nobody at it.
engine.kill()
engine.sql("update verbatim.lease set expires_at = now()")
engine.sql("set session_replication_role = replica; create table public.kept as select * from verbatim.projection_batch;"
           " truncate verbatim.projection_batch")
ok(any("nobody at it" in f["found"] and f["verdict"] == "warning" for f in examine("--db", engine.conninfo())[1]["folding"]), "folding: events behind, and nobody at it")
engine.sql("set session_replication_role = replica; insert into verbatim.projection_batch select * from public.kept; drop table public.kept")
same(verdicts(examine("--db", engine.conninfo())[1], "folding"), ["well"], "folding: well again")
engine.start()
client = Client(engine.address)

# A missing leaf of next month; the engine makes it again within a minute, so it is looked at once.
engine.stop()
engine.start()
engine.sql("alter table verbatim.event_log detach partition %s; alter table %s rename to away" % (second, second))
status, found, _ = examine()
ok(any(f["verdict"] == "warning" and "is missing" in f["found"] for f in found["leaves"]), "leaves: next month's is missing")
engine.sql("alter table verbatim.away rename to %s; alter table verbatim.event_log attach partition %s for values from ('%s') to ('%s')"
           % (second.split(".")[1], second, *engine.sql("select date_trunc('month', now() + interval '1 month', 'UTC'),"
                                                        " date_trunc('month', now() + interval '2 month', 'UTC')")[0]))
same(verdicts(examine()[1], "leaves"), ["well"], "leaves: well again")

# Somebody sits idle in a transaction.
idle = subprocess.Popen(["psql", "-X", "-q", engine.conninfo()], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
idle.stdin.write("begin; select txid_current();\n")
idle.stdin.flush()
if wait_until(lambda: engine.one("select count(*) from pg_stat_activity where state = 'idle in transaction' and application_name = 'psql'") == "1", 20):
    engine.sql("alter role postgres set verbatim.idle_patience = '1s'")  # instead of a minute
    ok(wait_until(lambda: any("idle in a transaction" in f["found"] for f in examine()[1]["snapshots"]), 20),
       "snapshots: who sits idle in a transaction is named")
    engine.sql("alter role postgres reset verbatim.idle_patience")
else:
    ok(False, "somebody sits idle in a transaction")
idle.stdin.close()
idle.wait()

# A login that sees little is told so.
client = Client(engine.address)
client.append([maker.customer()])
engine.sql("create role auditor login in role verbatim_auditor; create role nobody login")
status, found, _ = examine("--db", engine.conninfo("auditor"))
same([c for c in found if "unknown" in verdicts(found, c)], [], "an auditor may look at everything")
status, found, _ = examine("--db", engine.conninfo("nobody"))
ok("unknown" in verdicts(found, "epoch") and "auditor" in found["epoch"][0]["remedy"], "who may not look is told who may")

os.chmod(engine.data, 0o777)
status, found, _ = examine()
ok(status == 78 and verdicts(found, "folder") == ["fault"], "a folder that everybody may write to is a fault")
os.chmod(engine.data, 0o755)
same(verdicts(examine()[1], "folder"), ["well"], "and well again")
for name in ("signing.key", "local.key"):
    os.chmod(os.path.join(engine.data, name), 0o640)
    status, found, _ = examine()
    ok(status == 78 and verdicts(found, "keys") == ["fault"] and [name in f["found"] for f in found["keys"]] == [True], "who may read %s is a fault" % name)
    os.chmod(os.path.join(engine.data, name), 0o600)
    same(verdicts(examine()[1], "keys"), ["well"], "and well again")
for option in ("--tls-key", "--signing-key-file"):
    path = os.path.join(engine.folder, "given" + option)
    same(verdicts(examine(*engine.where(), option, path)[1], "keys"), ["unknown"], "%s that is not there is no good news" % option)
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
    same(verdicts(examine(*engine.where(), option, path)[1], "keys"), ["well"], "one of mode 600 is well")
    os.chmod(path, 0o604)
    same((examine(*engine.where(), option, path)[0], verdicts(examine("--db", engine.conninfo(), option, path)[1], "keys")), (78, ["fault"]),
         "one that everybody may read is a fault")

# The schema is another one's.
newest = engine.one("select max(version) from verbatim.schema_migrations")
for breaks, words, mends in (
        ("create table public.kept as select * from verbatim.schema_migrations where version = '%s';"
         " delete from verbatim.schema_migrations where version = '%s'" % (newest, newest), "not applied",
         "insert into verbatim.schema_migrations select * from public.kept; drop table public.kept"),
        ("insert into verbatim.schema_migrations (version, name, checksum) values ('29990101_000000', 'of_tomorrow', sha256(''))", "of_tomorrow",
         "delete from verbatim.schema_migrations where version like '2999%'")):
    engine.sql(breaks)
    status, found, _ = examine()
    ok(status == 78 and verdicts(found, "schema") == ["fault"] and words in found["schema"][0]["found"], "schema: %s is a fault: %s"
       % (words, found["schema"][0]["found"]))
    engine.sql(mends)
    same(verdicts(examine()[1], "schema"), ["well"], "schema: well again")
same(engine.run("doctor", "var").returncode, 64, "it takes no words")
engine.stop()
status, found, _ = examine()
ok(status == 0 and found["engine"][0]["verdict"] == "note", "with no engine it looks at the cluster all the same")
done()
