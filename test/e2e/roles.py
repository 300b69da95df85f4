#!/usr/bin/python3
"""roles - every table and view of ours as every role: who is bound to a tenant sees that tenant, analysts no content; and `verbatim role`.

The walk takes the relations from the server's catalog, so what is added to the schemas later is walked as well.  It is
tried on tables that forget what it looks for: each must be found.
"""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import *

ROLES = ["reader", "analyst", "auditor", "engine", "admin"]
SCHEMAS = "('verbatim','generations','core','ai','analytics','audit','integration','cache','analyst')"
# Relations without a tenant's data, and who may read them; all others need a column tenant_id, or are closed to readers and analysts.
TENANTLESS = {"verbatim.generation": {"reader"}, "verbatim.log_identity": {"reader"}, "verbatim.schema_migrations": {"reader"}}

engine = Engine()
client = engine.client()
A, B = Maker(seed=91), Maker(seed=92)
for m in (A, B):
    customer = m.customer()
    m.talk = m.conversation(customer["entity_id"])["entity_id"]
    ack = client.append([m.event("tenant.created", m.tenant, {"name": "Shop"}), customer, m.conversation(customer["entity_id"], m.talk),
                         m.received(m.talk), m.received(m.uuid(), "into no conversation")])
    client.wait(ack)
STRANGERS = [None, "", "acme", "%", A.tenant[:-1], "{%s}" % A.tenant, "'' or true --", "00000000-0000-0000-0000-000000000000",
             "ffffffff-ffff-ffff-ffff-ffffffffffff"]


# ---- verbatim role ----

def role(*words, status=0, name=None, **kw):
    """`verbatim role WORDS`: the lines it prints as objects, or with a status other than 0 what it says."""
    r = engine.run("role", *words, "--data", engine.data, **kw)
    ok(r.returncode == status, name or "role %s: exit status %d" % (" ".join(words), status))
    if r.returncode != status:
        note(r.stdout + r.stderr)
    return [json.loads(line) for line in r.stdout.splitlines()] if status == 0 else r.stderr


def refuses(words, wanted, status=64):
    said = role(*words, status=status)
    ok(wanted in said, "and says why: %s" % wanted)
    if wanted not in said:
        note(said)


refuses(["grant", "ada", "--as", "reader", "--tenant", A.tenant], "--create", status=65)
refuses(["grant", "ada"], "--as ROLE")
refuses(["grant"], "say whom")
refuses(["grant", "ada", "bob", "--as", "reader"], "one login")
refuses(["grant", "ada", "--as", "king", "--create"], "king")
refuses(["grant", "ada", "--as", "reader", "--create", "--tenant", "shop"], "uuid")
refuses(["grant", "ada", "--as", "auditor", "--create", "--tenant", A.tenant], "not bound to tenants")
refuses(["grant", "postgres", "--as", "reader", "--tenant", A.tenant], "superuser")
refuses(["grant", "verbatim_owner", "--as", "reader"], "role of the system")
refuses(["grant", "x" * 64, "--as", "reader", "--create"], "63")
refuses(["grant", "ada", "--as", "reader", "--password-file", "/dev/null"], "--create")
refuses(["grant", "ada", "--as", "reader", "--create", "--password-file", "/dev/null"], "empty")
refuses(["grant", "ada", "--as", "reader", "--create", "--password-file", "/nowhere"], "/nowhere", status=66)
refuses(["revoke", "ada"], "no role 'ada'", status=65)
same(engine.one("select count(*) from pg_roles where rolname in ('ada', 'king')"), "0", "what was refused made nothing")
same(engine.one("select count(*) from verbatim.role_history"), "0", "and left no trace")
same(role("list"), [], "nobody is listed yet")

same(role("grant", "ada", "--as", "reader", "--tenant", A.tenant.upper(), "--create", "--password-file", "-", input="geheim\n"),
     [{"change": "create", "role": "ada"}, {"change": "grant", "role": "ada", "as": "reader"},
      {"change": "grant", "role": "ada", "tenant_id": A.tenant}], "a login is made and bound, each change on a line")
ok(engine.one("select rolpassword like 'SCRAM-SHA-256$%' and rolcanlogin and not rolsuper and not rolcreaterole from pg_authid where rolname = 'ada'")
   == "t", "with a verifier of its password and no other right")
same(role("grant", "ada", "--as", "reader", "--tenant", A.tenant, "--create"), [], "once more: nothing to do")
verifier = engine.one("select rolpassword from pg_authid where rolname = 'ada'")
role("grant", "ada", "--as", "reader", "--create", "--password-file", "-", input="anders\n", name="a password for a login that is there")
same(engine.one("select rolpassword from pg_authid where rolname = 'ada'"), verifier, "changes nothing")
same(role("grant", "ann", "--as", "analyst", "--tenant", A.tenant, "--create")[1], {"change": "grant", "role": "ann", "as": "analyst"}, "an analyst")
same(len(role("grant", "ann", "--tenant", A.tenant, "--tenant", B.tenant)), 1, "what an analyst has stays, what is new is added")
role("revoke", "ann", "--tenant", B.tenant)
refuses(["grant", "ada", "--as", "analyst"], "revoke ada --as reader")
engine.sql("create role plain login; create role \"Odd 'name\" login; create role crowd; create role member login in role crowd")
refuses(["grant", "plain", "--tenant", A.tenant], "neither a reader nor an analyst")
role("grant", "Odd 'name", "--as", "reader", "--tenant", B.tenant, name="a name with a blank and a quote")
role("grant", "crowd", "--as", "reader", "--tenant", B.tenant, name="a role that others are members of")
for name in ("auditor", "engine", "admin"):
    role("grant", "the_" + name, "--as", name, "--create")
rows = {r["role"]: r for r in role("list")}
same(rows["ada"], {"role": "ada", "kind": "login", "as": ["reader"], "inherited": [], "tenants": [A.tenant]}, "list: a login, its role, its tenant")
same((rows["crowd"]["kind"], rows["member"]["as"], rows["member"]["inherited"]), ("group", [], ["reader"]), "and those who come by it through others")
same(role("list", "ann"), [rows["ann"]], "or one alone")
ok("plain" not in rows and "postgres" not in rows, "and nobody else")
table = subprocess.run(["script", "-qec", "%s role list --data %s" % (BINARY, engine.data), "/dev/null"], stdout=subprocess.PIPE,
                       stdin=subprocess.DEVNULL, text=True).stdout
ok(table.lstrip().startswith(("role", "\x1b")) and "ada" in table and "{" not in table, "on a terminal it is a table")

same(engine.sql("select changed_by, change, granted, tenant_id from verbatim.role_history where role_name = 'ann' order by changed_at"),
     [["postgres", "grant", "verbatim_analyst", ""], ["postgres", "grant", "", A.tenant], ["postgres", "grant", "", B.tenant],
      ["postgres", "revoke", "", B.tenant]], "the history has who, what and whose")
for text in ("update verbatim.role_history set change = 'grant'", "delete from verbatim.role_history", "truncate verbatim.role_history"):
    ok("append-only" in engine.sql(text, check=False), "%s: refused, to a superuser too" % text.split()[0])
engine.sql("insert into verbatim.role_tenants values ('plain', '%s'); delete from verbatim.role_tenants where role_name = 'plain'" % A.tenant, user="the_admin")
same(engine.sql("select changed_by, change from verbatim.role_history where role_name = 'plain' order by changed_at"),
     [["the_admin", "grant"], ["the_admin", "revoke"]], "also of what was done by hand")
ok("permission denied" in str(engine.sql("insert into verbatim.role_history (changed_by, change, role_name, granted) values ('ada', 'grant', 'x', 'y')",
                                         user="the_admin", check=False)), "nobody writes it in another's name")

# Who is not a superuser: an admin who may make roles can, everybody else is told what it takes.
engine.sql("create role boss login createrole; grant verbatim_admin to boss")
if int(engine.one("show server_version_num")) >= 160000:
    engine.sql("grant verbatim_reader to boss with admin option")


def as_user(user, *words):
    r = subprocess.run([BINARY, "role", *words, "--db", engine.conninfo(user)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    return r.returncode, r.stdout + r.stderr


same(as_user("boss", "grant", "eve", "--as", "reader", "--tenant", A.tenant, "--create")[0], 0, "an admin with CREATEROLE binds")
same(as_user("boss", "revoke", "eve")[0], 0, "and takes back")
for user in ("the_admin", "the_auditor", "ada"):
    code, words = as_user(user, "grant", "plain", "--as", "reader", "--tenant", A.tenant)
    ok(code == 77 and "CREATEROLE" in words, "%s may not, and is told who may" % user)
same(as_user("the_auditor", "list")[0], 0, "an auditor may list")
same(as_user("ada", "list")[0], 77, "a reader may not")

told = subprocess.run([BINARY, "role", "grant", "crowd", "--tenant", A.tenant, "--data", engine.data], env=dict(engine.env, VERBATIM_LOG="info"),
                      stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True).stderr
ok("'crowd': grant tenant " + A.tenant in told, "the diary tells of it")
role("revoke", "crowd", "--tenant", A.tenant)
same(role("revoke", "crowd", "--as", "reader"), [{"change": "revoke", "role": "crowd", "as": "reader"},
                                                 {"change": "revoke", "role": "crowd", "tenant_id": B.tenant}], "with the role go its tenants")
same(role("revoke", "crowd"), [], "once more: nothing to do")
engine.sql("drop role \"Odd 'name\"")
same([r["kind"] for r in role("list", "Odd 'name")], ["gone"], "a login that was dropped left its tenant behind: list says so")
same(len(role("revoke", "Odd 'name")), 1, "and revoke takes it")

# ---- the walk ----

def fill():
    """Rows of both tenants in every table of the read models, with something in every column; 'open' fits every text and lets the views show it."""
    values = {"uuid": "gen_random_uuid()", "text": "'open'", "varchar": "'open'", "int2": "1", "int4": "1", "int8": "1", "bool": "true",
              "timestamptz": "now()", "jsonb": "'{}'", "_text": "'{open}'", "_uuid": "'{}'", "numeric": "0", "inet": "'10.0.0.1'",
              "bytea": "'x'", "date": "now()", "float8": "0", "interval": "'1 s'", "_int8": "'{}'", "_int4": "'{}'"}
    tables = {}
    for table, column, kind in engine.sql(
            "select c.oid::regclass, a.attname, t.typname from pg_class c join pg_attribute a on a.attrelid = c.oid join pg_type t on t.oid = a.atttypid"
            " where c.relnamespace = 'generations'::regnamespace and c.relkind in ('r', 'p') and a.attnum > 0 and not a.attisdropped order by 1, attnum"):
        tables.setdefault(table, []).append((column, kind))
    rows = []
    for table, columns in tables.items():
        for m in (A, B):
            text = ["'%s'" % m.tenant if c == "tenant_id" else "null" if c == "deleted_at" else values[k] for c, k in columns]
            rows.append("insert into %s (%s) values (%s)" % (table, ", ".join('"%s"' % c for c, _ in columns), ", ".join(text)))
    engine.sql("; ".join(rows))
    return sorted(tables)


def relations():
    """{name: has tenant_id} of every table and view of ours."""
    return {r[0]: r[1] == "t" for r in engine.sql(
        "select n.nspname || '.' || quote_ident(c.relname), exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id')"
        " from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname in %s and c.relkind in ('r','p','v','m','f') order by 1" % SCHEMAS)}


def ask(user, tenant, queries):
    """Each query's rows, or the word of the refusal; one session."""
    script = ["\\set ON_ERROR_STOP off"]
    if tenant is not None:
        script.append("set app.tenant_id = '%s';" % tenant.replace("'", "''"))
    for q in queries:
        script += ["\\echo ==", q + ";"]
    r = subprocess.run(["psql", "-X", "-q", "-A", "-t", "-F", "|", engine.conninfo(user)], input="\n".join(script), stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, text=True)
    return [part.strip() for part in r.stdout.split("==\n")[1:]]


def seen_by(user, tenant, names, having):
    """{relation: set of tenants seen, or count of rows when it has none, or None when it is closed}."""
    queries = ["select coalesce(string_agg(distinct tenant_id::text, ','), '') from %s" % n if having[n] else "select count(*) from %s" % n for n in names]
    result = {}
    for n, answer in zip(names, ask(user, tenant, queries)):
        if "ERROR" in answer:
            result[n] = None if "permission denied" in answer else answer
        else:
            result[n] = {t for t in answer.split(",") if t} if having[n] else int(answer)
    return result


def walk(user, kind, tenants=(A.tenant, B.tenant, *STRANGERS)):
    """What is wrong, as texts: a bound login that sees another tenant, or anything when it names nobody it may name."""
    wrong, having = [], relations()
    names = list(having)
    for tenant in tenants:
        want = {A.tenant} if tenant == A.tenant else set()
        for n, got in seen_by(user, tenant, names, having).items():
            if got is None:
                continue
            if isinstance(got, str):
                wrong.append("%s: %s" % (n, got))
            elif not having[n]:
                if kind not in TENANTLESS.get(n, ()):
                    wrong.append("%s has no tenant_id and is open to %s" % (n, kind))
            elif not got <= want:
                wrong.append("%s shows %s of %s" % (n, user, sorted(got - want)))
    return sorted(set(wrong))


tables = fill()
for m in (A, B):  # somebody looks: a row of each in audit.access
    engine.run("replay", "--db", engine.conninfo(), "--tenant", m.tenant, "--conversation", m.uuid())
    engine.run("key", "create", "--name", "theirs", "--scope", "read", "--tenant", m.tenant, *engine.where())
    engine.run("key", "limit", "--tenant", m.tenant, "events=1000/s", *engine.where())
having = relations()
names = list(having)
ok(len(tables) >= 20 and len(names) >= 60, "%d tables of read models, %d relations in all" % (len(tables), len(names)))
whole = seen_by("postgres", None, names, having)
empty = [n for n in names if having[n] and not (whole[n] or set()) >= {A.tenant, B.tenant}
         and not n.startswith("verbatim.event_log_y") and n not in ("verbatim.role_history", "verbatim.role_tenants",
                                                                  "verbatim.audit_outbox")]  # which the engine empties
same(empty, [], "each that has tenants has rows of both, so that there is something to hide")
for user, kind in (("ada", "reader"), ("ann", "analyst")):
    same(walk(user, kind), [], "%s %s, who may name A, sees A when naming it and nothing else, whatever is named" % (kind, user))
mine = seen_by("ada", A.tenant, names, having)
same([n for n in tables + [n for n in names if n.startswith("core.")] if mine[n] != {A.tenant}], [], "a reader sees its tenant in every read model")
theirs = seen_by("ann", A.tenant, names, having)
analysts = [n for n in names if n.startswith("analyst.")]
ok(len(analysts) >= 20, "there are views for analysts")
same([n for n in analysts if theirs[n] != {A.tenant}], [], "an analyst sees its tenant in every one of them")
same([n for n in names if n.startswith("verbatim.") and theirs[n] is not None], [], "and no event of the log")
log = ["verbatim.event_log", "verbatim.events"]
for user, tenants in (("the_auditor", {A.tenant, B.tenant}), ("the_admin", {A.tenant, B.tenant}), ("plain", None), ("member", None)):
    got = seen_by(user, None, names, having)
    if tenants:
        same([n for n in log if not got[n] >= tenants], [], "%s reads the log of all tenants" % user)
        same([n for n in names if n.startswith("core.") and not got[n] >= tenants], [], "and the read models")
    else:
        same([n for n in names if got[n] is not None], [], "%s, who was given nothing, is let in nowhere" % user)
role("grant", "pair", "--as", "reader", "--tenant", A.tenant, "--tenant", B.tenant, "--create")
same([seen_by("pair", t, ["core.messages"], having)["core.messages"] for t in (A.tenant, B.tenant)], [{A.tenant}, {B.tenant}],
     "a login with two tenants sees the one it names")
role("revoke", "pair", "--tenant", A.tenant)
same(seen_by("pair", A.tenant, ["core.messages"], having), {"core.messages": set()}, "and no longer the one that was taken")

# ---- nobody but the engine writes ----

for user in ("ada", "ann", "the_auditor", "plain"):
    queries = ["begin; %s; rollback" % q for n in names for q in (
        "insert into %s default values" % n, "update %s set tenant_id = tenant_id" % n if having[n] else "update %s set ctid = ctid" % n,
        "delete from %s" % n)] + ["truncate %s" % n for n in names if n in tables or n.startswith("verbatim.event_log")]
    answers = ask(user, A.tenant, queries)
    allowed = [q for q, a in zip(queries, answers) if "permission denied" not in a and "cannot " not in a and "does not exist" not in a]
    same((len(answers), allowed), (len(queries), []), "%s writes nothing, anywhere" % user)
for user in ("ada", "ann", "the_auditor"):
    writable = engine.sql("select c.oid::regclass from pg_class c where c.relnamespace::regnamespace::text in %s and relkind in ('r','p','v')"
                          " and has_table_privilege('%s', c.oid, 'insert, update, delete, truncate, references, trigger')" % (SCHEMAS, user))
    same(writable, [], "%s has no right to write, refer to or hang triggers on anything" % user)
    same(engine.sql("select nspname from pg_namespace where nspname in %s and has_schema_privilege('%s', oid, 'create')" % (SCHEMAS, user)), [],
         "nor to make anything in our schemas")

# ---- functions ----

ours = "p.pronamespace::regnamespace::text in " + SCHEMAS
same(engine.sql("select p.oid::regprocedure from pg_proc p where %s and prosecdef and not coalesce(proconfig, '{}') && '{\"search_path=pg_catalog, pg_temp\"}'" % ours),
     [], "every function that runs with its owner's rights has a fixed search_path")
same(engine.sql("select p.oid::regprocedure from pg_proc p where %s and has_function_privilege('plain', p.oid, 'execute')" % ours),
     [["generations.is_whole(text,integer)"]], "no function of ours is for everybody but the one in every view, which tells of no row")
ours += " and p.proname <> 'is_whole'"
same(engine.sql("select p.oid::regprocedure from pg_proc p where %s and prosecdef and (has_function_privilege('ada', p.oid, 'execute')"
                " or has_function_privilege('the_auditor', p.oid, 'execute')) order by 1" % ours),
     [["verbatim.reading_tenant()"], ["audit.accesses()"], ["core.customers_with(text,text,text)"]], "three of them are for readers")
same(engine.sql("select p.oid::regprocedure from pg_proc p where %s and prosecdef and has_function_privilege('ann', p.oid, 'execute')" % ours),
     [["verbatim.reading_tenant()"]], "one for analysts")
same(engine.sql("select relname from pg_class where relkind = 'v' and relnamespace::regnamespace::text in %s"
                " and not coalesce(reloptions, '{}') && '{security_invoker=true,security_invoker=on}'" % SCHEMAS), [], "every view asks with its reader's rights")
mail = "select count(*) from core.customers_with('email', 'someone@shop.example')"
same([ask("ada", t, [mail]) for t in (A.tenant, B.tenant, None, "x", "")], [["1"], ["0"], ["0"], ["0"], ["0"]], "core.customers_with knows the own tenant's only")
same(ask("ada", A.tenant, ["create temp table customers (tenant_id uuid, id uuid); create temp view customers_too as select * from core.customers",
                           "set search_path = pg_temp, core; " + mail, "set role verbatim_owner", "set role the_auditor",
                           "set session authorization the_auditor", "select verbatim.reading_tenant()"])[1:],
     ["1"] + [a for a in ask("ada", A.tenant, ["set role verbatim_owner", "set role the_auditor", "set session authorization the_auditor"])] + [A.tenant],
     "nor is it led astray by names that come first")
ok(all("permission denied" in a for a in ask("ada", A.tenant, ["set role verbatim_owner", "set role the_auditor", "set session authorization the_auditor"])),
   "nobody becomes somebody else")

# ---- analysts: no content, no personal data ----

MARKER = "none-of-your-business"
free = engine.sql("select c.oid::regclass, attname, case when typname = 'jsonb' then 'jsonb' when typname = '_text' then 'list' else 'text' end"
                  " from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_type t on t.oid = a.atttypid"
                  " where c.relnamespace = 'generations'::regnamespace and c.relkind = 'r' and attnum > 0 and not attisdropped"
                  " and typname in ('text', 'varchar', 'jsonb', '_text') and (atttypmod < 0 or atttypmod > %d + 4)"
                  " and not has_column_privilege('verbatim_analyst', c.oid, attname, 'select')" % len(MARKER))
ok(len(free) >= 60, "%d columns hold what analysts do not read" % len(free))
values = {"jsonb": "'{\"x\": \"%s\"}'" % MARKER, "list": "'{%s}'" % MARKER, "text": "'%s'" % MARKER}
engine.sql("; ".join("update %s set \"%s\" = %s" % (table, column, values[kind]) for table, column, kind in free))
same([n for n, a in zip(analysts, ask("ann", A.tenant, ["select row_to_json(x) from %s x" % n for n in analysts])) if MARKER in a or "ERROR" in a or not a], [],
     "no view of theirs shows any of it, and each shows a row")
columns = engine.sql("select n.nspname || '.' || quote_ident(relname), quote_ident(attname) from pg_attribute a join pg_class c on c.oid = attrelid"
                     " join pg_namespace n on n.oid = relnamespace where nspname in %s and relkind in ('r','p','v') and attnum > 0 and not attisdropped" % SCHEMAS)
answers = ask("ann", A.tenant, ["select %s from %s" % (c, n) for n, c in columns])
same([columns[i] for i, a in enumerate(answers) if MARKER in a], [], "nor does any single column of any relation, asked for by itself (%d of them)" % len(columns))
ok(sum("permission denied" not in a for a in answers) > 300, "though many can be read")
for table, column in (("messages", "content"), ("conversations", "subject"), ("conversations", "summary"), ("conversations", "feedback_comment"),
                      ("customers", "profile"), ("customers", "identity_graph"), ("users", "email"), ("internal_notes", "content"),
                      ("resolution_updates", "content"), ("customer_updates", "content"), ("attachments", "filename"),
                      ("ai_annotations", "suggested_response")):
    below = engine.one("select 'generations.' || table_name from verbatim.generation where active and projection = 'core.%s'" % table)
    a = ask("ann", A.tenant, ["select %s from core.%s" % (column, table), "select %s from %s" % (column, below), "select %s from analyst.%s" % (column, table),
                              "select t from %s t" % below, "select 1 from %s order by %s" % (below, column), "select %s from %s limit 0" % (column, below)])
    ok(all("permission denied" in x or "does not exist" in x for x in a), "core.%s.%s: no way to it" % (table, column))
    ok("withheld from analysts" in engine.one("select col_description('core.%s'::regclass, attnum) from pg_attribute where attrelid = 'core.%s'::regclass"
                                              " and attname = '%s'" % (table, table, column)), "which its comment says")
    ok(column in engine.one("select obj_description('analyst.%s'::regclass)" % table), "and that of the analysts' view")
same([n for n in ("core.knowledge_base_categories", "core.conversation_transitions") if theirs[n] != {A.tenant}], [],
     "what withholds nothing can be read under its own name too")
same(theirs["core.messages"], None, "what withholds something is closed as a whole")
same(engine.sql("select tablename, attname from pg_stats where schemaname = 'generations'", user="ann"), [], "the planner's statistics tell nothing either")

# ---- a table that forgets, is found ----

def forgets(name, make, words, user="ada", kind="reader"):
    engine.sql(make)
    found = walk(user, kind, (A.tenant, B.tenant, None))
    ok(any(name in w and words in w for w in found), "found: %s (%s)" % (name, words))
    same([w for w in found if name not in w], [], "and nothing else")
    engine.sql("drop %s %s" % ("view" if " view " in make else "table", name))


below = engine.one("select 'generations.' || table_name from verbatim.generation where active and projection = 'core.messages'")
rows = "insert into %%s values ('%s', 1), ('%s', 2)" % (A.tenant, B.tenant)
forgets("core.no_policy", "create table core.no_policy (tenant_id uuid, x int); grant select on core.no_policy to verbatim_reader; " + rows % "core.no_policy", B.tenant)
forgets("generations.all_see_all", "create table generations.all_see_all (tenant_id uuid, x int); select verbatim.guard_table('generations.all_see_all');"
        "drop policy tenant on generations.all_see_all; create policy tenant on generations.all_see_all for select to verbatim_reader using (true); "
        + rows % "generations.all_see_all", B.tenant)
forgets("analytics.asked_for", "create table analytics.asked_for (tenant_id uuid, x int); grant select on analytics.asked_for to verbatim_analyst;"
        "alter table analytics.asked_for enable row level security; create policy p on analytics.asked_for"
        " using (tenant_id::text = current_setting('app.tenant_id', true)); " + rows % "analytics.asked_for", B.tenant, user="ann", kind="analyst")
forgets("core.owners_view", "create view core.owners_view as select * from %s; grant select on core.owners_view to verbatim_reader" % below, B.tenant)
forgets("audit.no_tenant", "create table audit.no_tenant (x int); grant select on audit.no_tenant to public; insert into audit.no_tenant values (1)", "no tenant_id")

# A guarded one is not, nor a view over ours: those under it ask with the reader's rights still.
engine.sql("create view core.upon as select * from core.messages; grant select on core.upon to verbatim_reader;"
           "create table generations.good (tenant_id uuid, x int); select verbatim.guard_table('generations.good'); " + rows % "generations.good")
same((walk("ada", "reader"), walk("ann", "analyst")), ([], []), "a guarded table passes")
same(seen_by("ada", A.tenant, ["core.upon"], {"core.upon": True}), {"core.upon": {A.tenant}}, "and so does a view over one of ours")
engine.sql("drop table generations.good; drop view core.upon")

# ---- marks that change, and a view that people built upon theirs ----

below = engine.one("select 'generations.' || table_name from verbatim.generation where active and projection = 'core.teams'")
engine.sql("grant select (description) on %s to verbatim_analyst; drop view analyst.teams; create view analyst.teams with (security_invoker = true) as"
           " select id, tenant_id, name, description from %s; create view public.my_teams with (security_invoker = true) as select * from analyst.teams;"
           "alter view analyst.teams owner to verbatim_owner; grant select on analyst.teams to verbatim_analyst; grant select on public.my_teams to ann" % (below, below))
same(engine.sql("select count(*) from public.my_teams where description is not null", user="ann"), [["0"]], "a session without a tenant")
ok(MARKER in ask("ann", A.tenant, ["select max(description) from public.my_teams"])[0], "a view from a time when a column was open")
same(engine.stop(), 0, "the engine stops")
engine.start()
same(ask("ann", A.tenant, ["select count(*), count(description), count(name) > 0 from public.my_teams", "select description from %s" % below])[0], "1|0|t",
     "after a start with the column withheld it is null, and what was built on the view still works")
ok("permission denied" in ask("ann", A.tenant, ["select description from %s" % below])[0], "and the table's column is closed")
ok("routing_mode" in [r[0] for r in engine.sql("select attname from pg_attribute where attrelid = 'analyst.teams'::regclass")], "what the view lacked it has now")
rights = ("select c.oid::regclass, a.attname, c.xmin, c.relacl, a.xmin, a.attacl from pg_class c join pg_attribute a on a.attrelid = c.oid"
          " where relnamespace::regnamespace::text in ('analyst', 'core', 'generations') and c.relkind in ('r', 'v') and c.relname !~ '^v_'")
before = engine.sql(rights)
same(engine.stop(), 0, "the engine stops")
engine.start()
same([r for r in engine.sql(rights) if r not in before], [], "a start with nothing new changes no right and no view")
same(engine.stop(), 0, "the engine ends in good order")
done()
