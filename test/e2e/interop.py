#!/usr/bin/python3
"""interop - checkpoints, proofs of inclusion and of consistency hold for golang.org/x/mod/sumdb, and its notes for us.

Needs Go and Debian's golang-golang-x-mod-dev; without them it says so and checks nothing.
"""
import json
import os
import shutil
import subprocess

from harness import BINARY, Engine, Maker, ROOT, done, note, ok, same, skip_all, temporary_folder, wait_until

GOPATH = "/usr/share/gocode"
if not shutil.which("go") or not os.path.isdir(GOPATH + "/src/golang.org/x/mod/sumdb/tlog"):
    skip_all("no Go, or no golang-golang-x-mod-dev")

folder = temporary_folder()
tool = os.path.join(folder, "interop")
env = dict(os.environ, GO111MODULE="off", GOPATH=GOPATH, GOCACHE=os.path.join(folder, "cache"), GOFLAGS="", HOME=folder)
built = subprocess.run(["go", "build", "-o", tool, os.path.join(ROOT, "test/e2e/interop/main.go")], env=env, cwd=folder,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
if not same(built.returncode, 0, "the Go program is built"):
    note(built.stdout)
    done()
VERIFIER = BINARY + "-verify"


def go(*args):
    result = subprocess.run([tool, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    return result.returncode, (result.stdout or result.stderr).strip()


def path(name):
    return os.path.join(folder, name)


dir = path("checkpoints")
os.mkdir(dir)
engine = Engine(args=["--checkpoint-every", "1s", "--checkpoint-dir", dir])
skey = open(os.path.join(engine.data, "signing.key")).read().strip()
vkey = json.loads(engine.run("key", "show", os.path.join(engine.data, "signing.key")).stdout)["key"]
client = engine.client()
maker = Maker(3)
conversation = maker.uuid()
ack = client.append([maker.conversation(maker.uuid(), conversation)])
SHARD = ack["shard"]
log_id = engine.one("select log_id from verbatim.log_identity")
FILE = os.path.join(dir, "%s.epoch-1.shard-%d.checkpoint" % (log_id, SHARD))


def signed():
    return int(engine.one("select coalesce(max(size), 0) from verbatim.log_checkpoint where shard = %d" % SHARD))


def wait_signed(size):
    ok(wait_until(lambda: signed() >= size and os.path.exists(FILE) and open(FILE).read().split("\n")[1] == str(signed()), 20),
       "a checkpoint of %d events comes" % size)


# ---- at many sizes: each checkpoint opens, and each extends the one before ----
kept = []
size = 1
for more in (0, 1, 1, 4, 57, 192, 1, 300, 700):
    if more:
        for at in range(0, more, 100):
            client.append([maker.received(conversation, "number %d" % (size + at + i)) for i in range(min(100, more - at))])
        size += more
    wait_signed(size)
    kept.append((size, path("at-%d" % size)))
    shutil.copy(FILE, kept[-1][1])
    status, said = go(vkey, "checkpoint", kept[-1][1])
    same((status, said.split()[:2]), (0, ["verbatim/%s/epoch-1/shard-%d" % (log_id, SHARD), str(size)]), "Go opens the checkpoint of %d" % size)
for old, file in kept:
    proof = path("from-%d" % old)
    same(engine.run("prove", "--data", engine.data, "--extends", file, "--out", proof).returncode, 0, "it is proved that the log extends %d" % old)
    same(go(vkey, "consistency", file, proof), (0, "consistent %d to %d" % (old, size)), "Go finds it consistent")
    same(subprocess.run([VERIFIER, "--key", vkey, "consistency", file, proof], stdout=subprocess.DEVNULL).returncode, 0, "so does our verifier")
(first, first_file), (second, second_file) = kept[3], kept[6]
same(engine.run("prove", "--data", engine.data, "--extends", first_file, "--checkpoint", second_file, "--out", path("between")).returncode, 0,
     "from one that was kept to another")
same(go(vkey, "consistency", first_file, path("between")), (0, "consistent %d to %d" % (first, second)), "holds")

# ---- events, under the newest checkpoint and under old ones ----
for position in (1, 2, 3, 64, 255, 256, 257, 512, 513, size):
    event = engine.one("select event_id from verbatim.event_log where shard = %d and position = %d" % (SHARD, position))
    under = next(file for at, file in kept if at >= position)
    for more in ([], ["--checkpoint", under]):
        same(engine.run("prove", "--data", engine.data, "--event", event, "--out", path("p"), "--event-out", path("e"), "--force", *more).returncode, 0,
             "position %d is proved" % position)
        status, said = go(vkey, "event", path("e"), path("p"))
        same((status, said.split()[:2]), (0, ["event", str(position - 1)]), "Go finds it in the log")
with open(path("e"), "ab") as f:
    f.write(b" ")
ok(go(vkey, "event", path("e"), path("p"))[0] != 0, "not with a byte more")

# ---- the other way: what Go signs with our key, we open ----
with open(path("text"), "w") as f:
    f.write(open(FILE).read().split("\n\n")[0] + "\n")
status, said = go(skey, "sign", path("text"))
same(said + "\n", open(FILE).read(), "Go signs as we do, byte for byte")
with open(path("by-go"), "w") as f:
    f.write(said + "\n")
same(subprocess.run([VERIFIER, "--key", vkey, "checkpoint", path("by-go")], stdout=subprocess.DEVNULL).returncode, 0, "and we open what it signed")
done()
