#!/usr/bin/python3
"""canonical - what is hashed is what is stored: RFC 8785 text and RFC 6962 leaves, by three hands.

Nasty payloads go in; the text in the log is compared with a canonical form written here, and each leaf with the SQL
function's and with SHA-256 over an envelope built here from the columns.
"""
import hashlib
import math
import os
import random
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import *

engine = Engine()
client = engine.client()
maker = Maker(seed=91)


def exact(column):
    """psql leaves some characters out of what it prints; hex has them all."""
    return "encode(convert_to(%s::text, 'UTF8'), 'hex')" % column


def unhex(value):
    return bytes.fromhex(value).decode()


# ---- RFC 8785, another hand ----

def number(x):
    """ECMAScript's Number::toString, from Python's shortest digits."""
    if isinstance(x, int):
        return str(x)
    if x == 0:
        return "0"
    sign, digits, exponent = ("-" if x < 0 else ""), *repr_digits(abs(x))
    n, k = exponent, len(digits)
    if k <= n <= 21:
        return sign + digits + "0" * (n - k)
    if 0 < n <= 21:
        return sign + digits[:n] + "." + digits[n:]
    if -6 < n <= 0:
        return sign + "0." + "0" * -n + digits
    e = "%+d" % (n - 1)
    return sign + digits[0] + ("." + digits[1:] if k > 1 else "") + "e" + e


def repr_digits(x):
    """(digits, n): x is 0.digits times ten to the n."""
    mantissa, _, exponent = ("%r" % x).partition("e")
    whole, _, fraction = mantissa.partition(".")
    exponent = int(exponent or 0) + len(whole)
    digits = whole + fraction
    stripped = digits.lstrip("0")
    exponent -= len(digits) - len(stripped)
    return stripped.rstrip("0"), exponent


SHORT = {8: "\\b", 9: "\\t", 10: "\\n", 12: "\\f", 13: "\\r", 34: '\\"', 92: "\\\\"}


def text(s):
    return '"' + "".join(SHORT.get(ord(c)) or ("\\u%04x" % ord(c) if ord(c) < 32 else c) for c in s) + '"'


def jcs(v):
    if v is None:
        return "null"
    if isinstance(v, bool):
        return "true" if v else "false"
    if isinstance(v, (int, float)):
        return number(v)
    if isinstance(v, str):
        return text(v)
    if isinstance(v, list):
        return "[" + ",".join(map(jcs, v)) + "]"
    return "{" + ",".join(text(k) + ":" + jcs(v[k]) for k in sorted(v, key=lambda k: k.encode("utf-16-be"))) + "}"


same([number(x) for x in (1e21, 1e20, 1.5, 1e-6, 1e-7, 123456789.125, 5e-324, 1.7976931348623157e308, -0.0, 333333333.33333329)],
     ["1e+21", "100000000000000000000", "1.5", "0.000001", "1e-7", "123456789.125", "5e-324", "1.7976931348623157e+308", "0", "333333333.3333333"],
     "the numbers of this test are RFC 8785's own examples")

# ---- payloads ----

dice = random.Random(5)


def wild(depth=0):
    kind = dice.randrange(9 if depth < 5 else 6)
    if kind == 0:
        return dice.choice([None, True, False])
    if kind == 1:
        return dice.choice([0, -1, 2 ** 53 - 1, -(2 ** 53 - 1), dice.randrange(-10 ** 6, 10 ** 6), dice.getrandbits(50)])
    if kind in (2, 3):
        while True:
            x = struct.unpack(">d", dice.getrandbits(64).to_bytes(8, "big"))[0]
            if math.isfinite(x) and not 2 ** 53 <= abs(x) < 1e21:
                return x
    if kind in (4, 5):
        return "".join(chr(dice.choice([dice.randrange(1, 32), dice.randrange(32, 127), dice.randrange(0x80, 0xd800), dice.randrange(0xe000, 0x10000),
                                        dice.randrange(0x10000, 0x110000)])) for _ in range(dice.randrange(12)))
    if kind == 6:
        return [wild(depth + 1) for _ in range(dice.randrange(5))]
    return {wild_key(): wild(depth + 1) for _ in range(dice.randrange(6))}


def wild_key():
    return "".join(chr(dice.choice([dice.randrange(32, 127), 0x20ac, 0xfb33, 0x1f600, 0xe000, 0xffff, 0xd7ff, 0x10ffff, 9])) for _ in range(dice.randrange(1, 5)))


def deep(n):
    v = "bottom"
    for i in range(n):
        v = [v] if i % 2 else {"k": v}
    return v


payloads = {
    "text beyond the BMP": {"a": "😀 \U0010ffff \U00010000", "b": "é ü ñ 日本語"},
    "combining characters, not normalised": {"a": "e\u0301", "b": "\u00e9", "c": "\u212b"},
    "all control characters": {"a": "".join(map(chr, range(1, 32))), "b": "\x7f\x80\x9f", "c": "\u2028\u2029"},
    "quotes, slashes and markup": {"a": "\"\\/</script>&'", "b": "\\u0041", "c": "\\"},
    "keys by UTF-16 code units": {"\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\U0001f600": 5, "\x80": 6, "ö": 7, "": 8, "\uffff": 9, "\ue000": 10},
    "floats": {"a": [333333333.33333329, 1e30, 4.5, 2e-3, 1e-27, 5e-324, -0.0, 0.1, 1e21, 1e-6, 1e-7, 1.7976931348623157e308, 9007199254740991.0]},
    "integers at their bound": {"a": [2 ** 53 - 1, -(2 ** 53 - 1), 0, -1, 255, 256, 65536, 2 ** 32]},
    "nothing and everything": {"a": None, "b": True, "c": False, "d": [], "e": {}, "f": ""},
    "deep nesting": {"a": deep(9)},
    "keys that differ in case and length": {"a": 1, "A": 2, "aa": 3, "aA": 4, "Aa": 5, "b": 6},
    "a long text with odd places": {"a": ("x" * 2047 + "\n") * 4 + "\"" * 50 + "é" * 3000},
}
for i in range(300):
    payloads["random %d" % i] = {"r": wild()}
events = []
for name, metadata in payloads.items():
    talk = maker.uuid()
    events.append(maker.event("conversation.created", talk, {"customer_id": maker.uuid(), "initial_channel": "web_chat", "metadata": metadata},
                              conversation_id=talk))
for i in range(0, len(events), 50):
    client.append(events[i:i + 50])
rows = {r[0]: unhex(r[1]) for r in engine.sql("select event_id, %s from verbatim.event_log where tenant_id = '%s'"
                                              % (exact("payload"), maker.tenant))}
wrong = 0
for e, name in zip(events, payloads):
    want = jcs(e["payload"])
    if name.startswith("random"):
        wrong += rows[e["event_id"]] != want
        if rows[e["event_id"]] != want and wrong < 3:
            note("got  %s\nwant %s" % (rows[e["event_id"]], want))
    else:
        same(rows[e["event_id"]], want, "the log has RFC 8785 text: " + name)
same(wrong, 0, "and of 300 random payloads")
read = client.call("read", 1, {"tenant_id": maker.tenant}, 1000)["events"]
differ = [name for e, name, r in zip(events, payloads, read) if jcs(r["payload"]) != jcs(e["payload"])]
same((differ, len(read)), ([], len(events)), "read gives every payload back as it was sent")

client.next += 1
one = maker.event("conversation.created", maker.uuid(), {"customer_id": maker.uuid(), "initial_channel": "web_chat", "metadata": {"f": 0.1}})
packed = msgpack.packb([0, client.next, "append", [[one]]]).replace(b"\xcb" + struct.pack(">d", 0.1), b"\xca" + struct.pack(">f", 0.1))
client.socket.sendall(packed)
client.recv(client.next)
same(json.loads(engine.one("select payload from verbatim.event_log where event_id = '%s'" % one["event_id"]))["metadata"],
     {"f": struct.unpack(">f", struct.pack(">f", 0.1))[0]}, "a float of 32 bits is widened, not guessed")


def bad(name, metadata, replace=None):
    e = maker.event("conversation.created", maker.uuid(), {"customer_id": maker.uuid(), "initial_channel": "web_chat", "metadata": metadata})
    client.next += 1
    data = msgpack.packb([0, client.next, "append", [[e]]], use_bin_type=True)
    client.socket.sendall(data.replace(*replace) if replace else data)
    number = client.next
    error = refused(lambda: client.recv(number), "invalid", name + " is refused", index=0)
    ok(error and (error.field or "").startswith("payload.metadata"), "with its field: %s" % (error and error.field))


bad("an integer beyond 2^53 - 1", {"a": 2 ** 53})
bad("one below its negative", {"a": -2 ** 53})
bad("an integer of 64 bits", {"a": 2 ** 64 - 1})
bad("a float that prints as such an integer", {"a": 1e20})
bad("NaN", {"a": math.nan})
bad("infinity", {"a": [1, math.inf]})
bad("a NUL in a text", {"a": "x\0y"})
bad("a NUL in a key", {"x\0y": 1})
bad("bin", {"a": b"bytes"})
bad("a key that is a number", {"a": {1: 2}})
bad("a time", {"a": msgpack.ExtType(5, b"1234")})
bad("a doubled key", {"aa": 1, "ab": 2}, (b"\xa2ab", b"\xa2aa"))
bad("a text that is no UTF-8", {"a": "xxxx"}, (b"\xa4xxxx", b"\xa4\xc3\x28xx"))
bad("a surrogate", {"a": "xxx"}, (b"\xa3xxx", b"\xa3\xed\xa0\x80"))
bad("an overlong form", {"a": "xx"}, (b"\xa2xx", b"\xa2\xc0\xaf"))
bad("a code point beyond the last", {"a": "xxxx"}, (b"\xa4xxxx", b"\xa4\xf4\x90\x80\x80"))

# ---- the envelope ----

talk = maker.uuid()
addresses = ["10.0.0.1", "10.0.0.0/8", "192.168.1.5/24", "255.255.255.255/32", "0.0.0.0/0", "::1", "::", "2001:db8::ff00:42:8329", "2001:db8::/32",
             "::ffff:192.0.2.1", "1:0:0:2:0:0:0:3", "2001:DB8:0:0:1:0:0:1/128", "fe80::1/64", "::1.2.3.4", "1:2:3:4:5:6:7::", "0:0:0:1::/64"]
for i, address in enumerate(addresses):
    client.append([maker.received(talk, "x", actor_ip=address)])
agents = ["curl/8.0", "\"quoted\" \\ back", "tab\tnew\nline \x1b[31m", "日本 😀", "", "x" * 400, "\x7f\u2028"]
for agent in agents:
    client.append([maker.received(talk, "x", actor_user_agent=agent)])
client.append([maker.event("message.sent", maker.uuid(), {"channel": "email", "direction": "outbound", "sender_type": "agent", "content": "all of it"},
                           conversation_id=talk, customer_id=maker.uuid(), resolution_id=maker.uuid(), actor_type="user", actor_id=maker.uuid(),
                           actor_ip="::1", actor_user_agent="a", correlation_id=maker.uuid(), causation_id=maker.uuid(), silent=True,
                           event_version=1, occurred_at="1583-01-01T00:00:00.000001Z")])
for at in ("2024-02-29T23:59:59.999999Z", "1970-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "2016-12-31T23:59:59.5Z"):
    try:
        client.append([maker.received(talk, "x", occurred_at=at)])
    except RpcError as e:
        note("%s: %s" % (at, e))

names = ["actor_id", "actor_ip", "actor_type", "actor_user_agent", "causation_id", "conversation_id", "correlation_id", "customer_id", "entity_id",
         "entity_type", "event_id", "event_type", "event_version", "occurred_at", "position", "recorded_at", "resolution_id", "shard", "silent", "tenant_id"]
time_text = "to_char(%s at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
rows = engine.sql("select %s, encode(leaf_hash, 'hex'), encode(verbatim.leaf_hash(e), 'hex'), %s, actor_user_agent is null, %s"
                  " from verbatim.event_log e order by shard, position"
                  % (exact("payload"), exact("verbatim.canonical(e)"),
                     ", ".join(time_text % n if n.endswith("_at") else exact(n) if n == "actor_user_agent" else n for n in names)))
log_id = engine.one("select log_id from verbatim.log_identity")
by_sql = by_hand = texts = 0
for payload, leaf, sql_leaf, canonical, no_agent, *values in rows:
    payload, canonical = unhex(payload), unhex(canonical)
    event = {n: v for n, v in zip(names, values) if v != ""}
    if no_agent == "f":
        event["actor_user_agent"] = unhex(event.get("actor_user_agent", ""))
    for n in ("event_version", "position", "shard"):
        event[n] = int(event[n])
    event["silent"] = event["silent"] == "t"
    event["log_id"] = log_id
    event["payload"] = json.loads(payload)
    mine = jcs(event)
    texts += mine != canonical
    by_sql += leaf != sql_leaf
    by_hand += leaf != hashlib.sha256(b"\0" + mine.encode()).hexdigest()
    if (mine != canonical or leaf != sql_leaf) and texts + by_sql < 4:
        note("mine %s\nsql  %s" % (mine, canonical))
same((len(rows) > 330, texts), (True, 0), "verbatim.canonical() is the canonical form of each event, by this other hand")
same(by_sql, 0, "each leaf is verbatim.leaf_hash()'s")
same(by_hand, 0, "and SHA-256's over 0x00 and that text")
same([r[0] for r in engine.sql("select actor_ip from verbatim.event_log where actor_ip is not null order by position limit %d" % len(addresses))],
     [r[0] for r in engine.sql("select a::inet from unnest(array[%s]) with ordinality u(a, n) order by n" % ",".join("'%s'" % a for a in addresses))],
     "addresses are stored as PostgreSQL prints them")
same([e["actor_user_agent"] for e in client.call("read", 1, {"tenant_id": maker.tenant, "conversation_id": talk}, 1000)["events"]
      if "actor_user_agent" in e][:len(agents)], agents, "user agents come back as they were sent")
check_log(engine)
same(engine.stop(), 0, "the engine ends in good order")
done()
