#!/usr/bin/python3
"""wire - the protocol, promise by promise: greeting, order, splits, forms of values, errors, limits."""
import datetime
import fcntl
import os
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import *

ERROR_KEYS = ["class", "code", "field", "index", "message", "position"]
TIOCOUTQ = 0x5411

engine = Engine()
maker = Maker()


def raw(address=None):
    return Client(address or engine.address, hello=False)


def complete(error, name):
    """Any error's map has all its keys, of their types."""
    e = error.error if error else {}
    ok(sorted(e) == ERROR_KEYS and isinstance(e["code"], str) and e["class"] in ("caller", "retry", "fatal")
       and isinstance(e["message"], str) and e["message"] and isinstance(e["index"], (int, type(None)))
       and isinstance(e["field"], (str, type(None))) and isinstance(e["position"], (int, type(None))), name)


def closed(client):
    """The engine has ended the connection; what came before is thrown away."""
    try:
        while client.socket.recv(1 << 16):
            pass
    except ConnectionResetError:
        pass
    return True


# ---- hello ----

client = raw()
for method in ("append", "read", "wait", "status", "ping", "nonsense"):
    error = refused(lambda: client.call(method), "hello_required", "%s before hello is refused" % method)
complete(error, "with a complete error map")
error = refused(lambda: client.call("hello", 2, "", "x"), "version", "an unknown version is refused", field="version")
refused(lambda: client.call("hello"), "version", "a hello without a version, too", field="version")
refused(lambda: client.call("hello", "1", "", "x"), "params", "a version that is no number", field="version")
refused(lambda: client.call("hello", 1, 5, "x"), "params", "a token that is no text", field="token")
refused(lambda: client.call("hello", 1, "", 5), "params", "a client that is no text", field="client")
refused(lambda: client.call("hello", 1, "guess", "x"), "unauthorized", "a token that is no key", field="token")
refused(lambda: client.call("ping"), "hello_required", "after all of which hello is still wanted")
client = raw()
hello = client.call("hello", 1, engine.key, "wire")
same(sorted(hello), ["epoch", "limits", "log_id", "server", "shards", "version"], "hello tells which log this is")
same(sorted(hello["limits"]), ["depth", "event_bytes", "frame_bytes", "inflight_bytes", "read_events", "request_events"],
     "and its limits")
same(hello["log_id"].hex(), engine.one("select log_id from verbatim.log_identity").replace("-", ""), "log_id is the log's")
same(client.call("hello", 1)["log_id"], hello["log_id"], "hello may be said again, and its end left out")
same(raw(engine.unix).call("hello", 1)["log_id"], hello["log_id"], "a Unix socket greets the same")

# ---- calls ----

error = refused(lambda: client.call("apend", []), "unknown_method", "a method that does not exist is refused", field="method")
ok("apend" in str(error), "by its name")
for params in ({"a": 1}, 5, None, "x"):
    other = engine.client()
    other.socket.sendall(msgpack.packb([0, 9, "ping", params]))
    number, error, result = other.recv_any()
    ok(error["code"] == "protocol" and closed(other), "params that are %s end the connection, with a reason" % type(params).__name__)
for what, message in (("a response", [1, 1, None, None]), ("an unknown kind", [3, 1, "ping", []]), ("a short request", [0, 1, "ping"]),
                      ("a msgid of 33 bits", [0, 1 << 32, "ping", []]), ("a negative msgid", [0, -1, "ping", []]),
                      ("a map", {"ping": 1}), ("a number", 7), ("a method that is no text", [0, 1, 5, []])):
    other = engine.client()
    other.socket.sendall(msgpack.packb(message))
    number, error, result = other.recv_any()
    ok(error["code"] == "protocol" and number == 0 and closed(other), "%s ends the connection, with a reason" % what)
other = engine.client()
other.socket.sendall(b"\xc1")
error = other.recv_any()[1]
ok(error["code"] == "protocol" and error["class"] == "caller" and closed(other), "the byte c1 ends the connection, with a reason")
complete(RpcError(error), "and a complete error map")
same(client.call("ping", {"a": [1, "é", b"\x00", 1.5, None]}), {"a": [1, "é", b"\x00", 1.5, None]}, "ping gives back what it got")
same(client.call("ping"), None, "which may be nothing")
client.next = (1 << 32) - 2
same(client.call("ping", 1), 1, "the largest msgid is answered")
client.next = 0

client.socket.sendall(msgpack.packb([2, "ping", [1]]) + msgpack.packb([2, "append", [[]]]) + msgpack.packb([2, "nonsense", []]) +
                      msgpack.packb([0, 77, "ping", ["end"]]))
same(client.recv_any(), (77, None, "end"), "notifications are never answered, and do no harm")

refused(lambda: client.call("append"), "params", "append without events", field="events")
refused(lambda: client.call("append", {}), "params", "append of a map", field="events")
refused(lambda: client.call("append", []), "params", "append of nothing", field="events")
team = maker.uuid()


def event(**envelope):
    return dict(maker.event("team.created", maker.uuid(), {"name": "Night shift"}), **envelope)


for options, field in (([], "options"), ({"expct": []}, "options"), ({"expect": {}}, "expect"), ({"expect": [5]}, "expect"),
                       ({"expect": [{"after": 1}]}, "expect.scope"), ({"expect": [{"scope": "world", "after": 1}]}, "expect.scope"),
                       ({"expect": [{"scope": "tenant"}]}, "expect.after"), ({"expect": [{"scope": "tenant", "after": -1}]}, "expect.after"),
                       ({"expect": [{"scope": "entity", "after": 1}]}, "expect.id"),
                       ({"expect": [{"scope": "entity", "id": "x", "after": 1}]}, "expect.id"),
                       ({"expect": [{"scope": "tenant", "after": 1, "types": ["team.painted"]}]}, "expect.types"),
                       ({"expect": [{"scope": "tenant", "after": 1, "colour": 1}]}, "expect")):
    refused(lambda: client.call("append", [event()], options), "params", "append with options %s" % json.dumps(options), field=field)
tenant = {"tenant_id": maker.tenant}
for params, code, field in (((0, tenant), "params", "from"), (("x", tenant), "params", "from"), ((1, []), "params", "filter"),
                            ((1, {}), "params", "filter"), ((1, {"colour": 1}), "params", "filter"),
                            ((1, {"shard": 99}), "params", "filter.shard"), ((1, {"tenant_id": "x"}), "params", "filter.tenant_id"),
                            ((1, {"conversation_id": team}), "params", "filter.tenant_id"),
                            ((1, dict(tenant, types=["no.such"])), "params", "filter.types"),
                            ((1, tenant, 0), "params", "limit"), ((1, tenant, 1001), "params", "limit"),
                            ((1, tenant, 1, 60001), "params", "wait_ms"), ((1, tenant, 1, -1), "params", "wait_ms")):
    refused(lambda: client.call("read", *params), code, "read%s" % json.dumps(params), field=field)
for params, code, field in (((5, [1, 1]), "params", "read_models"), ((["nothing"], [1, 1]), "not_found", "read_models"),
                            (([], None), "params", "token"), (([], [1]), "params", "token"), (([], [99, 1]), "params", "token"),
                            (([], [1, -1]), "params", "token"), (([], ["x", 1, 1, 1]), "params", "token"), (([], [1, 1], 600001), "params", "timeout_ms")):
    refused(lambda: client.call("wait", *params), code, "wait%s" % json.dumps(params), field=field)

# ---- order ----

tail = client.send("read", 1, tenant, 10, 60000)
same(client.call("ping", "first"), "first", "a later ping is answered while a read waits")
status = client.call("status")
same(status["ready"], True, "and a status, which says ready")
ack = engine.client().append([event()])
same([e["position"] for e in client.recv(tail)["events"]], [ack["first"]], "what is appended answers the read")

burst = b"".join(msgpack.packb([0, 1000 + i, "ping", [i]]) for i in range(200))
client.socket.sendall(burst)
same([client.recv(1000 + i) for i in range(200)], list(range(200)), "200 requests in one packet are all answered")
burst = b"".join(msgpack.packb([0, 2000 + i, "append", [[event()]]]) for i in range(50))
client.socket.sendall(burst)
same([client.recv(2000 + i)["first"] for i in range(50)], list(range(ack["last"] + 1, ack["last"] + 51)),
     "50 appends in one packet stand in the log in their order")

# ---- split anywhere ----

once = event()
stream = (msgpack.packb([0, 1, "hello", [1, engine.key, "split"]]) + msgpack.packb([0, 2, "append", [[once]]]) +
          msgpack.packb([2, "ping", ["x" * 40]]) + msgpack.packb([0, 3, "ping", [["a", {"b": 2 ** 40}]]]))


def answers_of(pieces):
    """Sends the pieces one by one, each only when the engine has taken the last; the three answers by number."""
    c = raw(engine.unix)
    for piece in pieces:
        c.socket.sendall(piece)
        while struct.unpack("i", fcntl.ioctl(c.socket, TIOCOUTQ, b"\0\0\0\0"))[0]:
            time.sleep(0)
    try:
        found = {}
        for _ in range(3):
            number, error, result = c.recv_any()
            found[number] = (error, result)
        return found
    finally:
        c.close()


whole = answers_of([stream])
whole = answers_of([stream])  # the event is a duplicate from now on
same((whole[2][1]["duplicates"], whole[3]), ([[0, whole[2][1]["first"]]], (None, ["a", {"b": 2 ** 40}])), "a stream in one piece")
same([i for i in range(1, len(stream)) if answers_of([stream[:i], stream[i:]]) != whole], [],
     "the same stream split at each of its %d bytes is answered the same" % len(stream))
same(answers_of([stream[i:i + 1] for i in range(len(stream))]), whole, "and byte by byte")

# ---- forms of values ----


def extension(seconds, nanoseconds, bits):
    """A timestamp of this very width.  The packer has no type -1, so that append() below puts it in for 127."""
    if bits == 32:
        return msgpack.ExtType(127, struct.pack(">I", seconds))
    if bits == 64:
        return msgpack.ExtType(127, struct.pack(">Q", nanoseconds << 34 | seconds))
    return msgpack.ExtType(127, struct.pack(">Iq", nanoseconds, seconds))


def append(event):
    client.next += 1
    data = msgpack.packb([0, client.next, "append", [[event]]])
    time = event["occurred_at"]
    if isinstance(time, msgpack.ExtType) and time.code == 127:
        data = data.replace(b"\x7f" + time.data, b"\xff" + time.data)
    client.socket.sendall(data)
    return client.recv(client.next)


def twin(base, **forms):
    """The same event in another form is a duplicate, with the same leaf."""
    answer = append(dict(base, **forms))
    return (answer["duplicates"], answer["leaf"])


who = maker.uuid()
base = event(occurred_at="2024-05-01T12:00:00.123456Z", actor_id=who, actor_ip="2001:db8::1")
ack = client.append([base])
want = ([[0, ack["first"]]], ack["leaf"])
ids = {k: uuid.UUID(base[k]) for k in ("event_id", "tenant_id", "entity_id", "actor_id")}
same(twin(base, **{k: v.bytes for k, v in ids.items()}), want, "uuids as 16 bytes are the uuids as text")
same(twin(base, **{k: str(v).upper() for k, v in ids.items()}), want, "and upper case is lower case")
same(twin(base, occurred_at=extension(1714564800, 123456000, 64)), want, "a time as 64-bit timestamp is the time as text")
same(twin(base, occurred_at=extension(1714564800, 123456000, 96)), want, "and as 96-bit timestamp")
same(twin(base, occurred_at="2024-05-01T14:00:00.123456+02:00"), want, "and with an offset")
same(twin(base, occurred_at="2024-05-01T12:00:00.123456999Z"), want, "finer than a microsecond is cut off, as text")
same(twin(base, occurred_at=extension(1714564800, 123456999, 64)), want, "and as timestamp")
same(twin(base, entity_type="team", event_version=1, silent=False, correlation_id=None), want,
     "what the catalog or a default knows may be given or left out; nil is left out")
same(twin(base, actor_ip="2001:0DB8:0:0::0001/128"), want, "an address is the same however it is written")
second = event(occurred_at="2024-05-01T12:00:00Z")
ack = client.append([second])
want = ([[0, ack["first"]]], ack["leaf"])
same(twin(second, occurred_at=extension(1714564800, 0, 32)), want, "a 32-bit timestamp is a whole second")
old = event(occurred_at="1969-12-31T23:59:59.5Z")
ack = client.append([old])
same(twin(old, occurred_at=extension(-1, 500000000, 96)), ([[0, ack["first"]]], ack["leaf"]), "before 1970, too")
message = client.call("read", ack["first"], tenant, 1)["events"][0]
same((message["event_id"], message["occurred_at"]),
     (uuid.UUID(old["event_id"]).bytes, datetime.datetime(1969, 12, 31, 23, 59, 59, 500000, datetime.timezone.utc)),
     "the engine answers with bin and with the timestamp extension")
for form in ("yesterday", "2024-05-01", "2024-02-30T00:00:00Z", "2024-05-01T12:00:00", 1714564800, True,
             msgpack.ExtType(127, b"\0\0\0"), msgpack.ExtType(5, b"\0\0\0\0"), extension(1714564800, 1000000000, 96)):
    refused(lambda: append(event(occurred_at=form)), "invalid", "%r is no time" % (form,), index=0, field="occurred_at")
for form in ("", "x" * 36, "0192", b"\0" * 15, b"\0" * 16, 5, "{%s}" % who):
    refused(lambda: client.append([event(entity_id=form)]), "invalid", "%r is no uuid" % (form,), index=0, field="entity_id")

# ---- the envelope ----

head = engine.one("select max(position) from verbatim.event_log where tenant_id = '%s'" % maker.tenant)
for name in ("shard", "position", "recorded_at", "leaf_hash", "log_id", "created_at"):
    error = refused(lambda: client.append([event(), event(**{name: 1})]), "invalid", "%s is the log's, and refused" % name,
                    index=1, field=name)
complete(error, "with a complete error map")
for name in ("Event_id", "stream_version", "payloads", ""):
    error = refused(lambda: client.append([event(**{name: 1})]), "invalid", "the unknown field '%s' is refused, not ignored" % name, index=0)
    ok(error and (error.field == name or not name), "and named")
for name in ("event_id", "event_type", "tenant_id", "entity_id", "actor_type", "occurred_at"):
    without = event()
    del without[name]
    refused(lambda: client.append([without]), "invalid", "%s must be there" % name, index=0, field=name)
refused(lambda: client.append([5]), "invalid", "an event that is no map", index=0)
refused(lambda: client.append([event(payload={"name": "x", "colour": "red"})]), "invalid", "an unknown field of the payload",
        index=0, field="payload.colour")
refused(lambda: client.append([event(payload={})]), "invalid", "a missing one", index=0, field="payload.name")
refused(lambda: client.append([event(payload={"name": "x" * 101})]), "invalid", "one that is too long", index=0, field="payload.name")
refused(lambda: client.append([event(payload=[])]), "invalid", "a payload that is no map", index=0, field="payload")
error = refused(lambda: client.append([event(event_type="team.creatd")]), "invalid", "an unknown type", index=0, field="event_type")
ok("team.created" in str(error), "with the one that was meant")
refused(lambda: client.append([event(event_version=2)]), "invalid", "an unknown version", index=0, field="event_version")
refused(lambda: client.append([event(entity_type="customer")]), "invalid", "another entity than the catalog's", index=0, field="entity_type")
refused(lambda: client.append([event(actor_type="ghost")]), "invalid", "an unknown kind of actor", index=0, field="actor_type")
refused(lambda: client.append([event(actor_ip="1.2.3")]), "invalid", "an address that is none", index=0, field="actor_ip")
refused(lambda: client.append([event(silent=1)]), "invalid", "a silent that is no bool", index=0, field="silent")
refused(lambda: client.append([event(), event(), event(tenant_id=maker.uuid())]), "mixed_tenants", "events of two tenants in one request",
        index=2, field="tenant_id")
refused(lambda: client.append([event(tenant_id="00000000-0000-8000-8000-000000000000")]), "invalid", "the system tenant's events",
        index=0, field="tenant_id")
twice = msgpack.packb([0, 5, "append", [[event()]]]).replace(b"\xa9tenant_id", b"\xa9entity_id")
client.socket.sendall(twice)
try:
    client.recv(5)
    ok(False, "a field that stands twice is refused")
except RpcError as e:
    same((e.code, e.field), ("invalid", "entity_id"), "a field that stands twice is refused")
same(engine.one("select max(position) from verbatim.event_log where tenant_id = '%s'" % maker.tenant), head,
     "of all these requests nothing was stored")

# ---- limits ----

limits = hello["limits"]
many = [event() for _ in range(limits["request_events"] + 1)]
error = refused(lambda: client.append(many), "too_large", "one event more than a request may have", field="events")
complete(error, "with a complete error map")
ack = client.append(many[:-1])
same(ack["last"] - ack["first"], limits["request_events"] - 1, "as many as it may have")


def letter(characters):
    return maker.event("message.received", maker.uuid(), {"channel": "email", "direction": "inbound", "sender_type": "customer",
                                                          "content": "x" * characters, "content_html": "y" * characters},
                       conversation_id=maker.uuid())


refused(lambda: client.append([event(), letter(150000)]), "too_large", "an event over %d bytes" % limits["event_bytes"],
        index=1, field="payload")
same(client.append([letter(limits["event_bytes"] // 2 - 1000)])["duplicates"], [], "one that is just under goes in")
def deep(levels):
    nested = 1
    for _ in range(levels):
        nested = [nested]
    return maker.event("tenant.created", maker.tenant, {"name": "x", "settings": {"deep": nested}})


same(client.append([deep(limits["depth"] - 3)])["duplicates"], [], "a payload nested as deep as allowed is taken")
error = refused(lambda: client.append([event(), deep(limits["depth"] - 2)]), "too_large", "one level more is refused", index=1)
ok(error and error.field.startswith("payload.settings.deep"), "with its field")
same(client.call("ping", 1), 1, "and the connection goes on")
other = engine.client()
other.send("append", [deep(40)])
number, error, result = other.recv_any()
same((error["code"], number), ("too_large", 0), "a message that is nested deeper than any event may be is refused unread, as msgid 0")
ok(closed(other), "and ends the connection")

other = engine.client()
other.socket.sendall(b"\x94\x00\x01\xa4ping\x91\xc6" + struct.pack(">I", limits["frame_bytes"]))
number, error, result = other.recv_any()
same((error["code"], number), ("too_large", 0), "a message over frame_bytes is refused before it is there")
ok(closed(other), "and ends the connection")
complete(RpcError(error), "with a complete error map")
other = engine.client()
blob = b"x" * (limits["frame_bytes"] - 64)
same(other.call("ping", blob) == blob, True, "a message just under frame_bytes goes through")

# ---- a small engine that lets anybody in ----

small = Engine(args=["--insecure", "--request-events", "3", "--event-bytes", "4K", "--frame-bytes", "64K", "--depth", "8"])
client = Client(small.address, token="")
same([client.limits[k] for k in ("request_events", "event_bytes", "frame_bytes", "depth")], [3, 4096, 65536, 8],
     "hello tells the limits that were set, without a key")
same(client.append([event() for _ in range(3)])["last"] is not None, True, "three events go in")
refused(lambda: client.append([event() for _ in range(4)]), "too_large", "four do not", field="events")
refused(lambda: client.append([event(), event(payload={"name": "x", "description": "y" * 3500})]), "too_large", "nor does an event over 4096 bytes",
        index=1, field="payload")
same(client.call("ping", 1), 1, "neither ends the connection")
same(small.stop(), 0, "it ends in good order")

check_log(engine)
same(engine.stop(), 0, "the engine ends in good order")
done()
