#!/usr/bin/python3
"""client_library - what `make install` gives to other people's programs, and what becomes of a sender when its engine dies.

A C program is built with nothing but the installed header, library and pkg-config file, and sends over TLS.  Then two engines
on one database, both addresses in its list: whichever serves it is killed, three times over, under load; the same with
`verbatim append`.  At the end the log holds each event once, and every tenant's in the order in which it was given.
"""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import *
from lib.certificates import *

for tool in ("openssl", "pkg-config"):
    if not shutil.which(tool):
        skip_all(tool + " is not installed")

folder = temporary_folder()
prefix = os.path.join(folder, "prefix")
compiler = os.environ.get("CC", "cc").split()[-1]
sanitized = ["-fsanitize=address,undefined"] if "asan" in BUILD else ["-fsanitize=thread"] if "tsan" in BUILD else []
made = subprocess.run(["make", "-s", "-C", ROOT, "install", "PREFIX=" + prefix] + (["MODE=" + os.path.basename(BUILD)] if sanitized else []),
                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
ok(made.returncode == 0, "make install into a folder " + made.stdout.strip()[-300:])
env = dict(os.environ, PKG_CONFIG_PATH=os.path.join(prefix, "lib", "pkgconfig"))


def pkg(*args):
    return subprocess.run(["pkg-config", *args, "verbatim-client"], stdout=subprocess.PIPE, env=env, text=True, check=True).stdout.split()


program = os.path.join(folder, "program")
built = subprocess.run([compiler, "-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-pedantic", *sanitized, "-o", program,
                        os.path.join(ROOT, "test", "e2e", "library", "program.c"), *pkg("--cflags", "--libs")],
                       cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
if not ok(built.returncode == 0, "a program is built with the installed header and pkg-config"):
    note(built.stdout)
    done()
names = subprocess.run(["nm", "-g", "--defined-only", os.path.join(prefix, "lib", "libverbatim-client.a")], stdout=subprocess.PIPE, text=True).stdout
strange = [line for line in names.splitlines() if len(line.split()) == 3 and not line.split()[2].startswith("verbatim_")]
same(strange[:5], [], "the library defines no name but verbatim_*")
linked = subprocess.run(["ldd", program], stdout=subprocess.PIPE, text=True).stdout
ok("libpq" not in linked and "libuv" not in linked and "libssl" in linked, "the program links neither libpq nor libuv")
if shutil.which("g++"):
    same(subprocess.run(["g++", "-x", "c++", "-Wall", "-Werror", "-fsyntax-only", os.path.join(prefix, "include", "verbatim.h")]).returncode, 0,
         "the header is C++, too")

ca = Authority(folder)
certificate = ca.sign()
TLS = ["--tls-cert", certificate.cert, "--tls-key", certificate.key]
engines = [Engine(args=TLS)]
engines.append(Engine(db=engines[0].conninfo(), args=TLS))
ports = [e.address.split(":")[1] for e in engines]
for e in engines:  # they come back at the same place
    e.fixed = e.address


def start(e):
    e.process = subprocess.Popen([e.binary, "serve", *e.where(), "--listen", e.fixed, *e.args], stdin=subprocess.DEVNULL,
                                 stdout=subprocess.PIPE, stderr=open(e.log, "ab"))
    os.set_blocking(e.process.stdout.fileno(), False)
    e.address = None
    ok(e.wait_ready(), "the engine is back")


def history(seed, count):
    """Tenants, each with a conversation and numbered messages, one after the other."""
    makers = [Maker(seed=seed * 100 + i) for i in range(8)]
    lines, talks = [], []
    for m in makers:
        customer = m.customer()
        talk = m.conversation(customer["entity_id"])
        talks.append(talk["entity_id"])
        lines += [customer, talk]
    for i in range(count):
        lines.append(makers[i % 8].received(talks[i % 8], "number %d" % i))
    return makers, [(json.dumps(e) + "\n").encode() for e in lines]


def judge(makers, sent, what):
    tenants = ", ".join("'%s'" % m.tenant for m in makers)
    where = "from verbatim.event_log where tenant_id in (%s)" % tenants
    same(engines[0].sql("select count(*), count(distinct (tenant_id, event_id)) " + where), [[str(sent), str(sent)]], what + ": each event stands in the log, once")
    same(engines[0].one("select count(*) from (select substr(payload->>'content', 8)::int n, lag(substr(payload->>'content', 8)::int) over"
                        " (partition by tenant_id order by position) before %s and event_type = 'message.received') x where before > n" % where),
         "0", what + ": every tenant's in the order in which it was given")


to = ",".join("tls://localhost:" + p for p in ports)
makers, lines = history(1, 200)
lines.append(b'{"event_id":"nonsense"}\n')
one = subprocess.run([program, "tls://localhost:" + ports[0], ca.cert, engines[0].key], input=b"".join(lines), stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)
told = one.stdout.decode().splitlines()
if not same(one.returncode, 0, "the program sends over TLS"):
    note(one.stderr.decode())
    done()
same(json.loads(told[0]), {"added": 217, "stored": 216, "duplicates": 0, "refused": 1, "reconnects": 0}, "and counts")
same(told[1], "hello", "a call of its own is answered")
ok("refused 217" in one.stderr.decode(), "what is no event is told by its number: " + one.stderr.decode().strip())
judge(makers, 216, "the program")
wrong = subprocess.run([program, "tls://localhost:" + ports[0], "/nonexistent"], input=b"", stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)
ok(wrong.returncode == 1 and b"config" in wrong.stderr and b"No such file" in wrong.stderr, "a CA that is not there is told at once: " + wrong.stderr.decode().strip())
again = subprocess.run([program, to, ca.cert, engines[0].key], input=b"".join(lines[:-1]), stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)
same(json.loads(again.stdout.splitlines()[0])["duplicates"], 216, "the same once more: all of it is there")

COUNT = 6000
for number, command in ((2, [program, to, ca.cert, engines[0].key]), (3, [BINARY, "append", "-", "--to", to, "--tls-ca", ca.cert, "--json", "--batch", "20", "--give-up", "2m"])):
    name = os.path.basename(command[0])
    makers, lines = history(number, COUNT)
    tenants = ", ".join("'%s'" % m.tenant for m in makers)
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=engines[0].env)
    fed = 0
    for kill in range(3):  # the one it is on: it goes to the other each time
        upto = len(lines) * (kill + 1) // 4
        for line in lines[fed:upto]:
            process.stdin.write(line)
        process.stdin.flush()
        fed = upto
        wait_until(lambda: int(engines[0].one("select count(*) from verbatim.event_log where tenant_id in (%s)" % tenants)) > upto * 2 // 3, 60)
        victim = engines[kill % 2]
        victim.kill()
        for line in lines[fed:fed + 200]:
            process.stdin.write(line)
        process.stdin.flush()
        fed += 200
        start(victim)
    for line in lines[fed:]:
        process.stdin.write(line)
    process.stdin.close()
    process.stdin = None
    out, err = process.communicate(timeout=180)
    if not same(process.returncode, 0, "%s comes through three kills" % name):
        note(err.decode()[-2000:])
    counts = json.loads(out.decode().splitlines()[0])
    same((counts["stored"] + counts["duplicates"], counts["refused"]), (len(lines), 0), "%s: acknowledged is what was given" % name)
    ok(counts["reconnects"] >= 1, "%s went on at another address, %d times" % (name, counts["reconnects"]))
    judge(makers, len(lines), name)
engines[0].settle()
check_log(engines[0])
same([engines[1].stop(), engines[0].stop()], [0, 0], "both engines end in good order")
done()
