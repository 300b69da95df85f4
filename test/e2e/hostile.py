#!/usr/bin/python3
"""hostile - clients that lie, stall, flood and never listen: bounded memory, a reason or a closed socket for them
alone, service for the others.

The engine runs with --memory 64M; its process is looked at all the while.  What it may hold beside what clients make
grow (code, PostgreSQL's library, read models' rows) is allowed for by OVERHEAD.
"""
import os
import random
import select
import struct
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import *

MEMORY = 64 << 20
OVERHEAD = 24 << 20 if "san" not in BINARY else 1 << 30  # a sanitizer keeps what was freed
CONNECTIONS = 300

engine = Engine(args=["--memory", "64M", "--connections", str(CONNECTIONS), "--hello", "2s", "--idle", "10s"])
host, port = engine.address.split(":")
maker = Maker(seed=41)
customer = maker.customer()
conversation = maker.conversation(customer["entity_id"])
seed = int(time.time())
note("seed %d" % seed)
dice = random.Random(seed)
HELLO = msgpack.packb([0, 1, "hello", [1, engine.key, "hostile"]])


class Honest(threading.Thread):
    """Appends, waits and reads all the while, on a connection of its own."""

    def __init__(self):
        super().__init__(daemon=True)
        self.client = engine.client(timeout=60)
        self.client.append([customer, conversation])
        self.served, self.trouble, self.largest, self.stop = 0, None, 0, False

    def run(self):
        own = Maker(seed=42, tenant=maker.tenant)
        try:
            while not self.stop:
                ack = self.client.append([own.received(conversation["entity_id"], "one of the others")])
                self.client.wait(ack)
                self.client.call("read", ack["first"], {"tenant_id": maker.tenant}, 1)
                self.served += 1
                self.largest = max(self.largest, engine.resident())
        except Exception as e:
            self.trouble = e


honest = Honest()
honest.start()


def judged(what):
    """After each attack: the engine lives, is bounded, and serves."""
    before = honest.served
    wait_until(lambda: honest.served > before + 3 or honest.trouble, 60)
    served = honest.served > before + 3
    ok(engine.alive() and served and honest.trouble is None, "%s: another client is served" % what)
    if honest.trouble:
        note(repr(honest.trouble))
    largest = max(honest.largest, engine.resident())
    if not ok(largest < MEMORY + OVERHEAD, "%s: memory is bounded" % what):
        note("%d MiB" % (largest >> 20))


def connect(hello=True, timeout=20):
    s = socket.create_connection((host, int(port)), timeout=timeout)
    if hello:
        s.sendall(HELLO)
        unpacker = msgpack.Unpacker(raw=False)
        while True:
            data = s.recv(4096)
            if not data:
                raise ConnectionError("closed")
            unpacker.feed(data)
            for _ in unpacker:
                return s
    return s


def code_of(data):
    try:
        return msgpack.unpackb(data, raw=False)[2]["code"]
    except Exception:
        return repr(data[:60]) if data is not None else "not closed"


# ---- garbage ----

answers = set()
for _ in range(200):
    s = connect(hello=dice.random() < 0.5)
    try:
        s.sendall(bytes(dice.getrandbits(8) for _ in range(dice.randrange(1, 400))))
        s.shutdown(socket.SHUT_WR)
    except OSError:
        pass
    data = rest(s)
    unpacker = msgpack.Unpacker(raw=False, strict_map_key=False)
    unpacker.feed(data or b"")
    answers |= {m[2]["code"] for m in unpacker if m[2]}
    s.close()
ok(answers <= {"protocol", "too_large", "hello_required"}, "garbage is answered with a reason, if at all: %s" % sorted(answers))
judged("garbage")
s = connect(hello=False)
s.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
same(code_of(rest(s)), "protocol", "a browser is told that this is no MessagePack-RPC")

# ---- claims ----

for name, head in (("str", b"\xdb"), ("bin", b"\xc6"), ("array", b"\xdd"), ("map", b"\xdf"), ("ext", b"\xc9")):
    for where, before in (("bare", b""), ("as params of a call", b"\x94\x00\x01\xa4ping"), ("inside an event", b"\x94\x00\x01\xa6append\x91\x91\x81\xa7payload")):
        s = connect()
        s.sendall(before + head + b"\xff\xff\xff\xff" + (b"\x01" if name == "ext" else b""))
        same(code_of(rest(s)), "too_large", "five bytes that claim a %s of 4 GiB, %s" % (name, where))
        s.close()
s = connect()
s.sendall(b"\x94\x00\x01\xa4ping\x91" + (b"\xdd\x00\x01\x00\x00" * 60))
same(code_of(rest(s)), "too_large", "claims inside claims")
for name, data in (("arrays", b"\x91" * 100000), ("maps", b"\x81\xa1a" * 100000)):
    s = connect()
    try:
        s.sendall(b"\x94\x00\x01\xa4ping\x91" + data)
    except OSError:
        pass
    ok(code_of(rest(s)) in ("too_large", "b''"), "a hundred thousand nested %s" % name)
    s.close()
s = connect()
s.sendall(b"\x94\x00\x01\xa4ping\x91\xdd" + struct.pack(">I", 4000000))
try:
    for _ in range(40):
        s.sendall(b"\xc0" * 100000)
except OSError:
    pass
ok(code_of(rest(s)) in ("too_large", "b''"), "four million elements in one message")
judged("claims")

# ---- half frames ----

half = b"\x94\x00\x02\xa4ping\x91\xc6" + struct.pack(">I", (4 << 20) - 100)
silent = [connect() for _ in range(50)]
for s in silent:
    s.sendall(half[:dice.randrange(1, len(half))])
judged("half frames that stay silent")
[s.close() for s in silent]

threads, over = [], []


def stuff():
    """Half of a message of 4 MiB, as fast as the engine takes it, then silence."""
    try:
        s = connect()
        over.append(s)
        s.settimeout(30)
        s.sendall(half + b"x" * (2 << 20))
    except OSError:
        pass


threads = [threading.Thread(target=stuff, daemon=True) for _ in range(100)]
[t.start() for t in threads]
judged("a hundred connections with half a frame of 4 MiB each")
[t.join(60) for t in threads]
judged("and after they have gone silent")
[s.close() for s in over]

# ---- those who never read ----

deaf = []
bulk = [maker.received(conversation["entity_id"], "x" * 2000) for _ in range(2000)]
filler = engine.client()
for i in range(0, 2000, 500):
    filler.append(bulk[i:i + 500])
for _ in range(20):
    s = connect()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    s.sendall(b"".join(msgpack.packb([0, i, "read", [1, {"tenant_id": maker.tenant}, 1000]]) for i in range(2, 60)))
    deaf.append(s)
judged("twenty clients that ask for megabytes and read nothing")
[s.close() for s in deaf]

# A client that is only slow, beside twenty that are deaf, gets all it asked for.
slow = connect()
slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
slow.sendall(b"".join(msgpack.packb([0, i, "read", [1, {"tenant_id": maker.tenant}, 1000]]) for i in range(2, 8)))
deaf = []
for _ in range(20):
    s = connect()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    s.sendall(b"".join(msgpack.packb([0, i, "read", [1, {"tenant_id": maker.tenant}, 1000]]) for i in range(2, 60)))
    deaf.append(s)
unpacker, got = msgpack.Unpacker(raw=False, timestamp=1, max_buffer_size=1 << 28), {}
slow.settimeout(60)
try:
    while len(got) < 6:
        data = slow.recv(40000)
        if not data:
            break
        time.sleep(0.002)
        unpacker.feed(data)
        for m in unpacker:
            got[m[1]] = len(m[3]["events"])
except OSError as e:
    note(repr(e))
ok(len(got) == 6 and min(got.values()) > 100, "a client that takes its answers slowly gets all of them: %s" % got)
judged("twenty deaf clients once more")
slow.close()
[s.close() for s in deaf]
deaf = []
pings = [msgpack.packb([0, i, "ping", [b"x" * 1000000]]) for i in range(2, 12)]
for _ in range(30):
    s = connect()
    s.setblocking(False)
    deaf.append([s, b"".join(pings)])
end = time.monotonic() + 20
while any(d[1] for d in deaf) and time.monotonic() < end:
    ready = select.select([], [d[0] for d in deaf if d[1]], [], 0.5)[1]
    if not ready:
        break
    for d in deaf:
        if d[0] in ready:
            try:
                d[1] = d[1][d[0].send(d[1][:1 << 20]):]
            except OSError:
                d[1] = b""
judged("thirty clients that send pings of a megabyte and read nothing")
[d[0].close() for d in deaf]

deaf = connect()
deaf.setblocking(False)
queue = b"".join(msgpack.packb([0, i, "ping", [i]]) for i in range(2, 10002)) * 3
while queue:
    try:
        queue = queue[deaf.send(queue):]
    except BlockingIOError:
        break
judged("tens of thousands of small requests, answers unread")
deaf.close()

eager = connect()
own = Maker(seed=43)
talk = own.uuid()
eager.sendall(b"".join(msgpack.packb([0, i, "append", [[own.received(talk, "tick")]]]) for i in range(2, 10002)))
judged("10,000 appends in one go, answers unread")
unpacker, told = msgpack.Unpacker(raw=False), set()
while len(told) < 10000:
    unpacker.feed(eager.recv(1 << 16))
    told |= {m[1] for m in unpacker if m[2] is None}
same(engine.one("select count(*) from verbatim.event_log where tenant_id = '%s'" % own.tenant), "10000", "when they are read at last, all 10,000 were stored once")
eager.close()

# ---- floods ----

flood = []
refused_at = 0
for i in range(CONNECTIONS + 100):
    try:
        s = connect(timeout=5)
        flood.append(s)
    except OSError:
        refused_at += 1
ok(refused_at >= 100, "connections over --connections are closed (%d of %d stayed)" % (len(flood), CONNECTIONS + 100))
ok(len(flood) >= CONNECTIONS - 10, "those below it are served")
judged("a flood of connections")
[s.close() for s in flood]
wait_until(lambda: honest.client and engine.alive(), 1)


def free():
    try:
        connect().close()
        return True
    except OSError:
        return False


ok(wait_until(free, 30), "when they have gone, there is room again")

# ---- those who never come to the point ----

mute = connect(hello=False)
slow = connect(hello=False, timeout=1)
started = time.monotonic()
closed = False
for i in range(len(HELLO) - 1):
    try:
        slow.sendall(HELLO[i:i + 1])
        if select.select([slow], [], [], 0.5)[0] and not slow.recv(100):
            closed = True
            break
    except OSError:
        closed = True
        break
ok(closed, "a hello that comes byte by byte and never ends is closed by --hello")
mute.settimeout(30)
same(mute.recv(1), b"", "and so is a connection that says nothing")
idle = connect(timeout=60)
stuck = connect(timeout=60)
stuck.sendall(half[:5])
same((idle.recv(1), stuck.recv(1)), (b"", b""), "after --idle one that greeted and fell silent is closed, with half a frame or without")
judged("dawdlers")

honest.stop = True
honest.join(60)
ok(honest.trouble is None, "the honest client was served all the while, %d times" % honest.served)
note("largest resident size: %d MiB" % (honest.largest >> 20))
status = json.loads(engine.run("status", "--json", *engine.where()).stdout)
same((status["ready"], status["partial_bytes"], status["out_bytes"], status["inflight_bytes"]), (True, 0, 0, 0), "nothing of it all is left behind")
engine.settle()
check_log(engine)
same(engine.stop(), 0, "the engine ends in good order")
done()
