#!/usr/bin/python3
"""database_hangs - PostgreSQL is there and says nothing: its processes are stopped, as by a hung disk or a dead network.

Nobody waits for it longer than --database-timeout says: status tells, appends are answered `unavailable`, and what was
under way is settled when it comes back, once and in order.
"""
import os
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib.history import *

TIMEOUT = 3


class Frozen:
    """The processes stand still inside the block, however it ends."""

    def __init__(self, pids):
        self.pids = pids

    def __enter__(self):
        send_all(self.pids[::-1], signal.SIGSTOP)
        send_all(family(self.pids[-1]), signal.SIGSTOP)  # those that were born meanwhile
        return self

    def __exit__(self, *_):
        send_all(set(self.pids + family(self.pids[-1])), signal.SIGCONT)


def answer(client, events):
    """(code, class, words, seconds) of an append."""
    begun = time.monotonic()
    try:
        client.append(events)
        return "stored", "", "", time.monotonic() - begun
    except RpcError as error:
        return error.code, error.kind, error.error["message"], time.monotonic() - begun


engine = Engine(args=["--database-timeout", "%ds" % TIMEOUT])
watcher = engine.client(timeout=60)
load = Load(engine.unix, clients=4, timeout=60)
load.more(200)
makers = [Maker(seed=300 + i) for i in range(12)]
clients = [engine.client(timeout=60) for _ in makers]
for client, maker in zip(clients, makers):
    client.append([maker.customer()])
late = [maker.customer() for maker in makers]

# ---- all of it stands still ----

with Frozen(family(engine.postmaster())):
    frozen = time.monotonic()
    sent = [client.send("append", [e]) for client, e in zip(clients, late)]
    ok(wait_until(lambda: not watcher.call("status")["ready"], 8), "status tells within a few seconds that something is wrong")
    begun = time.monotonic()
    status = watcher.call("status")
    ok(time.monotonic() - begun < 1, "and is answered at once")
    ok("the database has not answered" in status["error"], "it says what: " + status["error"])
    ok(wait_until(lambda: watcher.call("status")["database"] in ("not answering", "connecting"), 8), "and not that it is connected")
    told = engine.run("status", "--to", engine.address)
    ok(told.returncode != 0 and "the database has not answered" in told.stderr + told.stdout, "so does `verbatim status`: " + told.stderr.strip())
    same(watcher.call("ping", 7), 7, "the engine itself is well")
    words = []
    for client, number in zip(clients, sent):
        try:
            client.recv(number)
            words.append("stored")
        except RpcError as error:
            words.append(error.code)
            ok(error.kind == "retry" and "stored" in error.error["message"], "answered: %s" % error)
    same(set(words), {"unavailable"}, "every append under way is answered `unavailable`")
    waited = time.monotonic() - frozen
    ok(waited < TIMEOUT + 8, "in time: after %.1f s" % waited)
    code, kind, text, seconds = answer(clients[0], [makers[0].customer()])
    same((code, kind), ("unavailable", "retry"), "one that comes now is answered the same: " + text)
    ok(seconds < 3, "without the wait: after %.1f s" % seconds)
    same(load.cuts, 0, "no client lost its socket")
    same(watcher.call("status")["ready"], False, "status goes on telling")
ok(wait_until(lambda: watcher.call("status")["ready"], 60), "when it answers again, the engine is ready by itself")
ok(load.more(200), "events go in again")
for client, e in zip(clients, late):  # the old sessions' statements may have been stored meanwhile, or not
    first, again = client.append([e]), client.append([e])
    if (first["first"] if not first["duplicates"] else first["duplicates"][0][1]) != again["duplicates"][0][1]:
        ok(False, "an event that was answered `unavailable` has one place")
same(engine.one("select count(*) from verbatim.event_log where event_id in (%s)" % ", ".join("'%s'" % e["event_id"] for e in late)), str(len(late)),
     "what was answered `unavailable` and sent again is stored once")
same(watcher.call("status")["error"], "", "no trouble is left in status")

load.more(100)
load.finish()

# ---- one session alone: it is given up, and nobody needs to be told ----

shard = clients[0].append([makers[0].customer()])["shard"]
pid = int(engine.one("select pid from pg_stat_activity where application_name = 'verbatim appender %d'" % shard))
os.kill(pid, signal.SIGSTOP)
try:
    code, kind, text, seconds = answer(clients[0], [makers[0].customer()])
    same(code, "stored", "a session that hangs alone is replaced by another %s" % text)
    ok(TIMEOUT - 1 < seconds < TIMEOUT + 5, "after its time: %.1f s" % seconds)
finally:
    os.kill(pid, signal.SIGCONT)
ok(wait_until(lambda: watcher.call("status")["ready"], 30), "the engine is ready")
ok(engine.settle(), "the read models come to the head of the log")
check_log(engine)
same(load.wrong, [], "no answer contradicted another")
acked = stored(engine)
same([i for i, place in load.acked.items() if i not in acked or acked[i][0] != place][:5], [], "every acked event stands at its place")
live = digests(engine)
again, roots = refold(engine)
ok(live == again and roots, "every read model equals a fresh fold of the log")
same(engine.stop(), 0, "an orderly end")

# ---- an end that is asked for while the database hangs ----

engine.start()
client = engine.client()
with Frozen(family(engine.postmaster())):
    client.send("append", [makers[0].customer()])
    time.sleep(0.5)
    engine.signal(signal.SIGTERM)
    time.sleep(TIMEOUT + 1)
same(engine.wait_exit(60), 0, "an engine that is to stop meanwhile does so in order")
done()
