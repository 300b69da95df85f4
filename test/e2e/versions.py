#!/usr/bin/python3
"""versions - a read model comes in another version: what people have built upon its view goes on, and nobody sees a row go back.

One engine at a time.  The same build plays the later versions (core/engine/fault.h): core.conversations loses a column and
gets another.  A login watches every read model all the while; the engine is killed while it catches up and around the switch.
"""
import os
import signal
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib.history import *
from lib.watch import *

server = Server()
engine = Engine(db=server.conninfo, binary=debug_binary())
V = int(engine.one("select version from verbatim.generation where projection = 'core.conversations'"))


def version(more, changes=""):
    """The environment in which the engine has core.conversations so many versions on."""
    return {"VERBATIM_NEXT": "conversations@%d%s" % (V + more, changes)}


TWO = version(1, "-subject+mood")
load = Load(engine.unix, clients=2, tenants=1, seed=51)
load.more(3000)
maker = Maker(seed=52)
customer = maker.customer()
talk = maker.conversation(customer["entity_id"])
own = [customer, talk, maker.received(talk["entity_id"]), maker.received(maker.uuid())]
ack = engine.client().append(own)
shard = ack["shard"]
engine.client().wait(ack)

# What strangers have built upon it: a tenant's login with a view, another role with grants and a policy of its own.
as_ada = server.conninfo.replace("user=postgres", "user=ada")
as_bi = server.conninfo.replace("user=postgres", "user=bi")
table = engine.one("select table_name from verbatim.generation where projection = 'core.conversations' and active")
engine.sql("create role ada login in role verbatim_reader; create role bi login; create role clerk login;"
           "insert into verbatim.role_tenants values ('ada', '%s');"
           "create schema desk authorization ada;" % maker.tenant +
           "grant usage on schema core, generations to bi, clerk; grant select on core.conversations to bi with grant option;"
           "grant select on generations.%s to bi; grant select (id, message_count), update (summary) on generations.%s to clerk;"
           "create policy bi on generations.%s for select to bi, clerk using (message_count >= 0)" % (table, table, table))
ada, bi = Session(as_ada), Session(as_bi)
ada.tell("set app.tenant_id = '%s'" % maker.tenant)
ada.tell("create view desk.talks as select id, subject, message_count from core.conversations")
ada.tell("prepare talks as select count(*), sum(message_count), count(last_position) from core.conversations where id = $1")
ada.tell("prepare mine as select subject, message_count from desk.talks where id = '%s'" % talk["entity_id"])
bi.tell("prepare every as select count(*) > 1, count(distinct tenant_id) > 1 from core.conversations")
before = oids(engine)
watch = Watch(as_ada, read_models(engine), "set app.tenant_id = '%s';" % maker.tenant)


def strangers(when, subject):
    same(ada.tell("execute talks('%s')" % talk["entity_id"]), ["1|1|1"], "a prepared statement in an open session works " + when)
    same(ada.tell("execute mine"), [subject + "|1"], "so does a login's own view, " + when)
    same(bi.tell("execute every"), ["t|t"], "and grants and a policy on view and table, " + when)
    same([r for r in oids(engine) if r in before], before, "every view has its OID " + when)


strangers("at first", "It does not work")
same(engine.stop(), 0, "the engine stops")
engine.start()
ok(engine.settle(), "and starts again")
strangers("after a restart", "It does not work")
same(generations(engine), {1: "answering"}, "there is one generation")
read_files = engine.sql("select xmin from pg_class where relname in ('v_agent_queue', 'v_resolution_dashboard') and relkind = 'v'"
                        " union all select xmin from pg_rewrite where ev_class = 'core.v_agent_queue'::regclass")

# The new version begins, and is held in one shard: people see the old one as it was left.
load.more(200)
same(engine.stop(), 0, "the old version stops")
load.ending.set()
hold(engine, 2, shard)
engine.start(env=TWO)
client = engine.client()
load = [load, Load(engine.unix, clients=2, tenants=1, seed=54, pause=0.5)]
load[1].more(300)
ok(wait_until(lambda: {g["state"] for g in client.call("status")["generations"]} == {"answering", "catching_up"}, 20),
   "status shows the generation that answers and the one that catches up")
new = [g for g in client.call("status")["generations"] if g["state"] == "catching_up"][0]
ok(wait_until(lambda: any(g["generation"] == 2 and g["rate"] > 0 for g in client.call("status")["generations"]), 20), "at a rate")
new = [g for g in client.call("status")["generations"] if g["generation"] == 2][0]
ok(0 < new["position"] < new["head"] and new["left_ms"] > 0, "at a position before the head, with the time that is left: %r" % new)
ok("catching_up" in engine.run("status", "--to", engine.address).stdout, "for people as well")
strangers("while the new version catches up", "It does not work")
same(behind_views(engine), {1}, "every view shows the old generation")
late = maker.received(talk["entity_id"], "not seen yet")
ack = client.append([late])
refused(lambda: client.wait(ack, 1500), "timeout", "wait does not answer by a generation that nobody sees")
same(engine.one("select count(*) from core.messages where id = '%s'" % late["entity_id"]), "0", "for the row is not to be seen")
stale = Session(server.conninfo)
stale.tell("begin isolation level repeatable read")
stale.tell("select count(*) from verbatim.log_identity")
old_snapshot = Session(server.conninfo)
old_snapshot.tell("begin isolation level repeatable read")
old_snapshot.tell("select count(*) from verbatim.log_identity")

# Killed while it catches up: gone on with, not begun again.
engine.kill()
at = {r[0]: int(r[1]) for r in engine.sql("select shard, position from verbatim.checkpoints where generation = 2")}
ok(at and str(shard) not in at, "killed on the way: %r" % at)
engine.sql("update verbatim.lease set expires_at = verbatim.log_now() where owner <> (select owner from verbatim.lease"
           " where name = 'core g2' and shard = %d)" % shard)
engine.start(env=dict(TWO, VERBATIM_FAULT="project.sent=kill@2"))
let_go(engine, 2, shard)
same(engine.wait_exit(60), -signal.SIGKILL, "and killed once more, two batches later")
same(generations(engine), {1: "answering", 2: "new"}, "it is the same generation still")
same(behind_views(engine), {1}, "and still not the one that people see")
same(engine.one("select count(*) from (select shard, first_position, lag(last_position, 1, 0::int8) over (partition by shard order by"
                " first_position) p from verbatim.projection_batch where generation = 2) b where first_position <> p + 1"), "0",
     "each start went on where the last one ended")

# Killed before, in and after the switch; while a reader holds a view, nobody is kept waiting and nothing happens.
for point in ("switch.before=kill@1", "switch.sent=kill@1"):
    engine.sql("update verbatim.lease set expires_at = verbatim.log_now()")
    engine.start(env=dict(TWO, VERBATIM_FAULT=point))
    same(engine.wait_exit(90), -signal.SIGKILL, "killed at " + point)
    shows = behind_views(engine)
    same(len(shows), 1, "all views show one generation: %r" % shows)
    if point.startswith("switch.before"):
        same(shows, {1}, "the old one")
        reader = Session(server.conninfo)
        reader.tell("begin")
        reader.tell("select count(*) from core.messages")
        engine.sql("update verbatim.lease set expires_at = verbatim.log_now()")
        engine.start(env=TWO)
        ok(wait_until(lambda: "trying on" in open(engine.log, errors="replace").read(), 60), "a reader in a transaction is in the way: the switch gives way")
        same(generations(engine), {1: "answering", 2: "new"}, "and people see what they saw")
        watch.more(5)
        engine.kill()
        same(behind_views(engine), {1}, "killed there, nothing has happened")
        reader.tell("commit")
        reader.close()
engine.sql("update verbatim.lease set expires_at = verbatim.log_now()")
engine.start(env=TWO)
client = engine.client(timeout=60)
ok(wait_until(lambda: generations(engine) == {1: "kept", 2: "answering"}, 60), "the next start brings it before the people")
same(behind_views(engine), {2}, "in every view")
same(engine.sql("select v.oid::regclass from pg_depend d join pg_rewrite r on r.oid = d.objid join pg_class v on v.oid = r.ev_class"
                " join verbatim.generation g on format('generations.%I', g.table_name)::regclass = d.refobjid"
                " where d.classid = 'pg_rewrite'::regclass and not g.active"), [], "the analysts' too")
client.wait(ack, 30000)
same(engine.one("select content from core.messages where id = '%s'" % late["entity_id"]), "not seen yet", "wait answers, and the row is there")

# What people have built goes on; what is gone is NULL and says so, what is new comes last.
same(ada.tell("execute talks('%s')" % talk["entity_id"]), ["1|2|1"], "the prepared statement shows the new generation")
same(ada.tell("execute mine"), ["|2"], "the login's own view has its dropped column, empty")
same(bi.tell("execute every"), ["t|t"], "grants and policy went over to the new table")
same(bi.tell("grant select on core.conversations to clerk"), [], "with the grant option")
same(engine.sql("select has_column_privilege('clerk', 'generations.core_conversations_v%d_g2', c, p) from (values"
                " ('message_count', 'select'), ('summary', 'update'), ('summary', 'select')) v (c, p)" % (V + 1)), [["t"], ["t"], ["f"]],
     "column by column")
same(oids(engine), before, "every view has its OID")
columns = [r[0] for r in engine.sql("select column_name from information_schema.columns where table_schema = 'core'"
                                    " and table_name = 'conversations' order by ordinal_position")]
same(columns[-2:], ["last_position", "mood"], "the new column comes last")
ok("subject" in columns, "the dropped one stays")
same(engine.one("select count(*) filter (where mood = 7) - count(*), count(subject) from core.conversations"), "0", "the one is filled")
same(engine.one("select col_description('core.conversations'::regclass, attnum) from pg_attribute where attname = 'subject'"
                " and attrelid = 'core.conversations'::regclass"), "Always null: version %d has no such column." % (V + 1), "the other's comment says that it is gone")
same(engine.sql("select xmin from pg_class where relname in ('v_agent_queue', 'v_resolution_dashboard') and relkind = 'v'"
                " union all select xmin from pg_rewrite where ev_class = 'core.v_agent_queue'::regclass"), read_files,
     "views upon the views were not touched")
for session, when in ((stale, "begun before the new version was whole"),):
    try:
        session.tell("select count(*) from core.conversations")
        ok(False, "a transaction %s sees no half-built rows" % when)
    except RuntimeError as error:
        ok("began too early" in str(error), "a transaction %s sees no half-built rows: %s" % (when, str(error).strip().splitlines()[0]))
same(old_snapshot.tell("select count(*) >= 0 from verbatim.event_log"), ["t"], "but may read the log")
old_snapshot.close()
states = {g["generation"]: g["state"] for g in client.call("status")["generations"]}
same(states, {1: "kept", 2: "answering"}, "status lists the old generation as kept")
for l in load:
    l.finish()
load[0].events.update({e["event_id"]: e for e in own + [late]})
ok(engine.settle(), "the read models come to the head of the log")
watch.more()
same(engine.one(COUNTS), "0", "message counts and last messages equal a fold in SQL")
same(engine.one(MESSAGES), "0", "messages equal a fold in SQL")

# A type that the view cannot show is refused before anything is done; one that begins and is overtaken is swept away.
same(engine.stop(), 0, "version 2 stops")
rows = engine.one("select count(*) from verbatim.generation")
engine.start(env=version(2, "~summary_source"), wait=False)
same(engine.wait_exit(60), 70, "a version that changes a column's type is refused")
ok("summary_source" in engine.tail(3) and "a name of its own" in engine.tail(3), "with what to do: " + engine.tail(1).strip())
same(engine.one("select count(*) from verbatim.generation"), rows, "and leaves nothing")
hold(engine, 3, shard)
engine.start(env=version(2))
ok(wait_until(lambda: engine.one("select count(*) from verbatim.checkpoints where generation = 3") != "0", 30), "version 3 begins")
engine.kill()
engine.sql("update verbatim.lease set expires_at = verbatim.log_now()")
engine.start(env=dict(version(3, "+tone"), VERBATIM_FAULT="switch.done=kill@1"), wait=False)
same(engine.wait_exit(120), -signal.SIGKILL, "version 4 overtakes it, and is killed as soon as it hears that people see it")
same((behind_views(engine), generations(engine)), ({4}, {1: "kept", 2: "kept", 4: "answering"}), "which they do: what was half-built is gone")
engine.sql("update verbatim.lease set expires_at = verbatim.log_now()")
engine.start(env=version(3, "+tone"))
ok(wait_until(lambda: generations(engine) == {1: "kept", 2: "kept", 4: "answering"}, 60), "the next start finds it done")
same(engine.one("select count(*) from pg_class where relname like '%\\_g3'"), "0", "its tables too")
same(engine.one("select count(*) from verbatim.projection_batch where generation = 3"), "0", "and its checkpoints")
same(ada.tell("execute mine"), ["It does not work|2"], "a column that comes back is filled again")
same(engine.one("select count(mood) || ' ' || count(*) - count(tone) from core.conversations"), "0 0", "and the other one is gone")
same([r for r in oids(engine) if r in before], before, "every view has its OID")
watch.stop()
same(watch.wrong[:3], [], "in %d looks at every read model no row went back and none was missing" % watch.rounds)
check_log(engine)
check_acks(engine, *load)
same(engine.stop(), 0, "an orderly end")
done()
