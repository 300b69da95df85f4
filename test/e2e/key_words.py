#!/usr/bin/python3
"""key_words - what `verbatim key` says: limits that hold, ids that stay whole, names that mean one key, and no word that a terminal obeys."""
import os
import pty
import struct
import sys
import termios

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import *

engine = Engine()
A, B = Maker(seed=161), Maker(seed=162)


def key(*args, status=0, name=None):
    result = engine.run("key", *args, *engine.where())
    if not same(result.returncode, status, name or "key %s" % " ".join(args)):
        note(result.stderr)
    return result


def lines(*args):
    return [json.loads(line) for line in key(*args).stdout.splitlines()]


def on_terminal(columns, *args):
    """What a person sees of it, on a terminal of so many columns; standard error, too."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    process = subprocess.Popen([engine.binary, "key", *args, *engine.where()], stdin=subprocess.DEVNULL, stdout=slave, stderr=slave,
                               env=dict(engine.env, NO_COLOR="1"))
    os.close(slave)
    seen = b""
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:  # the other side is closed
            break
        if not part:
            break
        seen += part
    os.close(master)
    process.wait(60)
    return seen.decode().replace("\r\n", "\n")


def create(name, *args):
    return json.loads(key("create", "--name", name, "--json", *args).stdout)["key_id"]


# ---- limits of tenants can be seen ----

same(lines("limit"), [], "no tenant has limits yet")
none = {"events_per_second": None, "bytes_per_second": None, "connections": None, "inflight_bytes": None}
same(lines("limit", "--tenant", A.tenant), [{"tenant_id": A.tenant, "limits": none}], "asked for one of them, that is told of it")
set_a = {"tenant_id": A.tenant, "limits": dict(none, events_per_second=10, bytes_per_second=1 << 20)}
same(lines("limit", "--tenant", A.tenant, "events=10/s,bytes=1M/s"), [set_a], "setting limits says what holds now")
set_b = {"tenant_id": B.tenant, "limits": dict(none, connections=5)}
same(lines("limit", "--tenant", B.tenant, "connections=5"), [set_b], "likewise of another tenant")
same(lines("limit", "--json"), sorted([set_a, set_b], key=lambda t: t["tenant_id"]), "without words all of them are listed")
same(lines("limit", "--tenant", B.tenant), [set_b], "or the one that is named")
shown = on_terminal(80, "limit", "--tenant", A.tenant)
ok("events=10/s,bytes=1048576/s" in shown and A.tenant in shown, "a person gets the same in words: %r" % shown)
ok("none" in on_terminal(80, "limit", "--tenant", B.tenant, "none"), "and `none` when they are taken away")
same(lines("limit"), [set_a], "then the tenant is not listed any more")
key("limit", "events=10/s", status=64)
key("limit", "--tenant", A.tenant, "events=10/s", "more", status=64)
same(lines("limit"), [set_a], "what is refused changes nothing")

# ---- the list on any terminal ----

shop = create("shop", "--tenant", A.tenant, "--scope", "append,read", "--limit", "events=5/s", "--expires", "90d")
every = {k["key_id"]: k for k in lines("list")}
wide = on_terminal(250, "list")
for column in ("id", "name", "state", "scopes", "tenant", "expires", "last used", "created", "limits"):
    ok(column in wide.split("\n")[0], "on a wide terminal the list has '%s'" % column)
created = every[shop]["created_at"]
ok(created[:10] + " " + created[11:16] in wide, "it says when each key was made")
for columns in (40, 60, 80, 100, 132):
    shown = on_terminal(columns, "list")
    words = shown.split()
    same([i for i in every if i not in words], [], "%d columns: every id is whole" % columns)
    ok(A.tenant in words or "tenant" not in shown.split("\n")[0], "so is the tenant's, or its column is left out")
    rows = shown.rstrip("\n").split("\n")
    ok("not shown, for the terminal is narrow: " in rows[-1] and "--json" in rows[-1], "and what is left out is told: %r" % rows[-1])
ok("not shown" not in wide, "nothing is said where nothing is")

# ---- one name, several keys ----

second = json.loads(key("rotate", "shop", "--expires", "90d", "--json").stdout)["key_id"]
result = key("rotate", "shop", "--expires", "90d", status=64, name="a name of two keys is not rotated")
ok(shop in result.stderr and second in result.stderr, "both ids are named: " + result.stderr.strip())
same(sorted(k["key_id"] for k in lines("list") if k["name"] == "shop"), sorted([shop, second]), "no key was made")
result = key("revoke", "shop", status=64, name="nor revoked")
ok(shop in result.stderr and second in result.stderr and "--all" in result.stderr, "which names both, too")
third = json.loads(key("rotate", second, "--expires", "90d", "--grace", "1h", "--json").stdout)["key_id"]
ends = {k["key_id"]: k["expires_at"] for k in lines("list") if k["name"] == "shop"}
ok(ends[second] < ends[shop] and ends[second] < ends[third], "by its id one is, and --grace ends that one alone")
same({k["key_id"]: (k["scopes"], k["limits"]["events_per_second"]) for k in lines("list") if k["name"] == "shop"},
     {i: (["append", "read"], 5) for i in (shop, second, third)}, "the next one has the scopes and limits of the one before")
key("revoke", shop)
key("revoke", "shop", "--all")
same([k for k in lines("list") if k["name"] == "shop"], [], "--all ends those that are left")

# ---- names ----

for name in ("a\x1b[2Jb", "a\nb", "\x07", "a\x7f", "a\xc2\x9b2J", A.tenant, "local", "", "x" * 64):
    result = engine.run("key", "create", "--name", name, "--all-tenants", "--scope", "read", *engine.where())
    same(result.returncode, 64, "no key is called %r" % name)
    ok(all(c == "\n" or (" " <= c and not "\x7f" <= c < "\xa0") for c in result.stderr), "and the answer is safe to print")
for words in (["revoke", "\x1b[2Jx"], ["rotate", "\x1b]0;x\x07"], ["limit", "--tenant", "\x1b[2J"], ["list", "\x1b[2J"],
              ["create", "--name", "x", "--scope", "\x1b[2J"], ["\x1b[2J"]):
    result = engine.run("key", *words, *(engine.where() if len(words) > 1 else []))
    ok(result.returncode in (64, 65) and "\x1b" not in result.stdout + result.stderr and "\x07" not in result.stderr,
       "key %r: an answer that is safe to print" % words)
ok("violates check" in str(engine.sql("select verbatim.make_api_key(gen_random_uuid(), E'a\\x1b[2J', '{read}', null, decode(repeat('00', 32), 'hex'),"
                                      " null, null, '{}', 'api_key.created')", check=False)), "past the command the database refuses such a name")

# ---- the engine's own key ----

local = next(k["key_id"] for k in lines("list") if k["name"] == "local")
for words in (["revoke", "local"], ["revoke", local], ["rotate", "local"]):
    result = key(*words, status=64, name="key %s is not done by the way" % " ".join(words))
    ok("--force" in result.stderr and "started again" in result.stderr, "it is told what that would mean: " + result.stderr.strip())
same(engine.run("status", *engine.where()).returncode, 0, "commands beside the engine get in")
key("revoke", "local", "--force")
ok(wait_until(lambda: engine.run("status", *engine.where()).returncode == 77, 60), "with --force they do not any more")
same(engine.stop(), 0, "the engine ends in good order")
engine.start()
ok(wait_until(lambda: engine.run("status", *engine.where()).returncode == 0, 60), "started again it has made another")
same([k["key_id"] for k in lines("list") if k["name"] == "local" and k["key_id"] == local], [], "and the revoked one does not hold")
same(engine.stop(), 0, "the engine ends in good order")
done()
