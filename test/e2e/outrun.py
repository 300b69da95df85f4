#!/usr/bin/python3
"""outrun - more comes in than PostgreSQL takes: the engine stops reading sockets, its memory stays under --memory, and when the
database goes on all of it goes in, once, by itself.

PostgreSQL is stopped, so that it takes nothing at all, while clients send as much as they can get rid of.
"""
import os
import select
import signal
import sys
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import *

MEMORY = 64 << 20
OVERHEAD = 24 << 20 if "san" not in BINARY else 1 << 30  # as in hostile.py
CLIENTS, FRAMES, EVENTS, LETTERS = 4, 70, 100, 4000     # some 110 MB

engine = Engine(args=["--memory", "64M", "--database-timeout", "5m", "--http", "127.0.0.1:0"])
host, port = engine.address.split(":")
with open(os.path.join(engine.data, "engine.json")) as f:
    http = next(a.split()[1] for a in json.load(f)["addresses"] if a.startswith("http "))
maker = Maker(seed=81)
customer = maker.customer()
talk = maker.conversation(customer["entity_id"])
client = engine.client()
client.wait(client.append([customer, talk]))


def inflight():
    body = urllib.request.urlopen("http://%s/metrics" % http, timeout=30).read().decode()
    return int(next(line.split()[1] for line in body.splitlines() if line.startswith("verbatim_inflight_bytes ")))


class Sender:
    """Sends as fast as it is taken from, and counts what is answered."""

    def __init__(self, number):
        own = Maker(seed=100 + number, tenant=maker.tenant)
        self.left = memoryview(b"".join([msgpack.packb([0, 1, "hello", [1, engine.key, "outrun"]])] + [
            msgpack.packb([0, 2 + i, "append", [[own.received(talk["entity_id"], "x" * LETTERS) for _ in range(EVENTS)]]]) for i in range(FRAMES)]))
        self.socket = socket.create_connection((host, int(port)))
        self.socket.setblocking(False)
        self.unpacker, self.answers = msgpack.Unpacker(raw=False, timestamp=1), {}

    def turn(self, readable, writable):
        if self.socket in writable:
            self.left = self.left[self.socket.send(self.left[:1 << 18]):]
        if self.socket in readable:
            self.unpacker.feed(self.socket.recv(1 << 16))
            for message in self.unpacker:
                self.answers[message[1]] = message[2]


def go_on(senders, until, seconds):
    """Sends and reads until that holds, or nothing moves any more for three seconds, or so long; the engine's memory at most."""
    end, moved, most = time.monotonic() + seconds, time.monotonic(), 0
    while time.monotonic() < end and not until():
        readable, writable, _ = select.select([s.socket for s in senders], [s.socket for s in senders if s.left], [], 0.2)
        for s in senders:
            s.turn(readable, writable)
        most = max(most, engine.resident())
        if readable or writable:
            moved = time.monotonic()
        elif time.monotonic() - moved > 3:
            break
    return most


senders = [Sender(i) for i in range(CLIENTS)]
offered = sum(len(s.left) for s in senders)
stopped = family(engine.postmaster())
send_all(stopped, signal.SIGSTOP)
try:
    before = engine.resident()
    most = go_on(senders, lambda: False, 60)
    left = sum(len(s.left) for s in senders)
    note("%d of %d MB were taken; resident %d MiB before, %d at most" % ((offered - left) >> 20, offered >> 20, before >> 20, most >> 20))
    ok(left > offered // 10, "with a database that takes nothing the engine stops taking, too")
    same([e for s in senders for n, e in s.answers.items() if n > 1][:3], [], "nothing is acknowledged, and nothing refused")
    ok(1 << 20 < inflight() < MEMORY, "what waits is counted, and bounded: %d MiB" % (inflight() >> 20))
    ok(most < MEMORY + OVERHEAD, "memory is bounded")
finally:
    send_all(stopped, signal.SIGCONT)
most = go_on(senders, lambda: all(len(s.answers) == FRAMES + 1 for s in senders), 240)
ok(most < MEMORY + OVERHEAD, "memory is bounded while it catches up, too: %d MiB" % (most >> 20))
same([e for s in senders for e in s.answers.values() if e is not None][:3], [], "when it goes on no request is refused")
same({len(s.answers) for s in senders}, {FRAMES + 1}, "and each is acknowledged")
same(engine.sql("select count(*), count(distinct event_id) from verbatim.event_log where tenant_id = '%s' and event_type = 'message.received'" % maker.tenant),
     [[str(CLIENTS * FRAMES * EVENTS)] * 2], "each event stands in the log, once")
same(inflight(), 0, "and nothing of it is held any more")
ok(engine.settle(300), "the read models come to the head of the log")
check_log(engine)
same(engine.stop(), 0, "an orderly end")
done()
