#!/usr/bin/python3
"""reading_rights - a tenant's login sees its tenant and nothing else, and nobody rewrites the log, not even a superuser."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import *

engine = Engine()
client = engine.client()
A, B = Maker(seed=81), Maker(seed=82)
for m in (A, B):
    customer = m.customer()
    talk = m.conversation(customer["entity_id"])
    user = m.event("user.created", m.uuid(), {"email": "a@b.example", "role": "agent"})
    team = m.event("team.created", m.uuid(), {"name": "Night"})
    m.talk = talk["entity_id"]
    ack = client.append([m.event("tenant.created", m.tenant, {"name": "Shop"}), customer, talk, user, team,
                         m.event("channel.connected", m.uuid(), {"type": "email", "name": "Mail"}),
                         m.event("conversation.assigned", m.talk, {"agent_id": user["entity_id"], "assigned_by": "manual"}),
                         m.received(m.talk), m.received(m.uuid(), "into no conversation")])
    issue, message, promise = m.uuid(), m.uuid(), m.uuid()
    policy = {"name": "P", "tier": "free", "first_response_time_minutes": 5, "resolution_time_minutes": 60, "is_default": True}
    ack = client.append([
        m.event("sla_policy.created", promise, policy), m.event("sla_policy.reapply", promise, {"all": True}),
        m.event("automation_rule.created", m.uuid(), {"name": "R", "trigger_event": "message.received", "conditions": [], "actions": []}),
        m.event("kb_category.created", m.uuid(), {"name": "C", "slug": "c"}),
        m.event("kb.created", m.uuid(), {"title": "T", "slug": "t", "content": "x"}),
        m.event("attachment.added", m.uuid(), {"message_id": message, "filename": "a", "original_filename": "a", "content_type": "text/plain",
                                               "size_bytes": 1, "storage_key": "k"}),
        m.event("ai.annotated", m.uuid(), {"message_id": message, "intent": "unknown", "intent_confidence": 1, "severity": "P3",
                                           "severity_confidence": 1, "sentiment": "neutral", "model_version": "m"}),
        m.event("resolution.created", issue, {"conversation_id": m.talk, "issue_type": "ops", "owning_team": "infra"}),
        m.event("resolution.note_added", issue, {"content": "looking"}),
        m.event("swarm.created", m.uuid(), {"resolution_id": issue, "slack_channel_id": "C", "slack_channel_name": "c"}),
        m.event("customer_update.scheduled", m.uuid(), {"resolution_id": issue, "conversation_id": m.talk, "update_type": "acknowledgement",
                                                        "content": "soon", "channel": "email"}),
        m.event("note.added", m.uuid(), {"conversation_id": m.talk, "content": "n"})])
    client.wait(ack)
engine.sql("create role acme login in role verbatim_reader; create role nobody_s login in role verbatim_reader;"
           "create role pair login in role verbatim_reader; create role crowd nologin; create role member login in role verbatim_reader, crowd;"
           "create role outsider login;"
           "insert into verbatim.role_tenants values ('acme', '%s'), ('pair', '%s'), ('pair', '%s'), ('crowd', '%s')"
           % (A.tenant, A.tenant, B.tenant, B.tenant))

relations = [r[0] for r in engine.sql("select n.nspname || '.' || c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace"
                                      " where n.nspname = 'core' and c.relkind = 'v' order by 1")]
LOG = ["verbatim.events", "verbatim.event_log"]
ok(len(relations) >= 10, "there are read models to look at: %s" % ", ".join(relations))


def counts(role, tenant, names):
    """{relation: (rows, tenants)} as this login sees them after naming this tenant."""
    text = "set app.tenant_id = '%s';" % tenant if tenant is not None else ""
    text += " union all ".join("select '%s', count(*), coalesce(string_agg(distinct tenant_id::text, ','), '') from %s" % (n, n) for n in names)
    return {r[0]: (int(r[1]), r[2]) for r in engine.sql(text, user=role)}


whole = {n: int(engine.one("select count(*) from %s where tenant_id = '%s'" % (n, A.tenant))) for n in relations + LOG}
full = [n for n in relations + LOG if whole[n]]
same(set(relations) - set(full), set(), "each of them has rows of the tenant")
same(counts("acme", A.tenant, full), {n: (whole[n], A.tenant) for n in full}, "a login that names its tenant sees all of it and nothing else")
same(counts("acme", A.tenant.upper(), full)["verbatim.events"], (whole["verbatim.events"], A.tenant), "upper case names the same")
same(counts("acme", B.tenant, full), {n: (0, "") for n in full}, "naming another tenant it sees no rows")
for words, value in (("unset", None), ("empty", ""), ("no uuid", "acme"), ("a wildcard", "%"), ("nearly one", A.tenant[:-1]),
                     ("one with braces", "{%s}" % A.tenant), ("one with a blank", A.tenant + " "), ("injection", "'' or true --"),
                     ("a nil uuid", "00000000-0000-0000-0000-000000000000"), ("the system tenant", "00000000-0000-8000-8000-000000000000")):
    same(counts("acme", value.replace("'", "''") if value else value, full), {n: (0, "") for n in full},
         "app.tenant_id %s: no rows and no error" % words)
same(counts("nobody_s", A.tenant, full), {n: (0, "") for n in full}, "a login without a row in role_tenants sees nothing")
same([counts("pair", t, ["verbatim.events"])["verbatim.events"][1] for t in (A.tenant, B.tenant)], [A.tenant, B.tenant],
     "a login with two tenants sees the one it names")
same(counts("member", B.tenant, ["core.conversations"]), {"core.conversations": (1, B.tenant)}, "a row of a role counts for its members")
same(counts("member", A.tenant, ["core.conversations"]), {"core.conversations": (0, "")}, "and only for what it names")
same(engine.sql("set app.tenant_id = '%s'; set role crowd" % A.tenant, user="acme", check=False)[:5], "ERROR", "no other role can be taken on")
same(engine.sql("set app.tenant_id = '%s'; select count(*) from core.conversations c where c.tenant_id = '%s' or true or c.id = '%s'"
                % (A.tenant, B.tenant, B.talk), user="acme"), [["1"]], "whatever the query asks for")
leak = engine.sql("set app.tenant_id = '%s'; select count(*) from core.conversations where 1 / (case when tenant_id = '%s' then 0 else 1 end) = 1"
                  % (A.tenant, B.tenant), user="acme", check=False)
same(leak, [["1"]], "nor does an error in a condition tell of other tenants' rows")


def denied(role, text, name, words="permission denied"):
    result = engine.sql("set app.tenant_id = '%s'; " % A.tenant + text, user=role, check=False)
    ok(isinstance(result, str) and words in result, name)
    if not (isinstance(result, str) and words in result):
        note(result)


underlying = [r[0] for r in engine.sql(
    "select distinct d.refobjid::regclass::text from pg_rewrite w join pg_depend d on d.objid = w.oid and d.classid = 'pg_rewrite'::regclass"
    " and d.refclassid = 'pg_class'::regclass join pg_class v on v.oid = w.ev_class join pg_class t on t.oid = d.refobjid"
    " where v.oid = 'core.conversations'::regclass and t.relkind in ('r', 'p')")]
ok(underlying, "the tables below are %s" % underlying)
for table in ["core.conversations", "verbatim.events", "verbatim.event_log"] + underlying:
    for what, text in (("insert", "insert into %s (tenant_id) values ('%s')" % (table, A.tenant)), ("update", "update %s set tenant_id = tenant_id" % table),
                       ("delete", "delete from %s" % table)):
        denied("acme", text, "a reader cannot %s %s" % (what, table))
for table in ["verbatim.event_log"] + underlying:
    denied("acme", "truncate " + table, "a reader cannot truncate " + table)
if underlying:
    same(engine.sql("set app.tenant_id = '%s'; select count(*), min(tenant_id::text) from %s" % (A.tenant, underlying[0]), user="acme", check=False),
         [["1", A.tenant]], "the table below a view shows no more than the view") \
        if not isinstance(engine.sql("select 1 from %s" % underlying[0], user="acme", check=False), str) else \
        ok(True, "the table below a view is closed")
leaf = engine.one("select inhrelid::regclass from pg_inherits where inhparent = 'verbatim.event_log'::regclass order by 1 limit 1")
denied("acme", "select * from " + leaf, "a reader cannot go round the log's parent to a leaf")
for name in ("role_tenants", "log_batch", "log_tile", "log_month"):
    denied("acme", "select * from verbatim." + name, "nor read verbatim." + name)
denied("acme", "insert into verbatim.role_tenants values ('acme', '%s')" % B.tenant, "nor give itself a tenant")
for call in ("verbatim.adopt('me', 'why')", "verbatim.make_leaf('2030-01-01')", "verbatim.init_log(4::int2)", "verbatim.guard_table('core.conversations')"):
    denied("acme", "select " + call, "nor call " + call.split("(")[0])
denied("acme", "create table core.mine (x int)", "nor make tables beside the read models")
denied("acme", "create function verbatim.reading_tenant(x int) returns uuid language sql as 'select null::uuid'", "nor functions beside the engine's")
for name in ("core.conversations", "verbatim.events", "verbatim.event_log"):
    denied("outsider", "select count(*) from " + name, "a login that is no reader has no access to " + name)
same(engine.sql("set app.tenant_id = '%s'; select count(*) from verbatim.events where leaf_hash is null" % A.tenant, user="acme"), [["0"]],
     "a reader reads the leaves")
same(engine.sql("set app.tenant_id = '%s'; select count(*) from verbatim.event_log e where verbatim.leaf_hash(e) <> e.leaf_hash" % A.tenant, user="acme"),
     [["0"]], "and can check them")

# ---- the log is append-only ----

rows = engine.one("select count(*) from verbatim.event_log")
leaves = [r[0] for r in engine.sql("select inhrelid::regclass from pg_inherits where inhparent = 'verbatim.event_log'::regclass")]
filled = [l for l in leaves if engine.one("select count(*) from " + l) != "0"]
for table in ["verbatim.event_log"] + leaves + ["verbatim.log_batch", "verbatim.log_tile", "verbatim.log_epoch"]:
    column = engine.one("select attname from pg_attribute where attrelid = '%s'::regclass and attnum = 1" % table)
    for text in ("update %s set %s = %s" % (table, column, column), "delete from " + table, "truncate " + table):
        result = engine.sql(text, check=False)
        ok(isinstance(result, str) and "append-only" in result, "a superuser's %s of %s is refused" % (text.split()[0], table))
for text in ("update %s set payload = '{}'" % filled[0], "delete from %s where position = 1" % filled[0], "truncate " + filled[0],
             "truncate verbatim.event_log cascade"):
    for setting in ("set role verbatim_owner", "set session_replication_role = replica"):
        result = engine.sql("%s; %s" % (setting, text), check=False)
        ok(isinstance(result, str) and "append-only" in result, "%s; %s: refused" % (setting, text))
for role in ("verbatim_engine", "verbatim_admin", "verbatim_auditor"):
    for text in ("update verbatim.event_log set silent = true", "delete from verbatim.event_log", "truncate verbatim.event_log"):
        result = engine.sql("set role %s; %s" % (role, text), check=False)
        ok(isinstance(result, str) and ("permission denied" in result or "append-only" in result), "%s may not %s" % (role, text.split()[0]))
same(engine.one("select count(*) from verbatim.event_log"), rows, "after all of which every event is there")

# ---- the agents' queue ----

q = Maker(seed=83, tenant=A.tenant)
customer = q.customer()
rows = []
for name, severity, state in (("p3", "P3", "open"), ("none", None, "open"), ("p0", "P0", "open"), ("p2", "P2", "awaiting_agent"), ("p1", "P1", "escalated"),
                              ("done", "P0", "resolved"), ("waits", "P0", "awaiting_customer"), ("again", "P1", "reopened")):
    talk = q.conversation(customer["entity_id"])
    talk["payload"]["subject"] = name
    events = [customer, talk] if name == "p3" else [talk]
    if severity:
        events.append(q.event("conversation.severity_changed", talk["entity_id"], {"to": severity}))
    if state == "awaiting_agent":
        events.append(q.event("conversation.assigned", talk["entity_id"], {"agent_id": q.uuid(), "assigned_by": "manual"}))
    if state == "escalated":
        events.append(q.event("conversation.escalated", talk["entity_id"], {"reason": "angry"}))
    if state in ("resolved", "reopened"):
        events.append(q.event("conversation.resolved", talk["entity_id"], {"by": "agent"}))
    if state == "reopened":
        events.append(q.received(talk["entity_id"], "no, it is not"))
    if state == "awaiting_customer":
        events.append(q.sent(talk["entity_id"]))
    rows.append((name, talk["entity_id"], state))
    client.wait(client.append(events))
mine = "set app.tenant_id = '%s'; " % A.tenant
names = {id: name for name, id, _ in rows}
queue = engine.sql(mine + "select id, state, severity, customer_name from core.v_agent_queue", user="acme")
ours = [(names[r[0]], r[1]) for r in queue if r[0] in names]
same(sorted(ours), sorted((n, s) for n, _, s in rows if s in ("open", "awaiting_agent", "escalated", "reopened")),
     "the queue has what waits for an agent: open, awaiting_agent, escalated, reopened")
order = [{"P0": 1, "P1": 2, "P2": 3}.get(r[2], 4) for r in queue]
same(order, sorted(order), "most severe first, those without a severity last")
same({r[3] for r in queue if r[0] in names}, {"Ada"}, "with the customer's name")
same(engine.sql(mine + "select count(*) from core.v_agent_queue where tenant_id <> '%s'" % A.tenant, user="acme"), [["0"]], "and of no other tenant")
same(engine.sql("select count(*) from core.v_agent_queue", user="acme"), [["0"]], "without a tenant it is empty")
want = ["id", "customer_id", "state", "severity", "current_channel", "first_response_due_at", "resolution_due_at", "assigned_agent_id",
        "assigned_team_id", "customer_name", "last_message_at", "message_count", "sla_breached", "urgency_score"]
columns = [r[0] for r in engine.sql("select attname from pg_attribute where attrelid = 'core.v_agent_queue'::regclass and attnum > 0 order by attnum")]
same(columns[:len(want)], want, "its columns are those that were asked for, in their order")
# No clock sets due times yet; the order among equals is tried on rows given by hand, in a transaction that is undone.
due = engine.sql("begin; update %s set first_response_due_at = now() + case subject when 'p3' then interval '1 hour' else interval '-1 hour' end,"
                 " severity = 'P3' where tenant_id = '%s' and subject in ('p3', 'p2');"
                 "select subject, q.sla_breached, q.urgency_score > 0 from core.v_agent_queue q join core.conversations c using (tenant_id, id)"
                 " where q.severity = 'P3' and q.tenant_id = '%s' order by q.urgency_score desc; rollback" % (underlying[0], A.tenant, A.tenant)) \
    if underlying else []
same(due, [["p2", "t", "t"], ["p3", "f", "f"]], "among equals the one furthest past its promise comes first, and says so")
check_log(engine)
same(engine.stop(), 0, "the engine ends in good order")
done()
