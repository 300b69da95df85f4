#!/usr/bin/python3
"""secrets - planted wherever an engine is told one, and then looked for wherever anybody could look.

Planted: the passphrase of the TLS key, the key that signs checkpoints, the password in a connection string (in the engine's command
line, in a variable, in ones that cannot connect), the API key that the engine keeps for its user.  Looked for in: diaries, errors, command lines and
environments of engine and PostgreSQL (--core-dumps lets their own user look), engine.json, status, metrics, pg_stat_activity, and all that stands in the database.
"""
import glob
import os
import re
import sys
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import *
from lib.certificates import *

if not shutil.which("openssl"):
    skip_all("openssl is not installed")

folder = temporary_folder()
PASSPHRASE, PASSWORD = "planted-passphrase-7f3a", "planted-password-91bc"
locked = Authority(folder).sign(passphrase=PASSPHRASE)
out = subprocess.run([BINARY, "key", "generate", "--out", os.path.join(folder, "signing.key"), "--name", "planted"], stdout=subprocess.PIPE,
                     stderr=subprocess.STDOUT, text=True)
with open(os.path.join(folder, "signing.key")) as f:
    SIGNING = f.read().strip()
with open(locked.key) as f:
    PRIVATE = f.read().splitlines()[2]
engine = Engine(args=["--tls-cert", locked.cert, "--tls-key", locked.key, "--http", "127.0.0.1:0", "--log", "debug", "--core-dumps", "--checkpoint-every", "1s"],
                env={"VERBATIM_TLS_PASSPHRASE": PASSPHRASE, "VERBATIM_SIGNING_KEY": SIGNING})
secrets = {"the TLS key's passphrase": PASSPHRASE, "the signing key": SIGNING.split("+")[-1], "the TLS key": PRIVATE, "the database's password": PASSWORD}
for path in glob.glob(os.path.join(engine.data, "*.key")):
    with open(path) as f:
        secrets["what stands in %s" % os.path.basename(path)] = f.read().strip().split("+")[-1]
ok(all(len(s) > 10 for s in secrets.values()), "planted: " + ", ".join(secrets))


def clean(where, text):
    if isinstance(text, str):
        text = text.encode()
    same([name for name, secret in secrets.items() if secret.encode() in text], [], "nothing in " + where)


def process(pid, what):
    for part in ("cmdline", "environ"):
        with open("/proc/%d/%s" % (pid, part), "rb") as f:
            clean("%s of %s" % (part, what), f.read())


conninfo = engine.conninfo() + " password=" + PASSWORD
second = Engine(db=conninfo, args=["--log", "debug", "--core-dumps"])
uri = "postgresql://postgres:%s@/verbatim?host=%s" % (PASSWORD, engine.socket_folder())
third = Engine(db=uri, args=["--log", "debug", "--core-dumps"])
maker = Maker(seed=81)
client = Client(engine.unix)
client.wait(client.append([maker.customer()]))
wait_until(lambda: engine.one("select count(*) from verbatim.log_checkpoint") not in (None, "0"), 60)

with open("/proc/%d/cmdline" % second.process.pid, "rb") as f:
    ok(b"password=xxx" in f.read(), "the password in a command line is overwritten")
for one, what in ((engine, "the engine"), (second, "an engine on a database with a password"), (third, "one whose password stands in a URI")):
    process(one.process.pid, what)
process(engine.postmaster(), "PostgreSQL")
for pid in children(engine.postmaster())[:5]:
    try:
        process(pid, "a PostgreSQL process")
    except (FileNotFoundError, ProcessLookupError):
        pass

# ---- errors ----

base = dict(os.environ)
for name, args, env in (("no such host", ["--db", "host=/nonexistent password=" + PASSWORD], {}),
                        ("no such host, by a URI", ["--db", "postgresql://me:%s@127.0.0.1:1/x" % PASSWORD], {}),
                        ("no such host, by a variable", [], {"VERBATIM_DB": "host=/nonexistent password='%s'" % PASSWORD}),
                        ("nonsense beside it", ["--db", "password=%s nonsense" % PASSWORD], {})):
    for command in (["serve", "--listen", "127.0.0.1:0"], ["status"], ["doctor"], ["verify"]):
        out = subprocess.run([BINARY, *command, *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=dict(base, **env), timeout=120)
        ok(out.returncode != 0 and PASSWORD.encode() not in out.stdout, "%s: %s does not tell the password" % (command[0], name))
out = subprocess.run([BINARY, "serve", "--data", os.path.join(folder, "never"), "--listen", "127.0.0.1:0", "--tls-cert", locked.cert, "--tls-key", locked.key,
                      "--tls-passphrase", "wrong-" + PASSPHRASE], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
ok(out.returncode != 0, "a wrong passphrase is refused")
clean("what is said of a wrong passphrase", out.stdout)

# ---- what engines tell ----

for one in (engine, second, third):
    clean("status --json", one.run("status", "--json", "--to", "unix:" + one.unix).stdout)
with open(os.path.join(engine.data, "engine.json")) as f:
    about = f.read()
clean("engine.json", about)
http = re.search(r"http (127[^\"]+)", about).group(1)
clean("metrics", urllib.request.urlopen("http://%s/metrics" % http, timeout=30).read())
clean("pg_stat_activity", repr(engine.sql("select * from pg_stat_activity")))
tables = [t[0] for t in engine.sql("select format('%I.%I', schemaname, tablename) from pg_tables where schemaname not in ('pg_catalog', 'information_schema')")]
clean("the database's %d tables" % len(tables), repr([engine.sql("select t::text from %s t limit 5000" % t) for t in tables]))
for one in (third, second, engine):
    same(one.stop(), 0, "an engine ends in good order")
for one, what in ((engine, "the engine's"), (second, "the second's"), (third, "the third's")):
    with open(one.log) as f:
        clean(what + " diary", f.read())
done()
