#!/usr/bin/python3
"""smoke - the main job once: events in over TCP and a Unix socket, acknowledged, in the log, in the read models."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import *

engine = Engine()
client = engine.client()
maker = Maker()
customer = maker.customer()
conversation = maker.conversation(customer["entity_id"])
ack = client.append([customer, conversation, maker.received(conversation["entity_id"])])
same(ack["last"] - ack["first"], 2, "three events stand at three positions")
same(ack["duplicates"], [], "none was there before")
client.wait(ack)
same(engine.sql("select state, message_count from core.conversations"), [["open", "1"]], "the conversation shows")
again = client.append([customer, conversation])
same([d[0] for d in again["duplicates"]], [0, 1], "the same events once more are duplicates")
local = Client(engine.unix)
reply = local.append([maker.sent(conversation["entity_id"])])
same(reply["first"], ack["last"] + 1, "a Unix socket appends to the same log")
events = local.call("read", 1, {"tenant_id": maker.tenant}, 10)["events"]
same([e["event_type"] for e in events], ["customer.created", "conversation.created", "message.received", "message.sent"],
     "read gives them back in order")
check_log(engine)
same(engine.stop(), 0, "the engine ends in good order")
ok(engine.postmaster() is None, "and its PostgreSQL with it")
done()
