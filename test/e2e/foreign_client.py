#!/usr/bin/python3
"""foreign_client - a MessagePack-RPC client nobody here wrote, unchanged: pynvim's sessions speak to the engine.

It packs with its own packer, numbers its own requests and, as it does with every server, begins with a
notification of its own that means nothing here.
"""
import os
import sys
import time
import uuid

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import *

try:
    from pynvim import msgpack_rpc
except ImportError:
    skip_all("python3-pynvim is not installed")


class Refused(Exception):
    pass


def refusal(session, *call):
    session.error_wrapper = Refused
    try:
        session.request(*call)
    except Refused as error:
        return error.args[0]
    return None


engine = Engine()
host, port = engine.address.split(":")
maker = Maker()
customer = maker.customer()
conversation = maker.conversation(customer["entity_id"])

session = msgpack_rpc.tcp_session(host, int(port))
answer = refusal(session, "append", [customer])
ok(answer and "hello" in str(answer), "before hello its request is refused, in words")
hello = session.request("hello", 1, engine.key, "pynvim")
same((hello["version"], len(hello["log_id"])), (1, 16), "hello over TCP")
ack = session.request("append", [customer, conversation, maker.received(conversation["entity_id"])], {})
same((ack["last"] - ack["first"], ack["duplicates"]), (2, []), "append of three events")
reached = session.request("wait", ["conversations"],
                          [ack["log_id"], ack["epoch"], ack["shard"], ack["last"], ack["leaf"]], 30000)
ok(reached["position"] >= ack["last"], "wait")
same(engine.sql("select message_count from core.conversations"), [["1"]], "and the row is there")
read = session.request("read", 1, {"tenant_id": maker.tenant}, 10)
same([e["event_type"] for e in read["events"]], ["customer.created", "conversation.created", "message.received"],
     "read gives the events back")
same(read["events"][2]["payload"]["content"], "Where is my parcel?", "with their payloads")
same(uuid.UUID(bytes=read["events"][0]["event_id"]), uuid.UUID(customer["event_id"]), "and their ids")
same(session.request("ping", "hello there"), "hello there", "ping")
answer = refusal(session, "append", [dict(customer, surprise=1)])
ok(answer and "surprise" in str(answer), "a refused event is an error of the session, naming the field")
same(session.request("ping", 1), 1, "after which the session goes on")
session.close()

local = msgpack_rpc.socket_session(engine.unix)
same(local.request("hello", 1, "", "pynvim")["log_id"], hello["log_id"], "hello over a Unix socket")
again = local.request("append", [customer, conversation])
same([d[0] for d in again["duplicates"]], [0, 1], "where the same events are duplicates")
order = []
tail = local._async_session.request("read", [4, {"tenant_id": maker.tenant}, 10, 60000],
                                    lambda error, result: (order.append("tail"), local.stop()))
local._async_session.request("ping", [7], lambda error, result: order.append("ping"))
other = engine.client()
other.append([maker.received(conversation["entity_id"], "Anybody?")])
local.run(None, None)
same(order[-1], "tail", "a read that waits is answered when something comes, out of order")
local.close()
same(engine.stop(), 0, "the engine ends in good order")
done()
