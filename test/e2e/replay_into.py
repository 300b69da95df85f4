#!/usr/bin/python3
"""replay_into - complete read models as of a moment, in a schema of their own: what they were then, to the last column."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
from replays import *

engine = Engine()
where = engine.where()


def traffic(seed, conversations):
    made = subprocess.run([BINARY, "generate", *LONG_AGO, "--all-types", "--conversations", str(conversations), "--seed", str(seed)],
                          stdout=subprocess.PIPE, check=True).stdout
    sent = subprocess.run([BINARY, "append", "-", "--wait", "--to", engine.address, "--api-key-file", engine.key_file()], input=made, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    same(sent.returncode, 0, "traffic of seed %d is in" % seed)
    quiet(engine)


traffic(1, 60)
engine.sql("create schema kept")
for schema, name in models(engine):
    engine.sql("create table kept.%s as select * from %s.%s" % (name, schema, name))
at = engine.one("select to_char(clock_timestamp() at time zone 'utc', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')")
time.sleep(0.01)
traffic(2, 60)
tenant = engine.one("select tenant_id from core.conversations group by 1 order by count(*) desc limit 1")

result = engine.run("replay", *where, "--into", "march", "--at", at, "--reason", "an audit")
same(result.returncode, 0, "a moment's read models")
note(result.stdout + result.stderr)
same(differing(engine, lambda s, n: "kept." + n, "march"), [], "every read model is what it was then, to the last column")
ok(int(engine.one("select count(*) from march.messages")) < int(engine.one("select count(*) from core.messages")), "which is less than now")
heads = engine.sql("select shard, position, encode(root, 'hex') from march.replayed order by 1")
same(heads, engine.sql("select distinct on (shard) shard, last_position, encode(root, 'hex') from verbatim.log_batch where recorded_at <= '%s'"
                       " order by shard, last_position desc" % at), "and tells of which positions and roots")
ok(all(row[0] for row in engine.sql("select versions->'read_models'->>'core.messages' from march.replayed")), "and which versions folded it")
same(engine.one("select count(*) from pg_indexes where schemaname = 'march' and tablename = 'conversations'") != "0", True, "with keys and indexes")

result = engine.run("replay", *where, "--into", "now_all", "--memory", "1M")
same(result.returncode, 0, "without a moment: all there is, with little memory")
same(differing(engine, lambda s, n: "%s.%s" % (s, n), "now_all"), [], "the same as is live")
result = engine.run("replay", *where, "--into", "one", "--tenant", tenant)
same(result.returncode, 0, "of one tenant")
same(differing(engine, lambda s, n: "%s.%s" % (s, n), "one", "tenant_id = '%s'" % tenant), [], "its rows and no other's")

# Into another database.
engine.sql("create database elsewhere")
elsewhere = engine.conninfo().replace("dbname=verbatim", "dbname=elsewhere")
result = engine.run("replay", *where, "--into", elsewhere, "--at", at)
same(result.returncode, 0, "into another database")
schema = result.stdout.split()[1] if result.returncode == 0 else "none"
ok(schema.startswith("as_of_20"), "in a schema called after the moment")
there = subprocess.run(["psql", "-XAtc", "select count(*), sum(message_count) from %s.conversations" % schema, elsewhere], stdout=subprocess.PIPE,
                       text=True).stdout.strip()
same(there, engine.one("select count(*) || '|' || sum(message_count) from kept.conversations"), "with the same rows")

# What cannot be, and what is left of it.
for words, status, about in ((["--into", "march"], 73, "a schema that is there"), (["--into", "March; drop"], 64, "a name that is none"),
                             (["--into", "x", "--at", "12"], 64, "a position, which is of one shard"),
                             (["--into", "x", "--conversation", tenant], 64, "a subject"),
                             (["--into", "x", "--at", "1999-01-01"], 65, "before there was anything"),
                             (["--into", "host=/nowhere dbname=x"], 69, "a database that is not there")):
    result = engine.run("replay", *where, *words)
    same(result.returncode, status, about + " is refused")
    ok(result.stderr, "with words")
same(engine.one("select count(*) from pg_namespace where nspname = 'x'"), "0", "and leaves nothing")
same(engine.one("select count(*) from audit.access where purpose = 'an audit'"), "1", "each use stands in the log")
done()
