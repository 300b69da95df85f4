#!/usr/bin/python3
"""versions_engines - engines of two versions on one database: the old one keeps what people see up to date until the new one is whole.

All the while somebody writes through one engine, waits on the other, and must find the row.  Then an old engine beside the
newer generation: it goes on with its own, shows nothing by itself, can be switched back to, and is refused when that is gone.
"""
import os
import signal
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib.history import *
from lib.watch import *

server = Server()
old = Engine(db=server.conninfo, binary=debug_binary())
V = int(old.one("select version from verbatim.generation where projection = 'core.conversations'"))
NEXT = {"VERBATIM_NEXT": "conversations@%d-subject+mood" % (V + 1)}
load = Load(old.unix, clients=2, tenants=1, seed=61)
load.more(2000)
maker = Maker(seed=62)
customer = maker.customer()
talk = maker.conversation(customer["entity_id"])
own = [customer, talk]
ack = old.client().append(own)
shard = ack["shard"]
old.client().wait(ack)
watch = Watch(server.conninfo, read_models(old))


class Echo(threading.Thread):
    """Writes through one engine, waits on another, reads; each row must be there."""

    def __init__(self, *engines):
        super().__init__(daemon=True)
        self.engines, self.events, self.wrong, self.slow = engines, [], [], 0
        self.ending = threading.Event()
        self.start()

    def run(self):
        try:
            reader = Session(server.conninfo)
            clients = [e.client(timeout=60) for e in self.engines]
            while not self.ending.is_set():
                e = maker.received(talk["entity_id"])
                self.events.append(e)
                own.append(e)
                ack = clients[len(self.events) % len(clients)].append([e])
                try:
                    clients[(len(self.events) // 2) % len(clients)].wait(ack, 20000)
                except RpcError as error:
                    self.slow += error.code == "timeout"
                    continue
                if reader.tell("select count(*) from core.messages where id = '%s'" % e["entity_id"]) != ["1"]:
                    self.wrong.append((len(self.events), ack["last"]))
            reader.close()
        except Exception as e:
            self.wrong.append(repr(e))

    def more(self, count=20):
        aim = len(self.events) + count
        return wait_until(lambda: len(self.events) >= aim or not self.is_alive(), 90)

    def stop(self):
        self.more(5)
        self.ending.set()
        self.join(60)


hold(old, 2, shard)
new = Engine(db=server.conninfo, binary=debug_binary(), env=NEXT)
twin = Engine(db=server.conninfo, binary=debug_binary(), env=NEXT)
load.addresses += [new.unix, twin.unix]
ok(wait_until(lambda: generations(old) == {1: "answering", 2: "new"}, 20), "two engines of the new version begin beside the old one")
echo = Echo(old, new, twin)
ok(echo.more(), "what is written through any engine is seen after waiting on any")
same(generations(old), {1: "answering", 2: "new"}, "in the old generation, which its engine keeps up to date")
same(echo.slow, 0, "without a time-out")
states = [g["state"] for e in (old, new) for g in e.client().call("status")["generations"] if g["generation"] == 2]
same(states, ["unfinished", "catching_up"], "the old engine tells of the new generation, but does not fold it")
ok(all(e.client().call("status")["ready"] for e in (old, new, twin)), "all three are ready")
let_go(old, 2, shard)
ok(wait_until(lambda: generations(old) == {1: "kept", 2: "answering"}, 60), "let go, the new one comes as far, and is shown")
same(behind_views(old), {2}, "in every view")
ok(echo.more(), "what is written through any engine is seen after waiting on any, the old one too")
same(echo.slow, 0, "without a time-out")
same(old.one("select count(*) from core.conversations where mood is distinct from 7"), "0", "in the new shape")
ok("people see generation 2" in new.tail(99) + twin.tail(99), "the diary tells")

# The old engine goes on with its own generation, which can be switched back to, and nothing switches forward by itself.
load.finish()
echo.stop()
watch.more()
watch.stop()
same(watch.wrong[:3], [], "in %d looks at every read model no row went back and none was missing" % watch.rounds)
same(echo.wrong[:3], [], "in %d writes none was waited for and not there" % len(echo.events))


def sums(number):
    """What every table of a generation holds, without what the versions differ in."""
    return [old.sql("select count(*), md5(string_agg((to_jsonb(t) - 'subject' - 'mood')::text, '' order by id, tenant_id)) from generations.%s t" % r[0])
            for r in old.sql("select table_name from verbatim.generation where generation = %d order by projection" % number)]


ok(wait_until(lambda: len({r[0] for r in old.sql("select position from verbatim.checkpoints where shard = %d" % shard)}) == 1, 30),
   "the old engine folds its own generation to the head")
ok(wait_until(lambda: sums(1) == sums(2), 10), "both generations hold the same")
same(old.one("set role verbatim_admin; select verbatim.switch_generation('core', 1)"), "switched", "an admin switches back")
same(old.one("select count(*) filter (where subject is null) || ' ' || count(mood) from core.conversations"), "0 0", "to the old shape")
time.sleep(3)
same(generations(old), {1: "answering", 2: "kept"}, "and it stays, whatever the new engines think")
for e in (old, new):
    echo = Echo(e)
    echo.more(6)
    echo.stop()
    same((echo.wrong[:3], echo.slow), ([], 0), "read your writes on %s engine" % ("the old" if e is old else "the new"))
refused_drop = old.sql("select verbatim.drop_generation('core', 1)", check=False)
ok("answers" in str(refused_drop), "the one that answers cannot be dropped")
same(old.one("select verbatim.drop_generation('core', 2)"), "f", "nor one that an engine folds")
same(old.one("select verbatim.switch_generation('core', 2)"), "switched", "and forward again, by hand")
same(old.one("select verbatim.switch_generation('core', 2)"), "answers", "once is enough")

# An old engine that starts beside the newer generation.
same((twin.stop(), old.stop()), (0, 0), "an old and a new engine stop")
old.start()
client = old.client()
ok(wait_until(lambda: client.call("status")["ready"], 30), "an old engine starts beside the newer generation and takes events")
own.append(maker.received(talk["entity_id"]))
ack = client.append(own[-1:])
client.wait(ack, 20000)
same(old.one("select last_position >= %d from core.conversations where id = '%s'" % (ack["last"], talk["entity_id"])), "t",
     "its wait goes by what people see, which the new one folds")
same(generations(old), {1: "kept", 2: "answering"}, "and it changes nothing")
same(new.stop(), 0, "the new engine stops")
own.append(maker.received(talk["entity_id"]))
ack = client.append(own[-1:])
refused(lambda: client.wait(ack, 3000), "timeout", "without it, waiting on the old one does not pretend")
ok(wait_until(lambda: old.one("select position >= %d from verbatim.checkpoints where generation = 1 and shard = %d" % (ack["last"], shard)) == "t", 30),
   "though its own generation has the event")
same(old.stop(), 0, "the old engine stops")
same(old.one("set role verbatim_admin; select verbatim.drop_generation('core', 1)"), "t", "the old generation is dropped by an admin")
same(old.one("select count(*) from pg_class where relname like '%\\_g1'"), "0", "with its tables")
same(old.one("select count(*) from verbatim.projection_batch where generation = 1"), "0", "and its checkpoints")
old.start(wait=False)
same(old.wait_exit(60), 70, "now the old version is refused")
ok("newer verbatim (core.conversations %d)" % (V + 1) in old.tail(1) and "upgrade" in old.tail(1), "in words: " + old.tail(1).strip())
new.start()
ok(new.settle(), "the new one starts")
same(generations(new), {2: "answering"}, "on its generation")
told = [["generation.shown", "core g2"], ["generation.shown", "core g1"], ["generation.shown", "core g2"], ["generation.dropped", "core g1"]]
ok(wait_until(lambda: generation_events(new) == told, 60), "each change is an event of the system tenant, once: by an engine, back and forth and dropped by hand")
same(generation_events(new), told, "in their order")
same(new.sql("select payload->>'actor', payload->'scope'->'read_models'->>'core.conversations' from verbatim.event_log where shard = 0"
             " and payload->>'action' = 'generation.dropped'"), [["postgres", str(V)]], "with who it was and what versions they had")
ok(wait_until(lambda: new.one("select count(*) from audit.access where resource_type = 'generation'") == "4", 30), "audit.access shows them")
check_log(new)
load.events.update({e["event_id"]: e for e in own})
check_acks(new, load)
same(new.stop(), 0, "an orderly end")
done()
