#!/usr/bin/python3
"""support_chat - fourteen years of real support traffic, twice, against a fold written by another hand.

79,812 events of 14 tenants go in over TCP by `verbatim append --wait`; the second time all of them are duplicates.
What the read models then show is compared, row by row, with a fold in Python written from the page of state
machines, not from projections/; its SLA clocks (lib/promises.py) reckon business time on their own, too.  The file's
promises hold day and night, so one tenant's history goes in once more for a tenant with office hours in Berlin.
At the end the log is folded again, by replay --into and by a rebuild: the same rows, each of them.
The data is no part of the project; without it the test is skipped.
"""
import collections
import gzip
import math
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import *
from lib import promises
from lib.replays import differing
from lib.rollups import DAY, QUARTER, Rollups, stored

DATA = os.path.join(os.path.dirname(ROOT), "shared", "data", "support-chat.ndjson.gz")
if not os.path.exists(DATA):
    skip_all("support-chat.ndjson.gz is not there")

with gzip.open(DATA, "rt", encoding="utf-8") as lines:
    EVENTS = [json.loads(line) for line in lines]


# ---- the other hand ----

# What a message, an assignment, a transfer makes of each state; a state that is missing stays as it is.
ON_CUSTOMER = {"awaiting_customer": "awaiting_agent"}
ON_AGENT = {"open": "awaiting_customer", "awaiting_agent": "awaiting_customer", "reopened": "awaiting_customer"}
ON_ASSIGNED = {"open": "awaiting_agent", "reopened": "awaiting_agent"}


class Conversation:
    def __init__(self, e):
        p = e["payload"]
        self.customer_id = p["customer_id"]
        self.state, self.previous_state, self.substate = "open", "", "initialized"
        self.initial_channel = self.current_channel = p["initial_channel"]
        self.channels = [p["initial_channel"]]
        self.assigned_team_id = p.get("assigned_team_id", "")
        self.assigned_agent_id = self.intent = self.severity = self.sentiment = ""
        self.sla_tier, self.subject = p["sla_tier"], p.get("subject", "")
        self.message_count = self.transfer_count = self.reopen_count = self.resolve_count = 0
        self.last_message_at = self.last_customer_message_at = self.last_agent_message_at = ""
        self.first_response_at = self.resolved_at = self.reopened_at = self.first_assigned_at = self.first_resolved_at = ""
        self.resolution_code = self.resolved_by = ""
        self.created_at = self.state_changed_at = e["occurred_at"]

    def go(self, state, e):
        if state != self.state:
            self.previous_state, self.state, self.state_changed_at = self.state, state, e["occurred_at"]


def earlier(a, b):
    return min(a, b) if a and b else a or b


class Fold:
    """Times stay text: all of them have six digits and Z, so that they compare as they stand."""

    def __init__(self):
        self.conversations, self.messages, self.anomalies = {}, {}, []
        self.post_resolve = set()

    def take(self, e):
        kind, p, at = e["event_type"], e["payload"], e["occurred_at"]
        tenant = e["tenant_id"]
        key = (tenant, e.get("conversation_id"))
        c = self.conversations.get(key)
        if kind == "conversation.created":
            self.conversations[(tenant, e["entity_id"])] = Conversation(e)
        elif kind in ("message.received", "message.sent"):
            self.messages[(tenant, e["entity_id"])] = e
            c.message_count += 1
            c.substate = ""
            c.last_message_at = max(c.last_message_at, at)
            c.current_channel = p["channel"]
            if p["channel"] not in c.channels:
                c.channels.append(p["channel"])
            if p["sender_type"] == "customer":
                c.last_customer_message_at = max(c.last_customer_message_at, at)
                answered = at < c.resolved_at and c.last_agent_message_at > at
                if c.state == "resolved" and not p.get("auto_reply") and not answered:
                    c.go("reopened", e)
                    c.reopened_at = at
                    c.reopen_count += 1  # resolved_at stays: it is the latest, as its column says
                else:
                    c.go(ON_CUSTOMER.get(c.state, c.state), e)
            elif p["sender_type"] == "agent":
                c.last_agent_message_at = max(c.last_agent_message_at, at)
                c.first_response_at = earlier(c.first_response_at, at)
                if c.state == "resolved":
                    self.post_resolve.add((tenant, e["entity_id"]))
                c.go(ON_AGENT.get(c.state, c.state), e)
        elif kind in ("conversation.assigned", "conversation.transferred"):
            if c.state == "resolved":
                self.anomalies.append(e["event_id"])
                return
            c.go(ON_ASSIGNED.get(c.state, c.state), e)
            if kind == "conversation.assigned":
                c.assigned_agent_id = p["agent_id"]
                c.assigned_team_id = p.get("team_id") or c.assigned_team_id
                c.first_assigned_at = earlier(c.first_assigned_at, at)
            else:
                c.assigned_agent_id = p["to_agent_id"]
                c.transfer_count += 1
        elif kind == "conversation.resolved":
            if c.state == "resolved":
                return
            if p["by"] == "auto_inactivity" and c.last_message_at > p.get("observed_last_message_at", "9"):
                self.anomalies.append(e["event_id"])
                return
            c.go("resolved", e)
            c.resolved_at, c.resolution_code, c.resolved_by = at, p["resolution_code"], p["by"]
            c.first_resolved_at = c.first_resolved_at or at
            c.resolve_count += 1
        elif kind == "ai.annotated":
            c.intent, c.severity, c.sentiment = p["intent"], p["severity"], p["sentiment"]


OFFICE = {
    "name": "Office", "tier": "standard", "first_response_time_minutes": 45, "resolution_time_minutes": 600, "is_default": True,
    "update_interval_minutes": 120, "next_response_time_minutes": 1, "timezone": "Europe/Berlin", "on_reopen": "resume",
    "priority_overrides": {"P0": {"first_response": 10, "resolution": 90}, "P1": {"resolution": 240, "update": 60}},
    "holidays": [{"date": "%d-%s" % (y, d)} for y in range(2004, 2018) for d in ("01-01", "05-01", "12-25", "12-26")],
    "business_hours": {d: [["08:30", "12:00"], ["12:45", "17:15"]] for d in promises.DAYS[:5]},
}


def in_an_office(events):
    """The history of a tenant of middling size as it would be with another promise; imported, so no timer goes off."""
    sizes = collections.Counter(e["tenant_id"] for e in events)
    tenant = sorted(sizes, key=lambda t: (sizes[t], t))[len(sizes) // 2]
    office = str(promises.uuid.uuid5(promises.uuid.UUID(tenant), "office"))
    copied = [dict(e, tenant_id=office, silent=True) for e in events if e["tenant_id"] == tenant]
    return [dict(e, entity_id=office) if e["event_type"] == "tenant.created" else
            dict(e, payload=OFFICE) if e["event_type"] == "sla_policy.created" else e for e in copied]


TIME = "to_char(%s at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
TIMES = ("last_message_at", "last_customer_message_at", "last_agent_message_at", "first_response_at", "resolved_at",
         "reopened_at", "created_at", "state_changed_at", "first_assigned_at", "first_resolved_at")
PLAIN = ("customer_id", "state", "previous_state", "substate", "initial_channel", "current_channel", "assigned_team_id",
         "assigned_agent_id", "intent", "severity", "sentiment", "sla_tier", "subject", "message_count", "transfer_count",
         "reopen_count", "resolve_count", "resolution_code", "resolved_by")


def rows_of(engine):
    columns = list(PLAIN) + [TIME % t for t in TIMES] + ["array_to_string(channels_used, ',')"]
    rows = engine.sql("select tenant_id, id, %s from core.conversations" % ", ".join(columns))
    return {(r[0], r[1]): dict(zip(list(PLAIN) + list(TIMES) + ["channels"], r[2:])) for r in rows}


def expected_of(fold):
    names = list(PLAIN) + list(TIMES)
    return {key: dict({n: str(getattr(c, n)) for n in names}, channels=",".join(c.channels))
            for key, c in fold.conversations.items()}


# ---- in, twice ----

engine = Engine()
result = engine.run("append", "--to", engine.address, "--wait", "--json", DATA)
same(result.returncode, 0, "every event is taken, and shown in the read models")
summary = json.loads(result.stdout.strip().splitlines()[-1])
same([summary[k] for k in ("stored", "duplicates", "refused")], [len(EVENTS), 0, 0], "all of them stored, none refused")
# What timers journal may stand in the log too, at any time; it is looked at further below.
sla_columns = "array['sla_breached', 'updated_at', 'last_position']"
digest = "select md5(string_agg((to_jsonb(c) - %s)::text, '' order by tenant_id, id)) from core.conversations c" % sla_columns
before = engine.one(digest)
in_log = "select shard, count(*), max(event_id::text) from verbatim.event_log where event_type not like 'sla.%' group by 1 order by 1"
heads = engine.sql(in_log)

result = engine.run("append", "--to", engine.address, "--wait", "--json", DATA)
same(result.returncode, 0, "the same file once more ends well, too")
summary = json.loads(result.stdout.strip().splitlines()[-1])
same([summary[k] for k in ("stored", "duplicates", "refused")], [0, len(EVENTS), 0], "all of them are duplicates now")
same(engine.sql(in_log), heads, "and the log has not grown")
same(engine.one(digest), before, "nor has a conversation changed")

# ---- the log ----

same(dict(engine.sql("select event_type, count(*) from verbatim.event_log where shard > 0 and"
                     " event_type not like 'sla.%' group by 1")),
     {k: str(n) for k, n in collections.Counter(e["event_type"] for e in EVENTS).items()}, "counts by type are the file's")
order = collections.defaultdict(list)
for e in EVENTS:
    order[e["tenant_id"]].append(e["event_id"])
for tenant, ids in sorted(order.items())[:5]:
    same([r[0] for r in engine.sql("select event_id from verbatim.event_log where tenant_id = '%s' and"
                                       " event_type not like 'sla.%%' order by position" % tenant)]
         == ids, True, "the order of a tenant of %d events is the file's" % len(ids))
sample = EVENTS[::997]
rows = {r[0]: r for r in engine.sql(
    "select event_id, payload::text, %s, actor_type, coalesce(actor_id::text, ''), coalesce(causation_id::text, ''),"
    " created_at = recorded_at from verbatim.events where event_id in (%s)"
    % (TIME % "occurred_at", ",".join("'%s'" % e["event_id"] for e in sample)))}
same([(json.loads(rows[e["event_id"]][1]), rows[e["event_id"]][2:])
      for e in sample],
     [(e["payload"], [e["occurred_at"], e["actor_type"], e.get("actor_id", ""), e.get("causation_id", ""), "t"])
      for e in sample],
     "a sample through the view verbatim.events is the file's, word for word")
check_log(engine)

# ---- the read models ----

office = in_an_office(EVENTS)
with tempfile.NamedTemporaryFile("w", suffix=".ndjson", encoding="utf-8") as file:
    file.writelines(json.dumps(e) + "\n" for e in office)
    file.flush()
    result = engine.run("append", "--to", engine.address, "--wait", "--json", file.name)
same(json.loads(result.stdout.strip().splitlines()[-1])["stored"], len(office), "the same talks, in an office")
EVENTS += office

fold, rollups = Fold(), Rollups()


def take(e):
    rollups.look(fold, e)
    fold.take(e)
    rollups.take(fold, e)


for e in EVENTS:
    take(e)
reopened = sum(c.reopen_count for c in fold.conversations.values())
ok(reopened and fold.post_resolve, "the file has %d reopenings and %d answers after the end" % (reopened, len(fold.post_resolve)))

# The file has nothing that does not fit: some of each kind follow by hand, folded by both.
client = engine.client()
by_hand = Maker(seed=7)
added = []


def add(key, kind, payload, at, entity=None):
    e = by_hand.event(kind, entity or key[1], payload, tenant_id=key[0], conversation_id=key[1], occurred_at=at)
    client.wait(client.append([e]))
    added.append(e)
    take(e)


said = {"channel": "web_chat", "direction": "inbound", "sender_type": "customer", "content": "late"}
resolved = [k for k, c in sorted(fold.conversations.items()) if c.state == "resolved"]
answered = [k for k in resolved for c in [fold.conversations[k]] if c.created_at < c.last_agent_message_at < c.resolved_at][:3]
unanswered = [k for k in resolved for c in [fold.conversations[k]] if k not in answered and c.last_agent_message_at
              and c.last_agent_message_at < c.resolved_at][:3]
for key in resolved[-3:]:
    add(key, "conversation.transferred", {"to_agent_id": by_hand.uuid(), "reason": "too late"}, rfc3339(time.time()))
    add(key, "conversation.assigned", {"agent_id": by_hand.uuid(), "assigned_by": "manual"}, rfc3339(time.time()))
same(len(fold.anomalies), 6, "an assignment or transfer of what is resolved does not fit")
for key in answered:
    add(key, "message.received", said, fold.conversations[key].created_at, by_hand.uuid())
same({fold.conversations[k].state for k in answered}, {"resolved"}, "a late copy of what was answered reopens nothing")
for key in unanswered:
    c = fold.conversations[key]
    last = c.last_message_at
    add(key, "message.received", said, c.resolved_at, by_hand.uuid())
    add(key, "conversation.resolved", {"by": "auto_inactivity", "resolution_code": "inactive", "observed_last_message_at": last}, rfc3339(time.time()))
    add(key, "message.sent", dict(said, direction="outbound", sender_type="agent"), rfc3339(time.time()), by_hand.uuid())
same(({fold.conversations[k].state for k in unanswered}, len(fold.anomalies)), ({"awaiting_customer"}, 9),
     "one that nobody has seen does, and no inactivity that did not know of it resolves it again")

got, want = rows_of(engine), expected_of(fold)
same(len(got), len(want), "as many conversations as the fold makes")
same(set(got) ^ set(want), set(), "and the same ones")
for name in list(PLAIN) + list(TIMES) + ["channels"]:
    differ = [k for k in want if k in got and got[k][name] != want[k][name]]
    if not ok(not differ, "%s of every conversation is the fold's" % name):
        for k in differ[:3]:
            note("%s %s: got %r, want %r (%d differ)" % (k[0], k[1], got[k][name], want[k][name], len(differ)))
same(sorted(r[0] for r in engine.sql("select event_id from core.anomalies")), sorted(fold.anomalies),
     "what does not fit is an anomaly, event by event")

# ---- the promises ----

# In the order of the log, since what timers have journaled stands among the rest.
known = {(e["tenant_id"], e["event_id"]): e for e in EVENTS + added}
told = "case when event_type like 'sla.%' then payload::text else '' end"
again, clocks = Fold(), promises.Promises()
for r in engine.sql("select tenant_id, event_id, event_type, entity_id, coalesce(conversation_id::text, ''), %s, %s from verbatim.event_log"
                    " where shard > 0 order by shard, position" % (TIME % "occurred_at", told)):
    e = known.get((r[0], r[1])) or {"tenant_id": r[0], "event_type": r[2], "entity_id": r[3], "conversation_id": r[4],
                                    "occurred_at": r[5], "payload": json.loads(r[6])}
    c = again.conversations.get((e["tenant_id"], e.get("conversation_id")))
    state = c and c.state
    again.take(e)
    clocks.take(e, again.conversations.get((e["tenant_id"], e.get("conversation_id") or e["entity_id"])), state)
names = ("clock", "cycle", "target_seconds", "consumed_seconds", "state", "elapsed_seconds", "policy_id")
instants = ("started_at", "due_at", "paused_at", "breached_at", "fulfilled_at")
got = {r[0]: dict(zip(names + instants, r[1:])) for r in engine.sql(
    "select id, %s from core.sla_clocks where resolution_id is null" % ", ".join(list(names) + [TIME % i for i in instants]))}
want = {promises.clock_id(key[0], key[1], clock.kind, clock.cycle): clock.row() for key, clock in clocks.rows()}
ended = collections.Counter((r["clock"], "late" if r["breached_at"] else "met") for r in want.values() if r["state"] == "fulfilled")
note("%d clocks; %s" % (len(want), ", ".join("%s %s %d" % (k + (n,)) for k, n in sorted(ended.items()))))
ok(len(ended) == 8, "the histories have promises of every kind, kept and broken")
same(len(set(want) ^ set(got)), 0, "as many clocks as the fold makes, under the ids that follow from them")
for name in names + instants:
    differ = [i for i in want if i in got and got[i][name] != want[i][name]]
    if not ok(not differ, "%s of every clock is the fold's" % name):
        for i in differ[:3]:
            note("%s: got %r, want %r (%d differ)" % (i, got[i], want[i], len(differ)))
same({i for i, n in clocks.journaled.items() if n > 1}, set(), "no breach was journaled twice")
shown = {}
for key, clock in clocks.rows():
    row = shown.setdefault(key, {"breached": "f", "first": "", "resolution": ""})
    row["breached"] = "t" if clock.breached is not None else row["breached"]
    if clock.kind in ("first_response", "resolution"):
        row[clock.kind.split("_")[0]] = promises.stamp(clock.due)
rows = {(r[0], r[1]): dict(zip(("breached", "first", "resolution"), r[2:])) for r in engine.sql(
    "select tenant_id, id, sla_breached, %s, %s from core.conversations" % (TIME % "first_response_due_at", TIME % "resolution_due_at"))}
differ = [k for k in rows if rows[k] != shown.get(k, {"breached": "f", "first": "", "resolution": ""})]
if not ok(not differ, "and every conversation shows what its clocks say"):
    note("%r: got %r, want %r (%d differ)" % (differ[0], rows[differ[0]], shown.get(differ[0]), len(differ)))
same(engine.one("select count(*) from core.sla_clocks c left join (select tenant_id, clock_id, count(*) filter (where happening = 'applied') as"
                " begun, count(*) filter (where happening = 'fulfilled') as met from core.sla_clock_history group by 1, 2) h"
                " on h.tenant_id = c.tenant_id and h.clock_id = c.id where h.begun is distinct from 1"
                " or h.met <> (c.state = 'fulfilled')::int"), "0", "every clock has begun once in the history, and ended as often as it shows")

same(engine.one("select count(*) from core.messages"), str(len(fold.messages)), "every message has its row")
keys = sorted(fold.messages)[::41]
rows = {(r[0], r[1]): r[2:] for r in engine.sql(
    "select tenant_id, id, conversation_id, channel, direction, sender_type, coalesce(sender_id::text, ''), content, %s, status,"
    " post_resolve from core.messages where id in (%s)" % (TIME % "created_at", ",".join("'%s'" % k[1] for k in keys)))}
wanted = {k: [e["conversation_id"], p["channel"], p["direction"], p["sender_type"], p.get("sender_id", ""), p["content"],
              e["occurred_at"], "delivered" if p["direction"] == "inbound" else "sent",
              "t" if k in fold.post_resolve else "f"]
          for k in keys for e in [fold.messages[k]] for p in [e["payload"]]}
rows = {k: r for k, r in rows.items() if k in wanted}  # the office has messages of the same ids
same(len(rows), len(wanted), "a sample of %d messages is there" % len(keys))
differ = [k for k in wanted if rows.get(k) != wanted[k]]
if not ok(not differ, "and every column of it is the file's"):
    note("%r\n%r" % (rows.get(differ[0]), wanted[differ[0]]))
same(engine.one("select count(*) from (select c.tenant_id, c.id from core.conversations c left join core.messages m"
                " on m.tenant_id = c.tenant_id and m.conversation_id = c.id group by 1, 2, c.message_count"
                " having count(m.id) <> c.message_count) x"), "0", "message_count is the number of messages")
for table, kind in (("tenants", "tenant.created"), ("teams", "team.created"), ("channels", "channel.connected"),
                    ("customers", "customer.created"), ("users", "user.created")):
    same(engine.one("select count(*) from core.%s" % table), str(len({(e["tenant_id"], e["entity_id"]) for e in EVENTS
                                                                      if e["event_type"] == kind})),
         "every %s.created has its row in %s" % (kind.split(".")[0], table))

# ---- the roll-ups ----

for table, width in (("rollup_15m", QUARTER), ("rollup_day", DAY)):
    got, want = stored(engine, table), rollups.numbers(width)
    differ = [k for k in set(got) | set(want) if got.get(k) != want.get(k)]
    if not ok(not differ, "%d rows of %s say what the other hand's do" % (len(want), table)):
        for k in sorted(differ)[:3]:
            note("%r\n got  %r\n want %r (%d differ)" % (k, got.get(k), want.get(k), len(differ)))
for metric, micros in sorted(rollups.durations().items()):
    name = {"first_responses": "first_response", "replies": "reply", "full_resolutions": "full_resolution"}[metric]
    fractions = (0.01, 0.25, 0.5, 0.9, 0.99)
    row = engine.sql("select %s from (select analytics.histogram_sum(%s_histogram) h from analytics.rollup_day where dimensions = 'all') x"
                     % (", ".join("analytics.percentile(h, %g)" % f for f in fractions), name))[0]
    micros.sort()
    exact = [micros[max(1, math.ceil(f * len(micros))) - 1] / 1e6 for f in fractions]
    ok(all(abs(float(g) - x) <= 0.01 * x + 1e-6 for g, x in zip(row, exact)),
       "percentiles of %d %s are within 1 %% of the exact ones" % (len(micros), metric))
for clock in ("first_response", "next_response", "update", "resolution"):
    same(engine.sql("select coalesce(sum(sla_%s_met), 0), coalesce(sum(sla_%s_breached), 0) from analytics.rollup_15m where dimensions = 'all'"
                    % (clock, clock)),
         engine.sql("select count(*) filter (where breached_at is null and state = 'fulfilled'), count(*) filter (where breached_at is not null)"
                    " from core.sla_clocks where clock = '%s' and resolution_id is null" % clock),
         "promises kept and broken are those of the %s clocks" % clock)

# ---- folded again, by the two tools that do ----

result = engine.run("replay", *engine.where(), "--into", "replayed")
same(result.returncode, 0, "the whole log is replayed into a schema")
live = lambda schema, name: "%s.%s" % (schema, name)
same(differing(engine, live, "replayed"), [], "every row of every read model is what it was live")
result = engine.run("rebuild", *engine.where(), "--all", "--check", "--quiet")
same(result.returncode, 0, "the read models are rebuilt, and the rebuild finds nothing that differs: " + result.stdout[-300:].strip())
same(differing(engine, live, "replayed"), [], "what it has switched to is the same, to the last row")
same(engine.stop(), 0, "the engine ends in good order")
done()
