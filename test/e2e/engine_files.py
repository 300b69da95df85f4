#!/usr/bin/python3
"""engine_files - several engines of one user on one database: each has its file, commands find one that lives, what the dead left is swept."""
import os
import shutil
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import *
from lib.certificates import Authority

home = Engine()
runtime = os.path.join(temporary_folder(), "run")
os.mkdir(runtime, 0o700)
folder = os.path.join(runtime, "verbatim")
A = Maker(seed=171)
log_id = home.one("select log_id from verbatim.log_identity")


def beside(*args, wait=True):
    """One more engine on the database, of a user whose private folder is `runtime`."""
    engine = Engine(db=home.conninfo(), env={"XDG_RUNTIME_DIR": runtime}, args=args, start=False)
    return engine.start(wait=wait)


def files():
    return sorted(n for n in os.listdir(folder) if n.endswith(".json"))


def file_of(engine):
    return "engine-%s.%d.json" % (log_id, engine.process.pid)


def asked(status=0):
    """Which engine answers `verbatim status`, by its pid."""
    result = subprocess.run([BINARY, "status", "--json", "--db", home.conninfo()], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            env=dict(os.environ, XDG_RUNTIME_DIR=runtime))
    if not same(result.returncode, status, "status --db ends with %d" % status):
        note(result.stderr)
    return json.loads(result.stdout).get("pid")


def said(*args):
    return subprocess.run([BINARY, *args, "--db", home.conninfo()], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          env=dict(os.environ, XDG_RUNTIME_DIR=runtime))


# ---- two at once: each has its own, one key lets commands in at both ----

one, two = beside(wait=False), beside(wait=False)
ok(one.wait_ready(60) and two.wait_ready(60), "two engines start at the same moment")
same(files(), sorted([file_of(one), file_of(two)]), "each has a file of its own")
same([n for n in os.listdir(folder) if n.endswith(".key")], ["engine-%s.key" % log_id], "they share the key of their user")
same(home.one("select count(*) from verbatim.api_key where name = 'local' and revoked_at is null"), "2",
     "which was made once; the other one is that of the first engine's own folder")
for engine in (one, two):
    same(engine.client().call("status")["pid"], engine.process.pid, "it lets its user in")

three = beside()
same(asked(), three.process.pid, "a command takes the engine that was started last")
told = said("status").stdout
ok(all("pid %d at %s" % (e.process.pid, e.address) in told for e in (one, two)), "status names the others: " + told.strip().split("\n")[-1])
told = said("migrate", "down")
same(told.returncode, 75, "migrate down is refused while they work")
ok(all(str(e.process.pid) in told.stderr for e in (one, two, three)), "and names them all: " + told.stderr.strip())
sent = subprocess.run([BINARY, "append", "-", "--db", home.conninfo(), "--quiet"], input=json.dumps(A.customer()), text=True,
                      stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=dict(os.environ, XDG_RUNTIME_DIR=runtime))
same(sent.returncode, 0, "append gets in: " + sent.stderr)

# ---- what is dead is not asked, and is swept ----

three.kill()
ok(file_of(three) in files(), "an engine that is killed leaves its file")
ok(asked() in (one.process.pid, two.process.pid), "a command asks one that lives")
same(files(), sorted([file_of(one), file_of(two)]), "and takes the file of the dead away")
with open(os.path.join(folder, file_of(one))) as f:
    text = f.read()
stranger = "engine-%s.%d.json" % (log_id, os.getpid())
with open(os.path.join(folder, stranger), "w") as f:  # the pid of the dead is somebody else's by now
    f.write(text.replace('"pid": %d' % one.process.pid, '"pid": %d' % os.getpid()).replace(json.loads(text)["started_at"], "2999-01-01T00:00:00.000000Z"))
for name in ("engine-0199c0de-0000-7000-8000-000000000001.77.json", "notes.json"):
    open(os.path.join(folder, name), "w").close()
ok(asked() in (one.process.pid, two.process.pid), "a pid that lives is no proof: the lock on the file is")
same(files(), sorted([file_of(one), file_of(two), "notes.json"]), "files of other logs that nobody holds are swept, too; what is none of ours stays")

# ---- an end in good order, at either one ----

same(two.stop(), 0, "one ends in good order")
same(files(), sorted([file_of(one), "notes.json"]), "it takes its file with it and leaves the other's")
same(asked(), one.process.pid, "which is found")
same(one.stop(), 0, "the other ends, too")
asked(status=69)
same(files(), ["notes.json"], "then none is found, and nothing is left")

# ---- a file that is written again is still held ----

ca = Authority(temporary_folder())
own = ca.sign()
secure = beside("--tls-cert", own.cert, "--tls-key", own.key)
first = open(os.path.join(folder, file_of(secure))).read()
other = ca.sign()
shutil.copy(other.key, own.key)
shutil.copy(other.cert, own.cert)
secure.signal(signal.SIGHUP)
ok(wait_until(lambda: open(os.path.join(folder, file_of(secure))).read() != first, 60), "a new certificate is written down")
same(asked(), secure.process.pid, "the engine is found by its new certificate")
same(files(), sorted([file_of(secure), "notes.json"]), "and its file is not taken for a dead one's")
secure.kill()
four = beside()
same(files(), sorted([file_of(four), "notes.json"]), "an engine that starts sweeps as well")
same(four.stop(), 0, "it ends in good order")
same(home.stop(), 0, "and so does the first engine")
done()
