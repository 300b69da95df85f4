#!/usr/bin/python3
"""tamper - what a superuser can do to a log, and how `verbatim verify` names it.

A log is made by an engine and signed; each case gets a copy of its database, with the triggers off as an attacker would,
changes something, and asks verify.  Whoever changes a thing alone is found by the hashes beside it; who mends these as well
is found by the signed checkpoints; who takes those away, too, by a checkpoint that was kept elsewhere.
"""
import json
import os
import subprocess

from harness import Engine, Maker, done, merkle_root, ok, same, temporary_folder, wait_until

folder = temporary_folder()
host = Engine()  # its PostgreSQL holds the databases of all cases
KEY = os.path.join(folder, "signing.key")
KEPT = os.path.join(folder, "kept")
KEPT_LATE = os.path.join(folder, "late")
os.mkdir(KEPT)
made = host.run("key", "generate", "--out", KEY, "--name", "log.example.com")
vkey = json.loads(made.stdout)["key"]


def conninfo(database):
    return host.conninfo().replace("dbname=verbatim", "dbname=" + database)


def sql(database, text):
    result = subprocess.run(["psql", "-X", "-q", "-A", "-t", "-F", "|", "-v", "ON_ERROR_STOP=1", "-c", text, conninfo(database)],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if result.returncode:
        raise RuntimeError(result.stderr)
    return [line.split("|") for line in result.stdout.splitlines()]


def verify(database, *args, key=True):
    """Exit status, findings, sums by shard, the end."""
    result = host.run("verify", "--db", conninfo(database), "--json", "--quiet", *(["--key", vkey] if key else []), *args)
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    return (result.returncode, [x for x in lines if "finding" in x], {x["shard"]: x for x in lines if "verified" in x and "shard" in x},
            lines[-1] if lines else result.stderr)


# ---- the log: two tenants in two shards; one has three tiles' worth of events ----
engine = None
host.sql("create database log")
result = host.run("init", "--db", conninfo("log"), "--shards", "2")
same(result.returncode, 0, "a log is made")
engine = Engine(db=conninfo("log"), args=["--signing-key-file", KEY, "--checkpoint-every", "1s", "--checkpoint-dir", KEPT])
client = engine.client()
makers = []
for seed in range(1, 40):
    maker = Maker(seed)
    ack = client.append([maker.customer()])
    if ack["shard"] not in [m[1] for m in makers]:
        makers.append((maker, ack["shard"]))
    if len(makers) == 2:
        break
big, SHARD = makers[0]
small, OTHER = makers[1]


def talk(maker, count, step):
    conversation = maker.uuid()
    client.append([maker.conversation(maker.uuid(), conversation)])
    for i in range(0, count, step):
        client.append([maker.received(conversation, "Where is my parcel? %d" % (i + k)) for k in range(step)])


def signed_up_to(shard):
    return int(sql("log", "select coalesce(max(size), 0) from verbatim.log_checkpoint where shard = %d" % shard)[0][0])


def head_of(database, shard):
    return int(sql(database, "select max(last_position) from verbatim.log_batch where shard = %d" % shard)[0][0])


talk(big, 600, 20)
talk(small, 30, 3)
ok(wait_until(lambda: signed_up_to(SHARD) == head_of("log", SHARD) and signed_up_to(OTHER) == head_of("log", OTHER), 20),
   "both shards are signed as far as they go")
FIRST = signed_up_to(SHARD)
subprocess.run(["cp", "-r", KEPT, KEPT_LATE], check=True)
EARLY = os.path.join(folder, "early")
subprocess.run(["cp", "-r", KEPT, EARLY], check=True)
talk(big, 240, 8)
ok(wait_until(lambda: signed_up_to(SHARD) == head_of("log", SHARD), 20), "and once more, later")
LAST = signed_up_to(SHARD)
subprocess.run("rm -r %s && cp -r %s %s" % (KEPT_LATE, KEPT, KEPT_LATE), shell=True, check=True)
same(engine.stop(), 0, "the engine ends")

status, findings, sums, end = verify("log", "--against", EARLY, "--against", KEPT_LATE)
same((status, findings), (0, []), "the log holds, against what was kept early and late")
same((sums[SHARD]["events"], sums[SHARD]["signed_up_to"], sums[SHARD]["tiles"]), (LAST, LAST, LAST // 256), "all of it was looked at")
same(end["verified"], True, "and it says so")

# ---- cases ----
OFF = """do $$ declare t record; begin
    for t in select c.oid::regclass tab from pg_class c where c.relnamespace = 'verbatim'::regnamespace and c.relkind in ('r', 'p') loop
        execute format('alter table %s disable trigger all', t.tab);
    end loop; end $$;"""
WHERE = " where shard = %d and position = " % SHARD
TAIL = LAST - 40  # within the last checkpoint, behind the first


TABLES = ["event_log", "log_batch", "log_tile", "log_month", "log_checkpoint", "log_key"]
host.sql("create database attacked template log")
sql("attacked", OFF + "create schema saved;" + ";".join("create table saved.%s as table verbatim.%s" % (t, t) for t in TABLES))
LEAF = sql("log", "select tableoid::regclass from verbatim.event_log limit 1")[0][0]


def restore():
    """The database of the cases as it was."""
    sql("attacked", OFF + "".join("truncate verbatim.%s; insert into verbatim.%s select * from saved.%s;" % (t, t, t) for t in TABLES)
        + "create unique index if not exists %s_position on %s (shard, position)" % (LEAF.split(".")[1], LEAF))


def case(name, attack, expected, *args, key=True, database=None):
    """`attack`: SQL, or a function of the database; `expected`: (finding, position) that must come first in the shard."""
    if database:
        host.sql("create database %s template log" % database)
        sql(database, OFF)
    database = database or "attacked"
    if callable(attack):
        attack(database)
    else:
        sql(database, attack)
    status, findings, sums, end = verify(database, *args, key=key)
    here = [(f["finding"], f.get("position")) for f in findings if f["shard"] == SHARD]
    if expected is None:
        same((status, findings), (0, []), name)
    else:
        same((status, here[:1]), (65, [expected]), name)
        same(sums[OTHER]["verified"], True, "  and the other shard is said to hold")
    if database == "attacked":
        restore()
    return findings


def named(findings, kind):
    return [f.get("position") for f in findings if f["finding"] == kind]


CHANGES = [("one byte of a payload", "payload = replace(payload::text, 'parcel', 'parcal')::json"),
           ("white space in a payload", "payload = (payload::text || ' ')::json"),
           ("who did it", "actor_id = gen_random_uuid()"),
           ("a kind of actor that nobody knows", "actor_type = 'evil'"),
           ("a nil where nothing was", "customer_id = '00000000-0000-0000-0000-000000000000'"),
           ("an empty text where nothing was", "actor_user_agent = ''"),
           ("an address", "actor_ip = '10.0.0.1'"),
           ("whose it is", "tenant_id = gen_random_uuid()"),
           ("its conversation", "conversation_id = gen_random_uuid()"),
           ("its type", "event_type = 'message.sent'"),
           ("its version", "event_version = 2"),
           ("silent", "silent = true"),
           ("when it happened, by a microsecond", "occurred_at = occurred_at + interval '1 microsecond'")]
f = case("one byte of a payload", "update verbatim.event_log set payload = replace(payload::text, 'parcel', 'parcal')::json" + WHERE + "300",
         ("event_changed", 300))
same(len(f), 1, "  it alone: the tree around it holds")
event_id, tenant_id = sql("log", "select event_id, tenant_id from verbatim.event_log" + WHERE + "300")[0]
same((f[0]["event_id"], f[0]["tenant_id"]), (event_id, tenant_id), "  by its id and tenant")
f = case("changes of all kinds", ";".join("update verbatim.event_log set " + c[1] + WHERE + str(40 + i) for i, c in enumerate(CHANGES)),
         ("event_changed", 40))
for i, (name, _) in enumerate(CHANGES):
    ok(40 + i in named(f, "event_changed"), "  found: " + name)
same(sorted(named(f, "event_changed")), list(range(40, 40 + len(CHANGES))), "  and no other event")
f = case("when it was recorded", "update verbatim.event_log set recorded_at = recorded_at - interval '1 minute'" + WHERE + "320", ("event_changed", 320))
same((named(f, "time_went_back"), named(f, "batch")), ([320], [320]), "  which went back, and is not its batch's")
case("a leaf hash", "update verbatim.event_log set leaf_hash = sha256('x')" + WHERE + "5", ("event_changed", 5))
case("a leaf hash that is too short", "update verbatim.event_log set leaf_hash = 'x'" + WHERE + "6", ("event_changed", 6))
f = case("an event deleted", "delete from verbatim.event_log" + WHERE + "300", ("event_missing", 300))
same(len(f), 1, "  and nothing else is said to be wrong")
f = case("a run of events deleted, and one behind it changed",
         "delete from verbatim.event_log where shard = %d and position between 300 and 310;" % SHARD +
         "update verbatim.event_log set silent = true" + WHERE + "500; update verbatim.event_log set silent = true" + WHERE + "299",
         ("event_changed", 299))
same((named(f, "event_missing"), named(f, "event_changed")), ([300], [299, 500]), "  each is named")
case("the first event deleted", "delete from verbatim.event_log" + WHERE + "1", ("event_missing", 1))
COLUMNS = ", ".join(r[0] for r in sql("log", "select attname from pg_attribute where attrelid = 'verbatim.event_log'::regclass and attnum > 0"))


def insert(position, at="recorded_at"):
    return "insert into verbatim.event_log (%s) select %s from verbatim.event_log" % (
        COLUMNS, COLUMNS.replace("position", "%d" % position).replace("event_id", "gen_random_uuid()").replace("recorded_at", at)) + WHERE + "300"


case("an event inserted twice", "drop index %s_position; %s" % (LEAF, insert(300)), ("event_doubled", 300))
case("an event behind the end", insert(LAST + 1), ("event_beside", LAST + 1))
case("an event at position 0", insert(0), ("event_beside", None))
case("an event in another month", "select verbatim.make_leaf('2020-01-01');" + insert(300, "timestamptz '2020-01-15'"), ("event_beside", 300))
f = case("two events swapped", "drop index %s_position; update verbatim.event_log set position = 611 - position where shard = %d and position in (305, 306)" % (LEAF, SHARD),
         ("event_changed", 305))
same(named(f, "event_changed"), [305, 306], "  both are named")

def batch_at(position):
    first, last = sql("log", "select first_position, last_position from verbatim.log_batch where shard = %d and %d between first_position and last_position"
                      % (SHARD, position))[0]
    return int(first), int(last)


B_FIRST, B_LAST = batch_at(300)
BATCH = " where shard = %d and first_position = %d" % (SHARD, B_FIRST)
case("a batch's root", "update verbatim.log_batch set root = sha256('x')" + BATCH, ("batch_root", B_FIRST))
case("a batch's time", "update verbatim.log_batch set recorded_at = recorded_at + interval '1 second'" + BATCH, ("batch", B_FIRST))
case("a batch's end", "update verbatim.log_batch set last_position = last_position + 1" + BATCH, ("batch", B_LAST + 1))
case("a batch's epoch", "update verbatim.log_batch set epoch = 7" + BATCH, ("batch", B_FIRST))
case("a batch deleted", "delete from verbatim.log_batch" + BATCH, ("batch", B_LAST + 1))
f = case("a text with its leaf hash", "update verbatim.event_log set silent = true" + WHERE + "300; update verbatim.event_log e"
         " set leaf_hash = verbatim.leaf_hash(e)" + WHERE + "300", ("batch_root", B_FIRST))
ok(300 in named(f, "tile"), "  the tile tells which one of the batch")
case("a byte of a tile", "update verbatim.log_tile set hashes = set_byte(hashes, 32 * 9 + 4, 255 - get_byte(hashes, 32 * 9 + 4))"
     " where shard = %d and level = 0 and index = 1" % SHARD, ("tile", 256 + 10))
case("a tile deleted", "delete from verbatim.log_tile where shard = %d and level = 0 and index = 1" % SHARD, ("tile", None))
case("a tile too many", "insert into verbatim.log_tile select 77, level, shard, hashes from verbatim.log_tile where shard = %d and level = 0 and index = 1" % SHARD,
     ("tile", None))
case("a checkpoint's note", "update verbatim.log_checkpoint set note = replace(note, '\n%d\n', '\n%d\n') where shard = %d and size = %d" % (FIRST, FIRST - 1, SHARD, FIRST),
     ("signature", None))
case("a checkpoint's columns", "update verbatim.log_checkpoint set root = sha256('x') where shard = %d and size = %d" % (SHARD, FIRST), ("signature", None))
case("the log's end, its batches left", "delete from verbatim.event_log where shard = %d and position > %d" % (SHARD, LAST - 8), ("event_missing", LAST - 7))


# ---- who mends what stands beside it ----
def cut(database):
    """The end cut off, with its batches and tiles, as if it had never been."""
    first, _ = batch_at(LAST)
    sql(database, "delete from verbatim.event_log where shard = %d and position >= %d; delete from verbatim.log_batch where shard = %d and first_position >= %d;"
        "delete from verbatim.log_tile where shard = %d and index >= (%d::int8 >> (8 * (level + 1)))" % (SHARD, first, SHARD, first, SHARD, first - 1))


CUT = batch_at(LAST)[0]
UNSIGN = "delete from verbatim.log_checkpoint where shard = %d and size > %d" % (SHARD, FIRST)


def cut_unsigned(database):
    cut(database)
    sql(database, UNSIGN)


case("the end cut off with its batches: the newest checkpoint reaches further", cut, ("end_missing", CUT))
case("... and the newest checkpoint taken away: nothing in the database tells", cut_unsigned, None)
case("... a checkpoint that was kept before the cut is extended", cut_unsigned, None, "--against", EARLY)
case("... one that was kept after it is not", cut_unsigned, ("kept_checkpoint", CUT), "--against", KEPT_LATE)


def rewrite(database, position=300):
    """One event made another, and leaf hashes, roots and tiles made anew to fit."""
    sql(database, "update verbatim.event_log set payload = replace(payload::text, 'parcel', 'money')::json" + WHERE + str(position) +
        "; update verbatim.event_log e set leaf_hash = verbatim.leaf_hash(e)" + WHERE + str(position))
    leaves = [bytes.fromhex(r[0]) for r in sql(database, "select encode(leaf_hash, 'hex') from verbatim.event_log where shard = %d order by position" % SHARD)]
    fixes = ["update verbatim.log_batch set root = '\\x%s' where shard = %d and last_position = %s" % (merkle_root(leaves[:int(last)]).hex(), SHARD, last)
             for (last,) in sql(database, "select last_position from verbatim.log_batch where shard = %d and last_position >= %d" % (SHARD, position))]
    fixes += ["update verbatim.log_tile set hashes = '\\x%s' where shard = %d and level = 0 and index = %d"
              % (b"".join(leaves[256 * i:256 * (i + 1)]).hex(), SHARD, i) for i in range(len(leaves) // 256)]
    sql(database, ";".join(fixes))


def between(position):
    """The words for where the checkpoints around a position put a change."""
    return "from position %s to %s" % tuple(sql("log", "select coalesce(max(size) filter (where size < %d), 0) + 1, min(size) filter (where size >= %d)"
                                                " from verbatim.log_checkpoint where shard = %d" % (position, position, SHARD))[0])


f = case("all made anew to fit: the checkpoints tell", rewrite, ("checkpoint", None))
ok(between(300) in f[0]["text"], "  and between which positions")
f = case("the same behind the first checkpoint", lambda d: rewrite(d, FIRST + 5), ("checkpoint", None))
ok(between(FIRST + 5) in f[0]["text"], "  which still holds and narrows it down")


def rewrite_unsigned(database):
    rewrite(database)
    sql(database, "delete from verbatim.log_checkpoint where shard = %d" % SHARD)


def resign(database):
    """... and all signed again with a key of the attacker's, registered in the database."""
    rewrite(database)
    sql(database, "delete from verbatim.log_checkpoint; delete from verbatim.log_key")
    path = os.path.join(folder, "evil.key")
    host.run("key", "generate", "--out", path, "--name", "log.example.com")
    evil = Engine(db=conninfo(database), args=["--signing-key-file", path, "--checkpoint-every", "1s"])
    ok(wait_until(lambda: sql(database, "select count(*) from verbatim.log_checkpoint where shard = %d" % SHARD)[0][0] != "0", 20), "  (signed anew)")
    evil.stop()


case("all made anew, and no checkpoint left: who gives the key learns that nothing is signed", rewrite_unsigned, ("unsigned", None))
case("... with another key: without one from elsewhere it agrees with itself", resign, None, key=False, database="resigned")
f = case("... who gives a kept checkpoint learns which one does not hold", rewrite_unsigned, ("kept_checkpoint", None), "--against", EARLY)
ok(str(f[0]["text"]).startswith(EARLY), "  by its file")

# ---- several shards at once, and who is not a superuser ----
host.sql("create database two_shards template log")
sql("two_shards", OFF + "update verbatim.event_log set silent = not silent where shard in (%d, %d) and position = 2" % (SHARD, OTHER))
status, findings, sums, end = verify("two_shards")
same((status, sorted((f["shard"], f["position"]) for f in findings)), (65, sorted([(SHARD, 2), (OTHER, 2)])), "changes in two shards are both told")
same((end["verified"], end["findings"]), (False, 2), "and counted")
result = host.run("verify", "--db", conninfo("log"), "--key", vkey, "--against", os.path.join(folder, "nowhere"))
same(result.returncode, 66, "a kept checkpoint that is not there is said to be missing")
host.sql("create role the_auditor login in role verbatim_auditor")
result = host.run("verify", "--db", conninfo("log").replace("user=postgres", "user=the_auditor"), "--key", vkey)
same(result.returncode, 0, "an auditor's login can verify")

# ---- a log that was adopted ----
host.sql("create database adopted template log")
sql("adopted", OFF)
cut("adopted")
result = host.run("init", "--db", conninfo("adopted"), "--adopt", "--who", "Ada", "--why", "the end was lost", "--lost", "%d:%d-%d" % (SHARD, CUT, LAST))
same(result.returncode, 0, "a log whose end was lost is adopted")
again = Engine(db=conninfo("adopted"), args=["--signing-key-file", KEY, "--checkpoint-every", "1s"])
client = again.client()
talk(big, 40, 8)
ok(wait_until(lambda: sql("adopted", "select count(*) from verbatim.log_checkpoint where shard = %d and epoch = 2" % SHARD)[0][0] != "0", 20),
   "and signed under its new epoch")
again.stop()
status, findings, sums, end = verify("adopted")
given_up = int(sql("log", "select count(*) from verbatim.log_checkpoint where shard = %d and size >= %d" % (SHARD, CUT))[0][0])
same((status, findings, sums[SHARD]["superseded"]), (0, [], given_up), "it holds; checkpoints of what was given up are counted as superseded")
same(verify("adopted", "--against", EARLY)[0], 0, "it extends what was kept before")
status, findings, sums, end = verify("adopted", "--against", KEPT_LATE)
same((status, [f["finding"] for f in findings]), (65, ["kept_checkpoint"]), "not what was kept of what was given up")
done()
