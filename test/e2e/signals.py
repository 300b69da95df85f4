#!/usr/bin/python3
"""signals - what serve does about them, and what it tells systemd: an orderly stop is bounded and hands its leases over, a second
wish ends it at once, SIGHUP reads again and ends it only with its terminal."""
import os
import signal
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import *


# ---- systemd ----

folder = temporary_folder()
box = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
box.bind(os.path.join(folder, "notify"))
os.chmod(os.path.join(folder, "notify"), 0o777)
box.settimeout(0.05)
heard = []


def hear(word, after=0):
    """Where `word` stands among what was heard from `after` on, or None after a while."""
    def look():
        try:
            while True:
                heard.append(box.recv(4096).decode())
        except socket.timeout:
            pass
        return next((i + 1 for i in range(after, len(heard)) if word in heard[i].splitlines()), None)
    return wait_until(look, 60, "systemd is not told " + word)


engine = Engine(env={"NOTIFY_SOCKET": os.path.join(folder, "notify"), "WATCHDOG_USEC": "20000000"})
at = hear("READY=1")
same(at, 1, "systemd is told that it is ready, and nothing before")
ok(any(line.startswith("STATUS=serving ") and engine.address in line for line in heard[0].splitlines()), "and where: " + heard[0].replace("\n", " "))
ok(hear("WATCHDOG=1", at), "the watchdog hears of it")
engine.signal(signal.SIGHUP)
at = hear("RELOADING=1", at)
ok(at and "MONOTONIC_USEC=" in heard[at - 1] and hear("READY=1", at), "a reload is told, and its end")
ok(wait_until(lambda: "no certificate" in engine.tail(), 30), "SIGHUP without TLS: the diary says that there is nothing to read")
ok(engine.alive() and engine.client().call("ping", 1) == 1, "and it goes on")
with open("/proc/%d/environ" % engine.postmaster(), "rb") as f:
    ok(b"NOTIFY_SOCKET" not in f.read(), "its PostgreSQL cannot speak for it")
same(engine.stop(), 0, "SIGTERM ends it in good order")
ok(hear("STOPPING=1", at), "and systemd knows")

# ---- terminals ----


def on_terminal():
    """The engine with its diary on a terminal of its own; the terminal's other end."""
    master, slave = os.openpty()
    engine.process = subprocess.Popen([BINARY, "serve", "--data", engine.data, "--listen", "127.0.0.1:0"], stdin=subprocess.DEVNULL,
                                      stdout=subprocess.PIPE, stderr=slave, start_new_session=True)
    os.close(slave)
    os.set_blocking(engine.process.stdout.fileno(), False)
    engine.address = None
    ok(engine.wait_ready(), "an engine on a terminal")
    return master


master = on_terminal()
engine.signal(signal.SIGHUP)
wait_until(lambda: False, 0.5)
ok(engine.alive() and engine.client().call("ping", 1) == 1, "SIGHUP on a terminal that is there: a reload")
os.close(master)
engine.signal(signal.SIGHUP)
same(engine.wait_exit(), 0, "when the terminal has hung up, an orderly end")

# ---- leases ----

engine.start()
maker = Maker(seed=71)
customer = maker.customer()
engine.client().append([customer])
dead = wait_until(lambda: engine.one("select min(owner::text) from verbatim.lease where expires_at > now()"), 60)
other = Engine(db=engine.conninfo(), args=["--database-timeout", "60s"])
engine.kill()  # its PostgreSQL runs on


def all_taken():
    """Who holds all leases, once it is not the dead one."""
    rows = other.sql("select distinct owner from verbatim.lease where expires_at > now() or owner = '%s'" % dead)
    return rows[0][0] if len(rows) == 1 and rows[0][0] != dead else None


mine = wait_until(all_taken, 90, "the living engine does not take the dead one's leases")
ok(mine, "an engine takes the leases of one that was killed")
same(other.stop(), 0, "SIGTERM")
same(other.one("select count(*) from verbatim.lease where owner = '%s' and expires_at > now()" % mine), "0", "leaves no lease that anybody would have to wait for")

# ---- a stop that cannot get on ----

other.start()
other.client().append([maker.customer()])
stopped = family(engine.postmaster())
send_all(stopped, signal.SIGSTOP)
other.client().send("append", [maker.customer()])
time.sleep(0.3)
other.signal(signal.SIGTERM)
time.sleep(3)  # what comes within a second is the same wish
began = time.monotonic()
if other.alive():
    other.signal(signal.SIGTERM)
same(other.wait_exit(30), 75, "a second SIGTERM ends at once what waits for a hanging database, and the status says so")
ok(time.monotonic() - began < 20, "in %.1f s" % (time.monotonic() - began))
send_all(stopped, signal.SIGCONT)
other.args = ["--database-timeout", "2s"]
other.start()
other.client().append([maker.customer()])
stopped = family(engine.postmaster())
send_all(stopped, signal.SIGSTOP)
client = other.client()
client.send("append", [maker.customer()])
time.sleep(0.3)
began = time.monotonic()
other.signal(signal.SIGTERM)
status = other.wait_exit(60)
ok(status is not None, "one SIGTERM ends it too, once --database-timeout has given the database up: status %s after %.1f s"
   % (status, time.monotonic() - began))
send_all(stopped, signal.SIGCONT)

engine.start()
engine.settle()
check_log(engine)
same(engine.stop(), 0, "an orderly end")
done()
