#!/usr/bin/python3
"""queue_plans - the agents' queue and the resolutions' dashboard answer from indexes, however long the history.

QUEUE_PLANS_ROWS conversations (200,000 by itself; a million takes a minute) are put straight into the tables, with
their customers, resolutions and users; then the questions people ask are explained as they run, by a reader's login with
row security on.  No sequential scan of anything big, and no more pages than the answer is worth.
"""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import *

ROWS = int(os.environ.get("QUEUE_PLANS_ROWS", "200000"))
BIG = 10000  # rows of a table that is not to be read through

engine = Engine()
tenant = Maker(seed=71).tenant
role = engine.run("role", "grant", "ada", "--as", "reader", "--tenant", tenant, "--create", "--data", engine.data)
same(role.returncode, 0, "a reader")
for setting in ("autovacuum = off", "maintenance_work_mem = '256MB'"):
    engine.sql("alter system set " + setting)
engine.sql("select pg_reload_conf()")


def table(name):
    return "generations." + engine.one("select table_name from verbatim.generation where active and projection = 'core.%s'" % name)


def fill(name, rows, **given):
    """`rows` rows of a read model: `given` columns as expressions over i, for the rest whatever it must have.  Indexes last."""
    plain = {"uuid": "md5('x' || i)::uuid", "text": "'x'", "varchar": "'x'", "bool": "false", "timestamptz": "now()", "jsonb": "'{}'",
             "_text": "'{}'", "_uuid": "'{}'"}
    target = table(name)
    columns = engine.sql("select attname, typname, attnotnull from pg_attribute a join pg_type t on t.oid = atttypid"
                         " where attrelid = '%s'::regclass and attnum > 0 and not attisdropped order by attnum" % target)
    given = dict({"tenant_id": TENANT, "id": key(name, "i"), "last_position": "i"}, **given)
    chosen = [(c, given.get(c) or plain.get(kind, "1")) for c, kind, must in columns if c in given or must == "t"]
    assert set(given) <= {c for c, _ in chosen}, given
    indexes = [r[0] for r in engine.sql("select indexdef from pg_indexes where schemaname || '.' || tablename = '%s' and indexdef not like '%%UNIQUE%%'" % target)]
    names, keys = (engine.one("select string_agg(%s, ', ') from %s" % words) for words in (
        ("indexrelid::regclass::text", "pg_index where indrelid = '%s'::regclass and not indisprimary" % target),
        ("format('add constraint %I %s', conname, pg_get_constraintdef(oid))", "pg_constraint where contype = 'p' and conrelid = '%s'::regclass" % target)))
    engine.sql("; ".join([
        "alter table %s set unlogged" % target, "drop index " + names, "alter table %s drop constraint %s" % (target, keys.split()[2]),
        "insert into %s (%s) select %s from generate_series(1, %d) i" % (target, ", ".join(c for c, _ in chosen), ", ".join(e for _, e in chosen), rows),
        "alter table %s %s" % (target, keys)] + indexes + ["analyze " + target]))


# Ids that can be computed from a number; four fifths of all rows are one tenant's.  hash(i, n): a number under n that i does not tell.
TENANT = "case when i %% 5 < 4 then '%s' else ('00000000-0000-4000-8000-00000000000' || i %% 7)::uuid end" % tenant


def key(name, n):
    return "md5('%s' || (%s))::uuid" % (name, n)


def number(n, salt):
    return "(abs(hashint8extended(i, %d)) %% %d)" % (salt, n)


AGENTS, TEAMS = 200, 10
started = time.monotonic()
fill("users", AGENTS, display_name="'Agent ' || i", tenant_id="'%s'" % tenant)
fill("customers", ROWS * 3 // 10, profile="jsonb_build_object('name', 'Customer ' || i, 'company', repeat('x', 40))", created_at="now()",
     tenant_id="case when %s < 8 then '%s' else gen_random_uuid() end" % (number(10, 1), tenant))
fill("conversations", ROWS, customer_id=key("customers", number(ROWS * 3 // 10, 2) + " + 1"),
     state="case when %s > 0 then case when %s < 3 then 'awaiting_customer' else 'resolved' end"
           " else (array['open','awaiting_agent','escalated','reopened'])[1 + %s] end" % (number(100, 3), number(100, 4), number(4, 5)),
     severity="(array['P0','P1','P1','P2','P2','P2','P3','P3',null,null])[1 + %s]" % number(10, 6),
     assigned_agent_id=key("users", number(AGENTS, 7) + " + 1"), assigned_team_id=key("teams", number(TEAMS, 8) + " + 1"),
     first_response_due_at="case when %s < 7 then now() + %s * interval '1 s' - interval '1 day' end" % (number(10, 9), number(172800, 10)),
     resolution_due_at="case when %s < 7 then now() + %s * interval '1 s' - interval '2 days' end" % (number(10, 11), number(345600, 12)),
     created_at="now() - %s * interval '1 s'" % number(31536000, 13), last_message_at="now() - %s * interval '1 s'" % number(604800, 14),
     message_count=number(20, 15), subject="repeat('s', 60)")
fill("swarms", ROWS // 1000, slack_channel_name="'swarm-' || i")
fill("resolutions", ROWS // 10, conversation_id=key("conversations", number(ROWS, 16) + " + 1"),
     status="case when %s > 2 then 'resolved' else 'investigating' end" % number(100, 17),
     priority="(array['P0','P1','P1','P2','P2','P2','P3','P3'])[1 + %s]" % number(8, 18),
     owning_team="(array['backend','infra','ops'])[1 + %s]" % number(3, 19), owner_id=key("users", number(AGENTS, 20) + " + 1"),
     swarm_id=key("swarms", number(ROWS // 1000, 21) + " + 1"), created_at="now() - %s * interval '1 s'" % number(31536000, 22))
note("filled in %.1f s" % (time.monotonic() - started))
mine = "set app.tenant_id = '%s'; " % tenant
big = {r[0] for r in engine.sql("select relname from pg_class where relnamespace = 'generations'::regnamespace and relkind = 'r' and reltuples > %d" % BIG)}
waiting = int(engine.sql(mine + "select count(*) from core.v_agent_queue", user="ada")[0][0])
pending = int(engine.sql(mine + "select count(*) from core.v_resolution_dashboard", user="ada")[0][0])
note("%d conversations, %d wait for an agent of this tenant; %d resolutions are open; read through would be: %s" % (ROWS, waiting, pending, sorted(big)))
ok(waiting > ROWS // 200 and pending > ROWS // 1000 and len(big) == 3, "there is something to find, and something to go astray in")


def nodes(plan):
    yield plan
    for child in plan.get("Plans", []):
        yield from nodes(child)


def explain(query, user="ada", setting=mine):
    """The plan as it ran, once the session knows the catalog."""
    text = "explain (analyze, buffers, timing off, format json) " + query
    out = engine.sql(setting + "set jit = off; %s; %s" % (text, text), user=user)[0][0]
    first, end = json.JSONDecoder().raw_decode(out)
    return json.loads(out[end:])[0]["Plan"]


def answers(query, pages, rows=None, **kw):
    plan = explain(query, **kw)
    read = [n["Relation Name"] for n in nodes(plan) if n["Node Type"] == "Seq Scan" and n["Relation Name"] in big]
    used = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
    good = not read and used <= pages and (rows is None or plan["Actual Rows"] == rows)
    ok(good, "%s: %d pages, no more than %d" % (query, used, pages))
    if not good:
        for n in nodes(plan):
            note("  %s %s %s: %d rows, %d pages %s" % (n["Node Type"], n.get("Relation Name", ""), n.get("Index Name", ""), n["Actual Rows"] * n["Actual Loops"],
                                                     n["Shared Hit Blocks"] + n["Shared Read Blocks"], n.get("Filter", "")))


agent = engine.one("select %s" % key("users", "7"))
team = engine.one("select %s" % key("teams", "3"))
queue = "select * from core.v_agent_queue"
# A row shown costs its own page, and at most four to find its customer.
answers(queue + " limit 50", 500, 50)
answers(queue + " where severity = 'P0' limit 50", waiting // 8 + 500, 50)
answers(queue + " where assigned_agent_id = '%s' limit 50" % agent, waiting // 10 + 500)
answers(queue + " where assigned_agent_id = '%s' order by last_message_at limit 50" % agent, waiting // 10 + 500)
answers(queue + " where assigned_team_id = '%s' limit 50" % team, waiting // 2 + 500, 50)
answers(queue + " where assigned_team_id = '%s' and state = 'escalated' limit 50" % team, waiting + 500)
answers(queue + " where sla_breached limit 50", 1000, 50)
# The whole of what waits, in another order than its own: each row once, whatever lies behind it.
answers("select id, state, last_message_at from core.v_agent_queue order by last_message_at limit 50", 2 * waiting + 500, 50)
answers(queue + " order by last_message_at limit 50", 6 * waiting + 500, 50)
answers("select state, count(*) from core.v_agent_queue group by state", 2 * waiting + 500, 4)
answers(queue + " limit 50", 20, 0, setting="")
answers(queue + " limit 50", 20, 0, setting="set app.tenant_id = '00000000-0000-4000-8000-000000000001'; ")

open_ones = "select * from core.v_resolution_dashboard"
answers(open_ones + " order by priority, created_at limit 50", 1000, 50)
answers(open_ones + " where owning_team = 'infra' order by priority, created_at limit 50", 2000, 50)
answers(open_ones + " where priority = 'P0' order by created_at limit 50", 1000, 50)
answers(open_ones + " order by age_hours desc limit 50", 2 * pending + 1000, 50)
answers(open_ones, 20 * pending + 500, pending)
answers("select owning_team, count(*) from core.v_resolution_dashboard group by 1", 2 * pending + 500, 3)
answers(open_ones + " order by priority limit 50", 20, 0, setting="")

# The queue's order is still the one that was asked for: by severity, then by urgency_score, nulls last.
asked = ("select string_agg(concat(r, ':', u), ' ') from (select case severity when 'P0' then 1 when 'P1' then 2 when 'P2' then 3 else 4 end r, u from %s"
         " where tenant_id = '" + tenant + "' order by 1, 2 desc nulls last limit 2000) s")
bare = ("(select tenant_id, severity, greatest(extract(epoch from now() - first_response_due_at), extract(epoch from now() - resolution_due_at)) u"
        " from core.conversations where state in ('open', 'awaiting_agent', 'escalated', 'reopened') and deleted_at is null) b")
shown = ("select string_agg(concat(case severity when 'P0' then 1 when 'P1' then 2 when 'P2' then 3 else 4 end, ':', urgency_score), ' ')"
         " from (select * from core.v_agent_queue limit 2000) q")
same(engine.sql("set app.tenant_id = '%s'; select (%s) = (%s)" % (tenant, asked % bare, shown), user="ada"), [["t"]], "the order is what it says")
same(engine.sql(mine + "select count(customer_name) > 0, count(*) from (select * from core.v_agent_queue limit 1000) q", user="ada"), [["t", "1000"]],
     "with customers' names")
same(engine.sql(mine + "select count(swarm_channel) > 0, count(owner_name) > 0, count(customer_name) > 0 from core.v_resolution_dashboard", user="ada"),
     [["t", "t", "t"]], "and the dashboard with its swarm, owner and customer")
same(engine.stop(), 0, "the engine ends in good order")
done()
