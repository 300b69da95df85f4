#!/usr/bin/python3
"""protocol_page - every byte that core/engine/PROTOCOL.md shows, sent to a fresh engine and compared.

Lines of the page's hex blocks: > to the engine, < from it, ; a remark.  {name:16} are so many bytes of the engine's
choice, {name} is one whole MessagePack value; a name that comes again stands for the same bytes.
"""
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import *

PAGE = os.path.join(ROOT, "core", "engine", "PROTOCOL.md")


def examples(text):
    """[(name, [(direction, tokens)])], one for each block; tokens are hex or {placeholders}."""
    found = []
    for before, block in re.findall(r"\n([^\n]+)\n\n```hex\n(.*?)```", text, re.S):
        parts = []
        for line in block.splitlines():
            line = line.split(";")[0].rstrip()
            direction, tokens = line[0], line[1:].split()
            if not parts or parts[-1][0] != direction or not line.startswith(direction + "  "):
                parts.append((direction, []))
            parts[-1][1].extend(tokens)
        found.append((re.sub(r"[*`:]", "", before), parts))
    return found


def value_length(data):
    unpacker = msgpack.Unpacker(raw=True, strict_map_key=False)
    unpacker.feed(data)
    unpacker.skip()
    return unpacker.tell()


class Stream:
    """What the engine sends, taken piece by piece."""

    def __init__(self, connection):
        self.connection, self.data = connection, b""

    def more(self):
        piece = self.connection.recv(1 << 16)
        if not piece:
            raise EOFError
        self.data += piece

    def take(self, count):
        while len(self.data) < count:
            self.more()
        taken, self.data = self.data[:count], self.data[count:]
        return taken

    def take_value(self):
        while True:
            try:
                return self.take(value_length(self.data))
            except msgpack.OutOfData:
                self.more()


def differs(stream, tokens, names):
    """None, or where the first difference is."""
    for i, token in enumerate(tokens):
        placeholder = re.fullmatch(r"\{(\w+)(?::(\d+))?\}", token)
        if placeholder:
            name, count = placeholder.groups()
            got = stream.take(int(count)) if count else stream.take_value()
            if name != "message" and names.setdefault(name, got) != got:
                return "token %d: %s was %s, is %s" % (i, token, names[name].hex(), got.hex())
        else:
            got = stream.take(len(token) // 2)
            if got.hex() != token:
                return "token %d: got %s, the page says %s" % (i, got.hex(), token)
    return None


with open(PAGE) as page:
    found = examples(page.read())
ok(len(found) >= 8, "the page has its examples")
for method in ("hello", "append", "read", "ping"):
    ok(any(bytes([0xa0 + len(method)]).hex() + " " + method.encode().hex() in " ".join(tokens)
           for _, parts in found for direction, tokens in parts if direction == ">"), "one of them is of %s" % method)

engine = Engine()
ok(engine.run("help", "scopes").stdout.split("\n\n")[0].strip() in open(PAGE).read(), "its table of scopes is the program's")
connection = socket.create_connection(engine.address.split(":"), timeout=30)
stream, names = Stream(connection), {}
for name, parts in found:
    for direction, tokens in parts:
        if direction == ">":
            connection.sendall(bytes.fromhex("".join(tokens).replace("{key:109}", engine.key.encode().hex())))
            continue
        try:
            difference = differs(stream, tokens, names)
        except EOFError:
            difference = "the engine closed the connection"
        if not ok(difference is None and not stream.data, name):
            note(difference or "then came %s, which the page has not" % stream.data.hex())
same(connection.recv(1), b"", "after the last one the engine has closed the connection")
same(engine.one("select log_id from verbatim.log_identity").replace("-", ""), names["log_id"].hex(), "log_id is the log's")
same(engine.one("select encode(leaf_hash, 'hex') from verbatim.event_log where shard = 2"), names["leaf"].hex(), "leaf is the event's")
same(engine.one("select count(*) from verbatim.event_log where shard = 2"), "1", "and that event is all that was stored")
same(engine.stop(), 0, "the engine ends in good order")
done()
