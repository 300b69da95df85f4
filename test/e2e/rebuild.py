#!/usr/bin/python3
"""rebuild - read models are folded anew while clients append and people read; what is rebuilt is what is live.

A login watches every read model all the while: no row goes back, no table is empty.  Then what a person may do wrong: rows
changed by hand, two rebuilds at once, a reader in the way, an unfinished one.
"""
import os
import signal
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib.history import *
from lib.rebuilds import *
from lib.watch import *

engine = Engine(binary=debug_binary())

# Nothing, and next to nothing.
outcome = command(engine, "rebuild", "--all")
same(outcome.status, 0, "an empty log is rebuilt: %r" % outcome)
ok(engine.settle(), "and the engine goes on")
holds(engine, "with what there is")
maker = Maker(seed=71)
customer = maker.customer()
talk = maker.conversation(customer["entity_id"])
lost = maker.uuid()
client = engine.client(timeout=60)
ack = client.append([customer])
client.wait(ack)
same(command(engine, "rebuild", "customers").status, 0, "one event is")
client.wait(client.append([talk, maker.received(talk["entity_id"]), maker.received(lost, "to nobody")]))
same(engine.one("select count(*) from core.customers"), "1", "the row is there")
same(command(engine, "rebuild", "anomalies", "--check").status, 0, "anomalies are")
ok(int(engine.one("select count(*) from core.anomalies")) > 0, "and are the same")

# Under load, with people's own objects upon the views.
generate(engine, 150, 5)
as_ada = engine.conninfo("ada")
engine.sql("create role ada login in role verbatim_reader; insert into verbatim.role_tenants values ('ada', '%s');"
           "create schema desk authorization ada; create role clerk login; grant usage on schema core, generations to clerk;" % maker.tenant)
ada = Session(as_ada)
ada.tell("set app.tenant_id = '%s'" % maker.tenant)
ada.tell("create view desk.talks as select id, subject, message_count from core.conversations")
ada.tell("prepare talks as select count(*), max(message_count) from desk.talks")
table = engine.one("select table_name from verbatim.generation where projection = 'core.conversations' and active")
engine.sql("grant select (id, message_count) on generations.%s to clerk" % table)
before = oids(engine)
watch = Watch(as_ada, read_models(engine), "set app.tenant_id = '%s';" % maker.tenant)
load = Load(engine.unix, clients=3, tenants=2, seed=72)
load.more(300)
events = len(rebuilt_events(engine))
for words in (["conversations"], ["rollup_15m", "core.messages"], ["--all"], ["--all", "--memory", "1M", "--jobs", "2"], ["sla_clocks", "--check"]):
    count = load.count()
    shown = engine.one("select max(generation) from verbatim.generation where active")
    outcome = command(engine, "rebuild", *words)
    same(outcome.status, 0, "rebuild %s under load: %r" % (" ".join(words), outcome))
    note("held %d us, readers %d us" % (outcome.summary.get("held_us", -1), outcome.summary.get("switch_us", -1)))
    same(outcome.summary.get("from_generation"), int(shown), "it takes the place of the generation that answered")
    same(behind_views(engine), {outcome.summary.get("to_generation")} if words[0] == "--all" else behind_views(engine), "every view shows the new one")
    same(ada.tell("execute talks"), ["1|1"], "a login's own view and prepared statement work")
    same(engine.one("select has_column_privilege('clerk', 'generations.' || table_name, 'message_count', 'select') from verbatim.generation"
                    " where projection = 'core.conversations' and active"), "t", "so do grants on the table")
    load.more(50)
    ok(load.count() > count, "appends went on")
    if "1M" in words:
        ok(outcome.summary["spilled"] > 1000, "with next to no memory %d rows went into files" % outcome.summary["spilled"])
    if "--check" in words:
        same(outcome.summary["differences"], 0, "and compared with what was live it is the same")
same(oids(engine), before, "every view has its OID")
same(shadows(engine), [], "nothing is left about")
told = rebuilt_events(engine)[events:]
same([len(e["read_models"]) for e in told], [1, 2, len(read_models(engine)), len(read_models(engine)), 1], "each is an event of the system tenant")
ok(all(e["time_zones"] and not e["forced"] and len(e["shards"]) == 5 for e in told), "that says what there is to say")
load.finish()
ok(engine.settle(), "the read models come to the head of the log")
holds(engine, "live, rebuilt and folded anew are the same rows")

# Two at once.
first = command(engine, "rebuild", "messages", env={"VERBATIM_FAULT": "rebuild.copied=stop"}, wait=False)
ok(wait_until(lambda: open("/proc/%d/stat" % first.pid).read().rsplit(")", 1)[1].split()[0] == "T", 60), "one is stopped half-way")
second = command(engine, "rebuild", "conversations")
same(second.status, 75, "a second one is refused")
ok("pid %d" % first.pid in second.error, "and told who is at it: " + second.error)
first.send_signal(signal.SIGCONT)
same(finish(first).status, 0, "the first one goes on to its end")

# A reader in a transaction is in the way for a while.
reader = Session(as_ada)
reader.tell("begin")
reader.tell("select count(*) from core.messages")
process = command(engine, "rebuild", "messages", wait=False)
wait_until(lambda: False, 2)
watch.more(5)
same(process.poll(), None, "the switch waits for a reader in a transaction, and others read on")
reader.tell("commit")
reader.close()
same(finish(process).status, 0, "then it comes")

# Who will not let readers wait longer is told when no moment comes, and what is written waits.
shown = generations(engine)
reader = Session(as_ada)
reader.tell("begin")
reader.tell("select count(*) from core.messages")
process = command(engine, "rebuild", "messages", "--readers-wait", "1ms", wait=False)
outcome = finish(process)
same((outcome.status, generations(engine), len(shadows(engine))), (75, shown, 1), "a reader who stays ends it: %r" % outcome)
ok("what is written waits" in outcome.error, "it says what to do")
reader.tell("commit")
reader.close()
outcome = command(engine, "rebuild", "messages")
same((outcome.status, outcome.summary.get("resumed")), (0, True), "the next one goes on with it: %r" % outcome)

# Not switched yet.
shown = generations(engine)
outcome = command(engine, "rebuild", "users", "--no-switch")
same((outcome.status, generations(engine)), (0, shown), "--no-switch leaves people what they see")
same(len(shadows(engine)), 1, "and a shadow")
ok(wait_until(lambda: [r["state"] for r in client.call("status")["rebuilds"]] == ["waiting"], 60), "status tells that it waits")
same(command(engine, "rebuild", "teams", "--resume").status, 65, "which is not that of another read model")
outcome = command(engine, "rebuild", "users", "--resume")
same((outcome.status, outcome.summary.get("resumed")), (0, True), "the next one goes on with it: %r" % outcome)
same(command(engine, "rebuild", "users", "--resume").status, 65, "and then there is nothing to resume")
same(command(engine, "rebuild", "conversation").status, 64, "a name that is none is refused")
same(command(engine, "rebuild").status, 64, "so is no name")

# What somebody changed by hand is found, and put right.
table = engine.one("select table_name from verbatim.generation where projection = 'core.messages' and active")
victim = engine.sql("select tenant_id, id from core.messages order by id limit 3")
engine.sql("update generations.%s set content = 'forged' where id = '%s'; delete from generations.%s where id = '%s';"
           "insert into generations.%s select * from generations.%s where false;" % (table, victim[0][1], table, victim[1][1], table, table) +
           "update generations.%s set id = '%s' where id = '%s'" % (table, lost, victim[2][1]))
outcome = command(engine, "check", "messages")
same(outcome.status, 1, "check finds rows that somebody changed")
same(sorted((d["difference"], d["id"]) for d in outcome.differences),
     sorted([("values", victim[0][1]), ("missing", victim[1][1]), ("missing", victim[2][1]), ("surplus", lost)]), "each with what is wrong")
forged = [d for d in outcome.differences if d["difference"] == "values"][0]
same((list(forged["columns"]), forged["columns"]["content"]["live"]), (["content"], "forged"), "and the column")
shown = generations(engine)
outcome = command(engine, "rebuild", "messages", "--check")
same((outcome.status, len(outcome.differences), generations(engine)), (1, 4, shown), "a rebuild that compares does not switch then")
same(shadows(engine), [], "and leaves nothing")
outcome = command(engine, "rebuild", "messages", "--check", "--force")
same(outcome.status, 1, "forced, it does, and says so: %r" % outcome)
same((rebuilt_events(engine)[-1]["forced"], rebuilt_events(engine)[-1]["read_models"][0]["differences"]), (True, 4), "also in the event")
ok(engine.settle(), "the engine goes on")
holds(engine, "and what was changed is right again")
watch.stop()
same(watch.wrong[:3], [], "in %d looks at every read model no row went back and none was missing" % watch.rounds)

# Back, and away with it.
client.wait(client.append([maker.received(talk["entity_id"], "since then")]))
outcome = command(engine, "rebuild", "--switch-back")
same(outcome.status, 0, "back to the tables of before: %r" % outcome)
same(engine.one("select content from core.messages where id = '%s'" % victim[0][1]), "forged", "a row that nobody touched is as it was")
same(engine.one("select count(*) from core.messages where content = 'since then'"), "1", "what came since is there")
client.wait(client.append([maker.received(talk["entity_id"], "and now")]))
same(engine.one("select count(*) from core.messages where content = 'and now'"), "1", "and what comes")
same(command(engine, "rebuild", "--all").status, 0, "forward again")
dropped = command(engine, "rebuild", "--drop-old")
ok(dropped.status == 0 and dropped.summary["dropped"] > 0, "the old ones go")
same(len(generations(engine)), 1, "one generation is left")
ok(wait_until(lambda: [e[0] for e in generation_events(engine)].count("generation.dropped") >= dropped.summary["dropped"]
              and engine.one("select count(*) from verbatim.audit_outbox") == "0", 60), "which is told by an event of the system tenant each")
same([e for e in generation_events(engine) if e[0] == "generation.shown"], [], "what a rebuild shows is told by its own, there and back")
wait_until(lambda: False, 4)  # clocks are looked at every second
with open(engine.log, errors="replace") as diary:
    same([line for line in diary if "does not exist" in line][:3], [], "and nothing in the diary tells of tables that went")
same(command(engine, "rebuild", "--switch-back").status, 65, "and there is no way back any more")

# What the database refused, as somebody had told it to, is folded when it does so no more.
table = engine.one("select table_name from verbatim.generation where projection = 'core.messages' and active")
engine.sql("alter table generations.%s add constraint no_poison check (content is distinct from 'poison')" % table)
client.wait(client.append([maker.received(talk["entity_id"], "poison")]))
same(engine.one("select count(*) from core.anomalies where code = 'row_refused'"), "1", "an event whose row is refused is an anomaly")
outcome = command(engine, "check")
same((outcome.status, {d["read_model"] for d in outcome.differences} >= {"core.messages", "core.anomalies"}), (1, True), "check tells of it")
same(command(engine, "rebuild", "--all").status, 0, "a rebuild")
same(engine.one("select count(*) from core.messages where content = 'poison'"), "1", "folds it")
same(engine.one("select count(*) from core.anomalies where code = 'row_refused'"), "0", "and it is no anomaly any more")
same(engine.stop(), 0, "the engine stops")
engine.args += ["--check-every", "2s"]
engine.start()
ok(engine.settle(), "and starts on rebuilt tables")
client = engine.client()
client.wait(client.append([maker.received(talk["entity_id"], "after a restart")]))
holds(engine, "and all is well")

# By itself, now and then.
ok(wait_until(lambda: client.call("status")["check"]["checks"] > 1, 60), "the engine compares by itself")
same((client.call("status")["check"]["differences"], client.call("status")["check"]["error"]), (0, ""), "and finds nothing")
ok("hold what the log says" in engine.run("status", "--to", engine.address).stdout, "status says so")
table = engine.one("select table_name from verbatim.generation where projection = 'core.users' and active")
engine.sql("update generations.%s set current_conversation_count = 77 where id = (select min(id::text)::uuid from generations.%s)" % (table, table))
ok(wait_until(lambda: client.call("status")["check"]["differences"] == 1, 60), "a row that somebody changes is found")
same(client.call("status")["check"]["differing"], "core.users", "with the name of its read model")
ok("rows are not what the log says" in engine.tail(50), "the diary tells")
same(engine.stop(), 0, "an orderly end")
done()
