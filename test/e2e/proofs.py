#!/usr/bin/python3
"""proofs - keys, signed checkpoints, proofs and evidence bundles with the real programs."""
import hashlib
import io
import json
import os
import random
import re
import stat
import subprocess
import tarfile

from harness import BINARY, Engine, Maker, done, ok, same, temporary_folder, wait_until

VERIFIER = BINARY + "-verify"
folder = temporary_folder()


def path(name):
    return os.path.join(folder, name)


def run(*args, env=None, **kw):
    return subprocess.run([BINARY, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ, **(env or {})), **kw)


def verifier(*args):
    return subprocess.run([VERIFIER, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


# ---- keys ----
made = run("key", "generate", "--out", path("key"), "--name", "log.example.com")
same(made.returncode, 0, "a key is made")
private = open(path("key")).read().strip()
seed = private.split("+")[-1]
public = json.loads(made.stdout)
vkey = public["key"]
same(stat.S_IMODE(os.stat(path("key")).st_mode), 0o600, "its file is its owner's alone")
ok(private.startswith("PRIVATE+KEY+log.example.com+") and seed not in made.stdout + made.stderr, "and nothing of it is printed")
same(public["fingerprint"], hashlib.sha256(vkey.encode()).hexdigest(), "the fingerprint is the SHA-256 of the verifier key's text")
same(run("key", "generate", "--out", path("key")).returncode, 73, "a key is not written over another")
same(open(path("key")).read().strip(), private, "which is as it was")
same(run("key", "generate", "--out", path("nowhere/key")).returncode, 66, "nor into a folder that is not there")
same(run("key", "generate", "--out", path("bad"), "--name", "two words").returncode, 64, "nor with a name of two words")
same(run("key", "generate").returncode, 64, "it must be said where it goes")
same(json.loads(run("key", "show", path("key")).stdout), public, "show prints the public half")
same(json.loads(run("key", "show", env={"VERBATIM_SIGNING_KEY": private}).stdout), public, "also of a key in the environment")
os.chmod(path("key"), 0o640)
result = run("key", "show", path("key"))
same(result.returncode, 77, "a key that others can read is refused")
ok("chmod 600" in result.stderr and seed not in result.stderr, "with the remedy, and without the key")
os.chmod(path("key"), 0o600)
same(run("key", "show", path("key"), env={"VERBATIM_SIGNING_KEY": private}).returncode, 78, "two keys at once are refused")
for name, text in (("cut", private[:-1]), ("changed", private[:-4] + "AAAA"), ("public", vkey), ("empty", "")):
    with open(path("bad"), "w") as f:
        f.write(text + "\n")
    os.chmod(path("bad"), 0o600)
    result = run("key", "show", path("bad"))
    ok(result.returncode == 78 and seed[:20] not in result.stderr, "a signing key that is %s is refused without showing it" % name)

# ---- who signs, and with what ----
dir = path("checkpoints")
os.mkdir(dir)
engine = Engine(args=["--core-dumps", "--checkpoint-every", "1h", "--checkpoint-events", "50", "--checkpoint-dir", dir], env={"VERBATIM_SIGNING_KEY": private})
log_id = engine.one("select log_id from verbatim.log_identity")
client = engine.client()


def environ_of(pid):
    with open("/proc/%d/environ" % pid, "rb") as f:
        return f.read()


def everything_of(pid):
    return environ_of(pid) + open("/proc/%d/cmdline" % pid, "rb").read()


ok(seed.encode() not in everything_of(engine.process.pid), "the key does not stay in the engine's environment")
ok(seed.encode() not in everything_of(engine.postmaster()), "nor is it handed on to PostgreSQL")
ok(seed not in open(engine.log).read(), "nor in the diary")
ok(not os.path.exists(os.path.join(engine.data, "signing.key")), "who brings a key needs none below --data")
maker = Maker(5)
conversation = maker.uuid()
ack = client.append([maker.conversation(maker.uuid(), conversation)])
SHARD = ack["shard"]


def sizes(shard=SHARD, e=engine):
    return [int(r[0]) for r in e.sql("select size from verbatim.log_checkpoint where shard = %d order by size" % shard)]


def filed(shard=SHARD):
    try:
        with open(os.path.join(dir, "%s.epoch-1.shard-%d.checkpoint" % (log_id, shard))) as f:
            return f.read()
    except FileNotFoundError:
        return ""


def received(count, m=maker, c=conversation):
    client.append([m.received(c, "number %d" % i) for i in range(count)])


ok(wait_until(lambda: sizes() == [1], 20), "a shard's first events are signed at once")
received(49)
engine.settle()
ok(not wait_until(lambda: sizes() != [1], 2.5), "then nothing for 49 events")
received(1)
ok(wait_until(lambda: sizes() == [1, 51], 20), "and again for the 50th")
ok(wait_until(lambda: filed().split("\n")[1:2] == ["51"], 5), "the folder has it, too")
same(engine.one("select note from verbatim.log_checkpoint where shard = %d and size = 51" % SHARD), filed().rstrip("\n"), "the same text")
ok(all(f.endswith(".checkpoint") for f in os.listdir(dir)), "and nothing half-written beside it")
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "README.md"), encoding="utf-8") as f:
    recipe = re.search(r'^    verbatim psql -- (.* = )1( ORDER BY .*") >kept/\S+$', f.read(), re.M)
with open(path("by-sql.checkpoint"), "wb") as f:
    subprocess.run("%s psql --data %s -- %s%d%s" % (BINARY, engine.data, recipe[1], SHARD, recipe[2]), shell=True, check=True, stdout=f)
same(open(path("by-sql.checkpoint")).read(), filed(), "the README's way to have it by SQL gives it byte for byte")
same(verifier("--key", vkey, "checkpoint", path("by-sql.checkpoint")).returncode, 0, "so that the offline verifier takes it")
result = verifier("--key", vkey, "checkpoint", os.path.join(dir, "%s.epoch-1.shard-%d.checkpoint" % (log_id, SHARD)))
same(result.returncode, 0, "the verifier takes it")
ok(public["fingerprint"] in result.stdout, "and shows whose it is")
same(engine.sql("select vkey, fingerprint from verbatim.log_key"), [[vkey, public["fingerprint"]]], "the public key stands in the database")
status = client.call("status")["checkpoints"]
same((status["key"], status["error"], [s["size"] for s in status["shards"] if s["shard"] == SHARD]), (vkey, "", [51]), "status shows the newest")
for text in ("update verbatim.log_checkpoint set size = 2", "delete from verbatim.log_checkpoint", "truncate verbatim.log_checkpoint", "delete from verbatim.log_key"):
    ok("append-only" in str(engine.sql(text, check=False)), "append-only: " + text)
same(run("serve", "--data", path("x"), "--checkpoint-dir", path("not there"), "--listen", "127.0.0.1:0").returncode, 77,
     "a folder for checkpoints that is not there is told at the start")

# ---- several engines on one database ----
alone = Engine(db=engine.conninfo(), args=["--checkpoint-every", "1s"])
same(alone.client().call("status")["checkpoints"], {}, "an engine on somebody's database signs nothing without a key")
alone.stop()
second = Engine(db=engine.conninfo(), args=["--checkpoint-every", "1s", "--signing-key-file", path("key")])
received(3)
ok(wait_until(lambda: sizes()[-1] == 54, 20), "a second engine with the same key signs what it sees")
received(50)
ok(wait_until(lambda: sizes()[-1] == 104, 20), "and so on")
same(len(sizes()), len(set(sizes())), "none twice")
same(second.stop(), 0, "it ends")

# ---- proofs ----
event_id = engine.one("select event_id from verbatim.event_log where shard = %d and position = 30" % SHARD)
other = Maker(99)
for n in range(100, 140):
    other = Maker(n)
    if client.append([other.customer()])["shard"] != SHARD:
        break
copy = other.received(conversation, "another tenant's")
copy["event_id"] = event_id
OTHER = client.append([other.conversation(other.uuid(), conversation), copy])["shard"]
engine.settle()
result = engine.run("prove", "--data", engine.data, "--event", event_id)
ok(result.returncode == 64 and "--tenant" in result.stderr, "an id that two tenants use needs its tenant")
result = engine.run("prove", "--data", engine.data, "--event", event_id, "--tenant", maker.tenant, "--out", path("p"), "--event-out", path("e"))
same(result.returncode, 0, "with it the event is proved")
same(verifier("--key", vkey, "event", path("e"), path("p")).returncode, 0, "and the proof holds")
same(hashlib.sha256(b"\0" + open(path("e"), "rb").read()).hexdigest(),
     engine.one("select encode(verbatim.leaf_hash(e), 'hex') from verbatim.event_log e where shard = %d and position = 30" % SHARD),
     "the text that comes with it is what verbatim.leaf_hash hashes")
was = [open(path(n), "rb").read() for n in "ep"]
uses = engine.one("select count(*) from audit.access")
for words in (["--out", path("p")], ["--out", path("p-new"), "--event-out", path("e")]):
    result = engine.run("prove", "--data", engine.data, "--event", event_id, "--tenant", other.tenant, *words)
    ok(result.returncode == 73 and "--force" in result.stderr, "a proof, or its event, is not written over a file that is there")
same([open(path(n), "rb").read() for n in "ep"] == was, True, "they are as they were")
same([engine.one("select count(*) from audit.access"), os.path.exists(path("p-new"))], [uses, False], "which is told before anything is read, journaled or written")
for name in "ep":
    with open(path(name), "w") as f:
        f.write("something else, longer than a proof\n" * 1000)
result = engine.run("prove", "--data", engine.data, "--event", event_id, "--tenant", maker.tenant, "--out", path("p"), "--event-out", path("e"), "--force")
same(result.returncode, 0, "--force writes over both")
same(open(path("e"), "rb").read() == was[0], True, "all of them")
same(verifier("event", path("e"), path("p")).returncode, 2, "without a key nothing is checked")
same(verifier("--key", path("e"), "event", path("e"), path("p")).returncode, 2, "nor with a file that holds none")
with open(path("vkey"), "w") as f:
    f.write("# ours, since November\n\n" + vkey + "\n")
same(verifier("--key", path("vkey"), "event", path("e"), path("p")).returncode, 0, "a key may come in a file")
text = open(path("e")).read()
with open(path("e2"), "w") as f:
    f.write(text.replace("number", "Number"))
same(verifier("--key", vkey, "event", path("e2"), path("p")).returncode, 1, "another text is refused")
same(engine.run("prove", "--data", engine.data, "--event", maker.uuid()).returncode, 65, "an event that is not there is not found")
received(1)
newest = engine.one("select event_id from verbatim.event_log where shard = %d order by position desc limit 1" % SHARD)
result = engine.run("prove", "--data", engine.data, "--event", newest)
ok(result.returncode == 69 and "no checkpoint" in result.stderr, "one that is not signed yet is said to be that")

# ---- evidence ----


def evidence(name, *args):
    return run("evidence", "--data", engine.data, "--out", path(name), *(() if "--signing-key-file" in args else ("--signing-key-file", path("key"))), *args)


result = evidence("case.tar", "--conversation", conversation)
ok(result.returncode == 64 and "--tenant" in result.stderr, "a conversation's id that two tenants use needs its tenant")
mine = ["--conversation", conversation, "--tenant", maker.tenant]
result = evidence("case.tar", *mine)
same(result.returncode, 0, "evidence is made")
ok("1 newer" in result.stdout, "what the checkpoint does not reach is told")
archive = open(path("case.tar"), "rb").read()
ok(hashlib.sha256(archive).hexdigest() in result.stdout, "with the file's hash")
evidence("again.tar", *mine)
same(open(path("again.tar"), "rb").read() == archive, True, "and the same again, byte for byte")
uses = engine.one("select count(*) from audit.access where action = 'evidence'")
result = evidence("case.tar", *mine, "--withhold", maker.uuid())
ok(result.returncode == 73 and "--force" in result.stderr, "a bundle is not written over a file that is there")
same(engine.one("select count(*) from audit.access where action = 'evidence'"), uses, "which is told before anything is read, and journaled")
same(open(path("case.tar"), "rb").read() == archive, True, "it is as it was")
with open(path("again.tar"), "w") as f:
    f.write("something else")
same(evidence("again.tar", *mine, "--force").returncode, 0, "--force writes over it")
same(open(path("again.tar"), "rb").read() == archive, True, "all of it")
tar = tarfile.open(fileobj=io.BytesIO(archive))
names = tar.getnames()
files = {n: tar.extractfile(n).read() for n in names}
manifest = json.loads(files["manifest.json"])
same((manifest["events"], manifest["newer"], manifest["withheld"], manifest["tenant_id"]), (104, 1, [], maker.tenant), "the manifest counts")
same([n for n in names if n.startswith("events/")], ["events/%016d.json" % p for p in range(1, 105)], "every event has its file, in order")
same([hashlib.sha256(files[n]).hexdigest() + "  " + n for n in names if not n.startswith("SHA256SUMS")],
     files["SHA256SUMS"].decode().splitlines(), "SHA256SUMS is that of sha256sum")
same(files["events/%016d.json" % 30], open(path("e"), "rb").read(), "an event's file is its canonical text")
state = [json.loads(line) for line in files["state.ndjson"].decode().splitlines()]
ok(manifest["state"] and state[0]["kind"] == "state" and state[0]["position"] == int(files["checkpoint"].split(b"\n")[1]), "the state is that of the checkpoint")
rows = {(r["read_model"], r["id"]): r["row"] for r in state[1:]}
same(len([k for k in rows if k[0] == "core.messages"]), len([n for n in names if n.startswith("events/")
     and json.loads(files[n])["event_type"].startswith("message.")]), "with a row for each message")
same(rows["core.conversations", conversation]["message_count"], len([k for k in rows if k[0] == "core.messages"]), "and the conversation's own")
with open(path("p2"), "wb") as f:
    f.write(files["proofs/%016d.tlog-proof" % 30])
same(verifier("--key", vkey, "event", path("e"), path("p2")).returncode, 0, "each proof can be checked by itself")
result = verifier("--key", vkey, "bundle", "--sealed", path("case.tar"))
same(result.returncode, 0, "the verifier takes the bundle")
ok("104 proved" in result.stdout and "a key that was given" in result.stdout and "signed as a whole" in result.stdout, "and says what of")
result = verifier("bundle", path("case.tar"))
same(result.returncode, 3, "without a key it does not call it good")
ok(public["fingerprint"] in result.stdout, "but shows the fingerprint to compare")
run("key", "generate", "--out", path("stranger"))
stranger = json.loads(run("key", "show", path("stranger")).stdout)["key"]
same(verifier("--key", stranger, "bundle", path("case.tar")).returncode, 1, "with another key it is refused")
rng = random.Random(7)
missed = 0
for _ in range(150):
    at = rng.randrange(len(archive))
    with open(path("flipped.tar"), "wb") as f:
        f.write(archive[:at] + bytes([archive[at] ^ (1 << rng.randrange(8))]) + archive[at + 1:])
    missed += verifier("--key", vkey, "bundle", path("flipped.tar")).returncode != 1
same(missed, 0, "any bit flipped in it is seen (150 of them; all bytes are test/property/bundle's)")
for name, bytes_ in (("cut", archive[:-512]), ("longer", archive + bytes(512)), ("empty", b""), ("text", b"hello" * 1000), ("zeros", bytes(10240))):
    with open(path("bad.tar"), "wb") as f:
        f.write(bytes_)
    same(verifier("--key", vkey, "bundle", path("bad.tar")).returncode, 1, "refused: one that is " + name)
same(verifier("--key", vkey, "bundle", path("not there")).returncode, 2, "a file that is not there cannot be read")


# ---- every use is journaled before anything is written ----


def accesses():
    return engine.sql("select actor, action, resource_type, resource_id, tenant_id, purpose from audit.access where action in ('evidence', 'prove') order by position")


evidence("why.tar", *mine, "--reason", "case 17")
same(accesses()[-1], ["postgres", "evidence", "conversation", conversation, maker.tenant, "case 17"], "a bundle is journaled: who, what, whose, what for")
engine.run("prove", "--data", engine.data, "--event", event_id, "--tenant", maker.tenant, "--out", path("p3"))
same(accesses()[-1], ["postgres", "prove", "event", event_id, maker.tenant, ""], "so is an event's proof")
unknown = maker.uuid()
evidence("x.tar", "--conversation", unknown, "--tenant", maker.tenant)
engine.run("prove", "--data", engine.data, "--event", unknown, "--tenant", maker.tenant)
same([a[1:5] for a in accesses()[-2:]], [["evidence", "conversation", unknown, maker.tenant], ["prove", "event", unknown, maker.tenant]],
     "and the attempt, where there is nothing")
count = len(accesses())
engine.run("prove", "--data", engine.data, "--extends", os.path.join(dir, "%s.epoch-1.shard-%d.checkpoint" % (log_id, SHARD)), "--out", path("x"))
run("verify", "--data", engine.data)
engine.run("prove", "--data", engine.data, "--event", "nonsense")
same(len(accesses()), count, "that the log only grew, and that it holds, tells of no event and is not; nor is a command line that is wrong")
engine.sql("create role looker login in role verbatim_auditor")
as_looker = ["--db", engine.conninfo("looker")]
for words in (["evidence", *mine, "--out", path("theirs")], ["prove", "--event", event_id, "--tenant", maker.tenant, "--out", path("theirs")]):
    result = run(*words, *as_looker)
    ok(result.returncode == 77 and "--to" in result.stderr and not os.path.exists(path("theirs")),
       "%s by a login that may not append is refused, with the remedy: " % words[0] + result.stderr.strip())
    result = run(*words, *as_looker, "--to", "127.0.0.1:1")
    ok(result.returncode != 0 and "nothing is shown" in result.stderr and not os.path.exists(path("theirs")), "nor is anything written that is not journaled")
    same(engine.run(*words, *as_looker, "--to", engine.address).returncode, 0, "with an engine that takes the event it is made")
    same(accesses()[-1][:2], ["looker", words[0]], "and journaled under the login's own name")
    os.remove(path("theirs"))

secret = engine.sql("select event_id, position from verbatim.event_log where shard = %d and position in (5, 7) order by position" % SHARD)
result = evidence("withheld.tar", *mine, "--withhold", secret[1][0], "--withhold", secret[0][0])
same(result.returncode, 0, "events can be withheld")
files = {m.name: 1 for m in tarfile.open(path("withheld.tar")).getmembers()}
ok("events/%016d.json" % 5 not in files and "proofs/%016d.tlog-proof" % 5 in files, "their text is not there, their proof is")
ok(secret[0][0].encode() not in open(path("withheld.tar"), "rb").read(), "nor is their id")
result = verifier("--key", vkey, "bundle", path("withheld.tar"))
same(result.returncode, 0, "the bundle holds")
ok("104 proved, 2 of them withheld" in result.stdout and "position 7, said to be message.received" in result.stdout, "and says what is withheld")
same(evidence("x.tar", *mine, "--withhold", maker.uuid()).returncode, 65, "an event that is not the conversation's cannot be withheld")
result = run("evidence", "--data", engine.data, "--out", path("open.tar"), *mine)
ok(result.returncode == 0 and "not signed as a whole" in result.stdout, "without the signing key a bundle is made, and says that it is not signed")
same((verifier("--key", vkey, "bundle", path("open.tar")).returncode, verifier("--key", vkey, "bundle", "--sealed", path("open.tar")).returncode),
     (0, 1), "the verifier takes it, unless the signature is asked for")
same(evidence("x.tar", "--conversation", maker.uuid()).returncode, 65, "a conversation that is not there is not found")
same(evidence("x.tar", *mine, "--signing-key-file", path("stranger")).returncode, 78, "somebody else's key does not sign a bundle")

# ---- nothing is signed that is not the continuation of what was signed ----
engine.stop()
engine.start(env={"VERBATIM_SIGNING_KEY": private})  # signs what is left when it ends
client = engine.client()
received(60)
ok(wait_until(lambda: sizes()[-1] == 165, 20), "the engine goes on from where it was")
client.append([other.received(conversation, "more") for _ in range(60)])
ok(wait_until(lambda: sizes(OTHER) and sizes(OTHER)[-1] >= 62, 20), "in both shards")
before, before_other = sizes(), sizes(OTHER)
engine.sql("""set session_replication_role = replica;
    alter table verbatim.event_log disable trigger all; alter table verbatim.log_checkpoint disable trigger all;
    do $$ declare t regclass; begin for t in select inhrelid::regclass from pg_inherits where inhparent = 'verbatim.event_log'::regclass loop
        execute format('alter table %%s disable trigger all', t); end loop; end $$;
    update verbatim.event_log set payload = replace(payload::text, 'number', 'NUMBER')::json where shard = %d and position = 160;
    update verbatim.event_log e set leaf_hash = verbatim.leaf_hash(e) where shard = %d and position = 160""" % (SHARD, SHARD))
received(60)
client.append([other.received(conversation, "even more") for _ in range(60)])
ok(wait_until(lambda: len(sizes(OTHER)) > len(before_other), 20), "a shard that was left alone is signed further")
ok(wait_until(lambda: [s["error"] for s in client.call("status")["checkpoints"]["shards"] if s["shard"] == SHARD][0] != "", 20),
   "one that was rewritten is not, and status says why")
same(sizes(), before, "no checkpoint of it was made")
engine.sql("delete from verbatim.log_checkpoint where shard = %d" % SHARD)
engine.stop()
engine.start(env={"VERBATIM_SIGNING_KEY": private})
ok(wait_until(lambda: any(s["error"] for s in engine.client().call("status")["checkpoints"]["shards"] if s["shard"] == SHARD), 20),
   "nor after a restart with its checkpoints cut out of the database: the folder has kept the last one")
same(sizes(), [], "nothing is signed")
done()
