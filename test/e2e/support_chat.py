#!/usr/bin/python3
"""support_chat - fourteen years of real support traffic, twice, against a fold written by another hand.

79,812 events of 14 tenants go in over TCP by `verbatim append --wait`; the second time all of them are duplicates.
What the read models then show is compared, row by row, with a fold in Python written from the page of state
machines, not from projections/.  The data is no part of the project; without it the test is skipped.
"""
import collections
import gzip
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import *

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
digest = "select md5(string_agg(c::text, '' order by tenant_id, id)) from core.conversations c"
before = engine.one(digest)
heads = engine.sql("select shard, max(last_position) from verbatim.log_batch group by shard order by shard")

result = engine.run("append", "--to", engine.address, "--wait", "--json", DATA)
same(result.returncode, 0, "the same file once more ends well, too")
summary = json.loads(result.stdout.strip().splitlines()[-1])
same([summary[k] for k in ("stored", "duplicates", "refused")], [0, len(EVENTS), 0], "all of them are duplicates now")
same(engine.sql("select shard, max(last_position) from verbatim.log_batch group by shard order by shard"), heads,
     "and the log has not grown")
same(engine.one(digest), before, "nor has a conversation changed")

# ---- the log ----

same(dict(engine.sql("select event_type, count(*) from verbatim.event_log where shard > 0 group by 1")),
     {k: str(n) for k, n in collections.Counter(e["event_type"] for e in EVENTS).items()}, "counts by type are the file's")
order = collections.defaultdict(list)
for e in EVENTS:
    order[e["tenant_id"]].append(e["event_id"])
for tenant, ids in sorted(order.items())[:5]:
    same([r[0] for r in engine.sql("select event_id from verbatim.event_log where tenant_id = '%s' order by position" % tenant)]
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

fold = Fold()
for e in EVENTS:
    fold.take(e)
reopened = sum(c.reopen_count for c in fold.conversations.values())
ok(reopened and fold.post_resolve, "the file has %d reopenings and %d answers after the end" % (reopened, len(fold.post_resolve)))

# The file has nothing that does not fit: some of each kind follow by hand, folded by both.
client = engine.client()
by_hand = Maker(seed=7)


def add(key, kind, payload, at, entity=None):
    e = by_hand.event(kind, entity or key[1], payload, tenant_id=key[0], conversation_id=key[1], occurred_at=at)
    client.wait(client.append([e]))
    fold.take(e)


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

same(engine.one("select count(*) from core.messages"), str(len(fold.messages)), "every message has its row")
keys = sorted(fold.messages)[::41]
rows = {(r[0], r[1]): r[2:] for r in engine.sql(
    "select tenant_id, id, conversation_id, channel, direction, sender_type, coalesce(sender_id::text, ''), content, %s, status,"
    " post_resolve from core.messages where id in (%s)" % (TIME % "created_at", ",".join("'%s'" % k[1] for k in keys)))}
wanted = {k: [e["conversation_id"], p["channel"], p["direction"], p["sender_type"], p.get("sender_id", ""), p["content"],
              e["occurred_at"], "delivered" if p["direction"] == "inbound" else "sent",
              "t" if k in fold.post_resolve else "f"]
          for k in keys for e in [fold.messages[k]] for p in [e["payload"]]}
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
same(engine.stop(), 0, "the engine ends in good order")
done()
