#!/usr/bin/python3
"""keys - who gets in, what a key allows, that it ends everywhere at once, what is journaled of it, and that no secret is seen."""
import glob
import hashlib
import os
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import *

engine = Engine(args=["--hello", "10s", "--core-dumps"])
second = Engine(db=engine.conninfo(), args=["--core-dumps"])
A, B = Maker(seed=151), Maker(seed=152)
SYSTEM = "00000000-0000-8000-8000-000000000000"
SHARD0 = "select payload from verbatim.event_log where shard = 0 and event_type = 'audit.activity_recorded'"
secrets = []


def key(*args, to=engine, status=0):
    result = to.run("key", *args, *to.where())
    if result.returncode != status:
        note(result.stderr)
    same(result.returncode, status, "key %s" % " ".join(a for a in args if not a.startswith("vk1_")))
    return result


def create(name, *args, **kw):
    text = key("create", "--name", name, *args, **kw).stdout.strip()
    if text.startswith("vk1_"):
        secrets.append(text)
    return text


def key_id(text):
    return str(uuid.UUID(text.split("_")[1]))


def journaled(action, resource=None, seconds=30):
    """The payloads of shard 0 of this action, once there is one."""
    where = SHARD0 + " and payload->>'action' = '%s'" % action + (" and payload->>'resource_id' = '%s'" % resource if resource else "")
    wait_until(lambda: engine.sql(where), seconds, "no event %s" % action)
    return [json.loads(r[0]) for r in engine.sql(where + " order by position")]


def hello(token, at=engine):
    return Client(at.address, token=token)


# ---- getting in ----

refused(lambda: hello(""), "unauthorized", "without a key nobody gets in", field="token")
refused(lambda: hello("open sesame"), "unauthorized", "nor with what is none", field="token")
refused(lambda: hello(engine.key[:-1]), "unauthorized", "a key that was cut is told so", field="token")
stranger = "vk1_%s_%s" % ("0" * 32, "1" * 64)
stranger += hashlib.sha256(stranger.encode()).hexdigest()[:8]
error = refused(lambda: hello(stranger), "unauthorized", "a key that nobody made", field="token")
ok(stranger[5:] not in str(error), "no answer repeats a key")
local = Client(engine.unix, token="")
ok(local.call("status")["pid"] == engine.process.pid, "on a Unix socket the engine's own user needs none, and may see all")
ok(engine.client().call("status")["ready"], "the local key of its folder is an admin's")
same(os.stat(engine.key_file()).st_mode & 0o777, 0o600, "and only its owner can read it")
guesser = Client(engine.address, hello=False)
for _ in range(3):
    refused(lambda: guesser.call("hello", 1, "guess", "x"), "unauthorized", "a guess")
closed = False
try:
    guesser.call("ping")
except (RpcError, OSError):
    closed = True
ok(closed, "after three the connection is closed")
login = journaled("login.refused", "127.0.0.1")[0]
same((login["resource_type"], login["scope"]["reason"]), ("address", "empty"), "refused hellos are events of the system tenant")

# ---- creating: what is said is checked ----

for words, status in ((["--name", "x", "--scope", "append"], 64), (["--name", "x", "--scope", "all", "--all-tenants"], 64),
                      (["--scope", "append", "--tenant", A.tenant], 64), (["--name", "-x", "--scope", "append", "--tenant", A.tenant], 64),
                      (["--name", "x", "--scope", "admin", "--tenant", A.tenant], 64), (["--name", "x", "--scope", "read", "--tenant", "7"], 64),
                      (["--name", "x", "--scope", "read", "--tenant", A.tenant, "--expires", "2001-01-01"], 64),
                      (["--name", "x", "--scope", "read", "--tenant", A.tenant, "--limit", "events=0/s"], 64),
                      (["--name", "x", "--scope", "read", "--tenant", A.tenant, "--certificate", "/nowhere"], 66)):
    key("create", *words, status=status)
both = create("shop", "--tenant", A.tenant, "--scope", "append,read")
same(len(both), 109, "a key is printed, and nothing else, on standard output")
same([r[0] for r in engine.sql("select count(*) from verbatim.api_key where encode(secret_hash, 'hex') = '%s'"
                               % hashlib.sha256(bytes.fromhex(both.split("_")[2][:64])).hexdigest())], ["1"], "the database has its hash")
listed = [json.loads(line) for line in key("list").stdout.splitlines()]
same([(k["name"], k["scopes"], k["tenant_id"], k["state"]) for k in listed if k["name"] == "shop"], [("shop", ["append", "read"], A.tenant, "holds")],
     "it is listed")
for user, allowed in (("an_admin", True), ("an_auditor", True), ("an_engine", False), ("a_reader", False), ("nobody_at_all", False)):
    role = {"an_admin": "admin", "an_auditor": "auditor", "an_engine": "engine", "a_reader": "reader"}.get(user)
    engine.sql("create role %s login %s" % (user, "in role verbatim_" + role if role else ""))
    seen = engine.sql("select name from verbatim.api_key where tenant_id = '%s'" % A.tenant, user=user, check=False)
    ok((seen == [["shop"]]) == (allowed or role == "engine"), "%s: the list" % user)
    seen = engine.sql("select secret_hash from verbatim.api_key", user=user, check=False)
    ok(("permission denied" in seen) == (role != "engine"), "%s: the hashes" % user)
    made = engine.sql("select verbatim.end_api_keys('{}', '0')", user=user, check=False)
    ok(("permission denied" in made) == (role != "admin"), "%s: changes" % user)

# ---- methods by scopes, cell by cell: the program's own table ----

table = {}
for line in engine.run("help", "scopes").stdout.splitlines():
    cells = [c.strip() for c in line.split("|")[1:-1]]
    if line.startswith("| `"):
        table[cells[0].strip("`")] = dict(zip(("append", "read", "audit", "admin"), (c == "yes" for c in cells[1:5])))
same(sorted(table), ["append", "read", "status", "wait"], "the table names the methods")
audit_event = lambda: A.event("audit.activity_recorded", A.uuid(), {"action": "looked", "resource_type": "log"}, tenant_id=SYSTEM)
ack = engine.client().append([A.customer()])
token = [ack["log_id"], ack["epoch"], ack["shard"], ack["last"], ack["leaf"]]
for scope in ("append", "read", "audit", "admin"):
    for bound in (True, False):
        if bound and scope == "admin":
            continue
        text = create("%s-%s" % (scope, "one" if bound else "all"), "--scope", scope,
                      *(["--tenant", A.tenant] if bound else ["--all-tenants"] if scope != "admin" else []))
        c = hello(text)
        calls = {"append": lambda: c.append([audit_event() if scope == "audit" and not bound else A.customer()]),
                 "read": lambda: c.call("read", 1, {"tenant_id": A.tenant}, 10), "wait": lambda: c.call("wait", [], token, 30000),
                 "status": lambda: c.call("status")}
        for method, call in calls.items():
            name = "scope %s of %s: %s" % (scope, "a tenant" if bound else "all", method)
            if table[method][scope] and not (method == "append" and scope == "audit" and bound):
                result = call()
                if ok(result is not None, name + " is allowed") and method == "status":
                    same("pid" in result, scope == "admin" or (scope == "audit" and not bound), name + " tells what it should")
            else:
                refused(call, "forbidden", name + " is refused")
        same(c.call("ping", 1), 1, "a refusal ends no connection")
        system = scope == "admin" or (scope == "audit" and not bound)
        for name, call in (("read of the system tenant", lambda: c.call("read", 1, {"shard": 0}, 1)), ("event of the system tenant", lambda: c.append([audit_event()]))):
            if system:
                ok(call() is not None, "scope %s: %s" % (scope, name))
            else:
                refused(call, "forbidden", "scope %s of %s: %s" % (scope, "a tenant" if bound else "all", name))
        c.close()
ok(wait_until(lambda: any(e["scope"]["reason"] == "append" for e in journaled("scope.refused")), 30), "what a scope does not allow is journaled")
ok(len(journaled("log.read")) >= 1 and all("audit-" in e["actor"] for e in journaled("log.read")), "and so is what an audit scope reads")

# ---- bound to a tenant ----

c = hello(both)
event = A.customer()
del event["tenant_id"]
same(c.append([event])["shard"], ack["shard"], "an event without a tenant is of the key's")
same(engine.one("select tenant_id from verbatim.event_log where event_id = '%s'" % event["event_id"]), A.tenant, "in the log, too")
refused(lambda: c.append([B.customer()]), "forbidden", "another tenant's is refused", field="tenant_id")
others = engine.client().append([B.customer() for _ in range(3)])
refused(lambda: c.call("read", 1, {"tenant_id": B.tenant}, 10), "forbidden", "and so is reading it", field="filter.tenant_id")
refused(lambda: c.call("read", 1, {"shard": 0}, 10), "forbidden", "or the system tenant", field="filter.shard")
for filters in ({}, {"shard": ack["shard"]}, {"tenant_id": A.tenant}, None):
    tenants = {str(uuid.UUID(bytes=e["tenant_id"])) for e in c.call("read", 1, filters, 1000)["events"]}
    same(tenants, {A.tenant}, "a filter of %s sees the own events alone" % (filters,))
wrong = [s for s in range(1, 5) if s != ack["shard"]][0]
refused(lambda: c.call("read", 1, {"shard": wrong}, 10), "forbidden", "a shard that is not its own", field="filter.shard")
refused(lambda: c.call("wait", [], [wrong, 0], 1000), "forbidden", "nor does it wait for another shard", field="token")
ok(wait_until(lambda: any(e.get("tenant_id") == B.tenant for e in journaled("tenant.refused", key_id(both))), 30), "refused tenants are journaled")

# ---- rotated, revoked, expired: on every engine, at once ----

newer = key("rotate", "shop").stdout.strip()
secrets.append(newer)
here, there, older = hello(newer), hello(newer, second), hello(both, second)
same([x.call("ping", 1) for x in (here, there, older, c)], [1] * 4, "both keys of a name hold, on both engines")
key("revoke", "shop", status=64)


def ends(client, seconds=30):
    """Seconds until the connection is ended; the answer that says so."""
    began, said = time.monotonic(), None
    client.socket.settimeout(seconds)
    try:
        while True:
            number, error, _ = client.recv_any()
            if number == 0:
                said = error["code"]
    except (ConnectionError, OSError):
        return time.monotonic() - began, said


stop = threading.Event()
load_done = []


def load():
    mine = hello(both)
    try:
        while not stop.is_set():
            mine.append([A.customer()])
            load_done.append(time.monotonic())
    except (ConnectionError, OSError, RpcError):
        pass


worker = threading.Thread(target=load)
worker.start()
wait_until(lambda: len(load_done) > 5, 60)
key("revoke", key_id(both))
revoked = time.monotonic()
took = [ends(x) for x in (older, c)]
ok(all(t < 1.5 for t, _ in took), "revoking ends its connections within a second, on both engines: %s" % [round(t, 2) for t, _ in took])
same([said for _, said in took], ["unauthorized"] * 2, "and tells why")
worker.join(30)
stop.set()
ok(not worker.is_alive() and load_done[-1] < revoked + 1.5, "also one that appends all the while")
same([x.call("ping", 1) for x in (here, there)], [1, 1], "the other key's go on")
guessed = both[:40] + ("0" if both[40] != "0" else "1") + both[41:101]
guessed += hashlib.sha256(guessed.encode()).hexdigest()[:8]
refused(lambda: hello(guessed), "unauthorized", "who knows a key's id but not its secret is refused")
before = rfc3339(time.time())
refused(lambda: hello(both), "unauthorized", "nobody gets in with it any more")
refused(lambda: hello(both, second), "unauthorized", "nor at the other engine")
login = journaled("login.refused", key_id(both))
same({(e["resource_type"], e["actor"], e["scope"]["reason"]) for e in login}, {("api_key", "127.0.0.1", "revoked key")},
     "that somebody tried is journaled with the key's id and why it was refused")
ok(min(e["scope"]["first_at"] for e in login) >= before, "but not for who only guessed its secret")
brief = create("brief", "--tenant", A.tenant, "--scope", "read")
x = hello(brief)
engine.sql("update verbatim.api_key set expires_at = now() + interval '2 seconds', changed = verbatim.next_key_change() where name = 'brief'")
ok(ends(x)[1] == "unauthorized", "a key that expires ends its connections as well")
refused(lambda: hello(brief), "unauthorized", "and lets nobody in")
same(journaled("login.refused", key_id(brief))[0]["scope"]["reason"], "expired key", "which is journaled, too")
last = key("rotate", "shop", "--grace", "3s").stdout.strip()
secrets.append(last)
same(ends(here)[1], "unauthorized", "after --grace the older one ends")
same(hello(last).call("ping", 1), 1, "and the newer holds")
same([e["resource_id"] for e in journaled("api_key.revoked", key_id(both))], [key_id(both)], "revoking is an event of the system tenant")
for action in ("api_key.created", "api_key.rotated", "api_key.expiry_set"):
    ok(journaled(action), "so is %s" % action)
wait_until(lambda: engine.one("select count(*) from verbatim.audit_outbox") == "0", 30, "the outbox is not emptied")
same(engine.one("select count(*) from (select payload->>'resource_id', payload->>'action' from verbatim.event_log where shard = 0"
                " and payload->>'action' in ('api_key.created', 'api_key.rotated') group by 1, 2 having count(*) > 1) x"), "0",
     "each once, though two engines journal")
engine.run("role", "grant", "ada", "--create", "--as", "reader", "--tenant", A.tenant, *engine.where())
ok(wait_until(lambda: sorted(e["scope"].get("role", "tenant") for e in journaled("role.granted", "ada")) == ["tenant", "verbatim_reader"], 30),
   "and what roles are given")

# ---- certificates stand for keys ----

print_of = hashlib.sha256(b"a certificate").hexdigest()
made = create("printer", "--tenant", A.tenant, "--scope", "append", "--certificate", print_of.upper())
same(engine.one("select name || ' ' || (secret_hash is null) from verbatim.api_key where key_id = '%s'" % made), "printer true",
     "a certificate's key has an id and no secret")
key("create", "--name", "other", "--tenant", A.tenant, "--scope", "append", "--certificate", print_of, status=73)

# ---- limits ----

few = hello(create("few", "--tenant", A.tenant, "--scope", "append,read", "--limit", "events=20/s,connections=2"))
few.append([A.customer() for _ in range(20)])
error = refused(lambda: few.append([A.customer()]), "overloaded", "over its events a second a key is refused")
ok(error and 0 < error.error.get("retry_after_ms", 0) <= 1000, "and told when to come again: %s" % (error and error.error.get("retry_after_ms")))
time.sleep(error.error["retry_after_ms"] / 1000)
ok(few.append([A.customer()])["last"], "then it is taken")
too_many = hello(secrets[-1])
refused(lambda: hello(secrets[-1]), "overloaded", "no more connections than it may have")
too_many.close()
file = os.path.join(engine.folder, "few.key")
with open(os.open(file, os.O_WRONLY | os.O_CREAT, 0o600), "w") as f:
    f.write(secrets[-1] + "\n")
events = "\n".join(json.dumps(A.customer()) for _ in range(60))
few.close()
time.sleep(2)
sent = engine.run("append", "-", "--batch", "10", "--to", engine.address, "--api-key-file", file, "--json", "--quiet", input=events)
same((sent.returncode, sent.stderr), (0, ""), "append waits as it is told, and all is in")
ok(json.loads(sent.stdout)["stored"] == 60, "each once")
key("limit", "--tenant", B.tenant, "events=10/s")
busy = engine.client()
end = time.monotonic() + 30
throttled = None
while time.monotonic() < end and not throttled:
    try:
        busy.append([B.customer() for _ in range(10)])
    except RpcError as error:
        throttled = error
ok(throttled and throttled.code == "overloaded" and "tenant" in str(throttled), "a tenant's limit holds for all keys together: %s" % throttled)
ok(busy.append([A.customer()])["last"], "and for that tenant alone")
key("limit", "--tenant", B.tenant, "none")


def unlimited():
    try:
        return all(busy.append([B.customer() for _ in range(10)])["last"] for _ in range(5))
    except RpcError:
        return False


ok(wait_until(unlimited, 30), "until it is taken away")

# ---- the database away ----

known, unknown = hello(last), create("later", "--tenant", A.tenant, "--scope", "read")
known.close()
asking = [int(r[0]) for r in engine.sql("select pid from pg_stat_activity where application_name like 'verbatim keys%'")]
same(len(asking), 2, "each engine has one session for keys")
for pid in asking:
    os.kill(pid, signal.SIGSTOP)
try:
    same(hello(last).call("ping", 1), 1, "a database that hangs: a key that is known goes on working")
    refused(lambda: hello(stranger), "unavailable", "one that is not is told to come again")
finally:
    for pid in asking:
        os.kill(pid, signal.SIGCONT)


def works(text, at=engine):
    try:
        return hello(text, at).call("ping", 1) == 1
    except (RpcError, OSError):
        return False


ok(wait_until(lambda: works(unknown) and works(unknown, second), 60), "when it is back, new keys get in on both engines")

# ---- a flood of guesses ----

began = time.monotonic()
guesses = 0


def guess():
    global guesses
    while time.monotonic() < began + 5:
        try:
            hello(stranger)
        except (RpcError, OSError):
            guesses += 1


threads = [threading.Thread(target=guess) for _ in range(8)]
for t in threads:
    t.start()
for t in threads:
    t.join()
same(hello(last).call("ping", 1), 1, "beside %d guesses others get in" % guesses)
ok(int(engine.one("select count(*) from verbatim.event_log where shard = 0 and payload->>'action' = 'login.refused'")) < 40,
   "and the log is not filled: %d events" % int(engine.one("select count(*) from verbatim.event_log where shard = 0 and payload->>'action' = 'login.refused'")))

# ---- no secret anywhere ----

def places():
    """(what, bytes) of everything where a secret could have got to."""
    for e in (engine, second):
        yield "the diary", open(e.log, "rb").read()
        for part in ("environ", "cmdline"):
            yield "/proc/%s" % part, open("/proc/%d/%s" % (e.process.pid, part), "rb").read()
    for name in glob.glob(os.path.join(engine.data, "*.log")) + glob.glob(os.path.join(engine.data, "*.json")):
        yield name, open(name, "rb").read()
    dump = subprocess.run(["pg_dump", "-d", engine.conninfo()], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    ok(len(dump.stdout) > 10000, "the database is dumped: %s" % dump.stderr.decode()[:200])
    yield "the database", dump.stdout
    for log in glob.glob(os.path.join(engine.cluster(), "log", "*")):
        yield log, open(log, "rb").read()


texts = list(places())
hidden = [s.split("_")[2][:64] for s in secrets + [engine.key]]
same([(what, s[:4]) for what, data in texts for s in hidden if s.encode() in data], [], "%d secrets are in none of %d places" % (len(hidden), len(texts)))


def memory(pid):
    """What a core file of the process would hold, as far as it may be read."""
    with open("/proc/%d/maps" % pid) as maps, open("/proc/%d/mem" % pid, "rb", 0) as mem:
        for line in maps:
            span, rights = line.split()[:2]
            begin, end = (int(x, 16) for x in span.split("-"))
            if rights.startswith("rw"):
                try:
                    mem.seek(begin)
                    yield mem.read(end - begin)
                except (OSError, ValueError, OverflowError):
                    pass


try:
    for e in (engine, second):
        held = list(memory(e.process.pid))
        same([s[:4] for s in hidden if any(s.encode() in part for part in held)], [], "nor in the %d MiB of the engine's memory" % (sum(map(len, held)) >> 20))
except PermissionError:
    note("the engine's memory cannot be looked at here")
plain = subprocess.Popen([engine.binary, "append", "-", "--to", engine.address], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                         env={k: v for k, v in dict(engine.env, VERBATIM_API_KEY=last).items() if k != "VERBATIM_API_KEY_FILE"})
wiped = wait_until(lambda: last.encode() not in open("/proc/%d/environ" % plain.pid, "rb").read() and b"VERBATIM" in
                   open("/proc/%d/cmdline" % plain.pid, "rb").read().upper(), 10)
ok(wiped, "VERBATIM_API_KEY is gone from the environment of a command that has read it")
out, err = plain.communicate(json.dumps(A.customer()).encode(), timeout=60)
same(plain.returncode, 0, "which works with it: %s" % err.decode())
damaged = subprocess.run([engine.binary, "status", "--to", engine.address], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                         env={k: v for k, v in dict(engine.env, VERBATIM_API_KEY=last[:-2]).items() if k != "VERBATIM_API_KEY_FILE"})
ok(damaged.returncode == 78 and last[40:60] not in damaged.stdout + damaged.stderr and "107" in damaged.stderr,
   "a key that was cut is told so without being shown: " + damaged.stderr.strip())
os.chmod(file, 0o644)
exposed = engine.run("status", "--to", engine.address, "--api-key-file", file)
ok(exposed.returncode == 77 and "chmod 600" in exposed.stderr, "a file that others can read is refused: " + exposed.stderr.strip())

# ---- listening for others, and doctor ----

for args, status in ((["--listen", "0.0.0.0:0"], 78), (["--listen", "0.0.0.0:0", "--listen", "127.0.0.1:0"], 78)):
    result = subprocess.run([BINARY, "serve", "--data", os.path.join(engine.folder, "other"), *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            text=True, timeout=60)
    ok(result.returncode == status and "--insecure" in result.stderr, "beyond this machine without TLS: %s" % result.stderr.strip()[:160])
findings = [json.loads(line) for line in engine.run("doctor", *engine.where()).stdout.splitlines()]
same({f["verdict"] for f in findings if f["check"] in ("insecure", "api_keys")}, {"well"}, "doctor finds nothing amiss with keys")
create("soon", "--tenant", A.tenant, "--scope", "read", "--expires", "3d")
same(second.stop(), 0, "the second engine ends in good order")
third = Engine(db=engine.conninfo(), args=["--insecure"])
same("pid" in Client(third.address, token="").call("status"), True, "with --insecure nobody needs a key")
findings = [json.loads(line) for line in engine.run("doctor", *engine.where()).stdout.splitlines()]
same({f["check"]: f["verdict"] for f in findings if f["check"] in ("insecure", "api_keys")}, {"insecure": "fault", "api_keys": "warning"},
     "doctor names an engine that asks for none, and a key that expires soon")
same(third.stop(), 0, "it ends in good order")

# ---- the local key comes back ----

os.unlink(engine.key_file())
same(engine.stop(), 0, "the engine ends in good order")
engine.start()
ok(wait_until(lambda: engine.run("status", *engine.where()).returncode == 0, 60) and "pid" in engine.client().call("status"), "a local key that was lost is made anew")
check_log(engine)
same(engine.stop(), 0, "the engine ends in good order")
done()
