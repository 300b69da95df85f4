"""rollups - what analytics must say of a history, by another hand: from the page of definitions, not from projections/.

A Rollups looks on while a fold of conversations (support_chat.Fold, or anything with .conversations[key] of its kind)
takes the events: look(e) before each, take(e) after it.  numbers() then gives {(tenant, bucket, set, values): {metric:
number}} for a width of bucket, summed from what happened.  Times are microseconds since 1970; the days are those of UTC.
"""
import calendar
import collections
import time

SETS = {"all": (), "channel": ("channel",), "team": ("team",), "agent": ("agent",), "tier": ("tier",), "severity": ("severity",),
        "intent": ("intent",), "channel_team": ("channel", "team"), "team_agent": ("team", "agent")}
QUARTER, DAY = 900 * 10**6, 86400 * 10**6
SECONDS = {"first_responses": "first_response_seconds", "conversations_assigned": "assignment_wait_seconds",
           "replies": "reply_seconds", "conversations_resolved": "first_resolution_seconds",
           "full_resolutions": "full_resolution_seconds"}
COUNTS = ["conversations_created", "conversations_reopened", "conversations_transferred", "resolutions", "reopens", "transfers",
          "backlog_change", "messages_in", "messages_by_agents"]


def micros(text):
    return calendar.timegm(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S")) * 10**6 + int(text[20:26])


class Talk:
    """What is known of one conversation beside its row: who did what first and last, and who waits."""

    def __init__(self):
        self.first_answer = self.first_assigned = self.first_end = self.last_end = self.first_transfer = None
        self.asked = []       # questions that nobody has answered
        self.answers = []     # all answers
        self.exchanges = []   # [questions, answer, agent, team, values]


class Rollups:
    def __init__(self):
        self.talks = collections.defaultdict(Talk)
        self.happened = []    # (tenant, at, values, metric, amount)
        self.rows = {}

    def values(self, c, agent, team):
        return {"channel": c.initial_channel, "team": team, "agent": agent, "tier": c.sla_tier, "severity": c.severity,
                "intent": c.intent}

    def look(self, fold, e):
        c = fold.conversations.get((e["tenant_id"], e.get("conversation_id")))
        self.before = c and (c.state, c.assigned_agent_id, c.assigned_team_id, c.transfer_count, c.resolve_count, c.reopen_count,
                             self.values(c, c.assigned_agent_id, c.assigned_team_id))

    def take(self, fold, e):
        tenant, kind, at, p = e["tenant_id"], e["event_type"], micros(e["occurred_at"]), e["payload"]
        key = (tenant, e.get("conversation_id"))
        c, talk = fold.conversations.get(key), self.talks[key]
        if not c:
            return
        self.rows[key] = c
        if kind == "conversation.created":
            talk.imported = e.get("silent", False)
        state, agent, team, transfers, resolves, reopens, values = self.before or ("resolved", "", "", 0, 0, 0, {})
        now = self.values(c, c.assigned_agent_id, c.assigned_team_id)

        def count(metric, by_agent, by_team, amount=1, values=None):
            self.happened.append((tenant, at, dict(values or now, agent=by_agent, team=by_team), metric, amount))

        if kind in ("message.received", "message.sent"):
            inbound = p["direction"] == "inbound"
            count("messages_in" if inbound else "messages_by_agents", "" if inbound else p.get("sender_id", ""), "",
                  values={"channel": p["channel"], "tier": "", "severity": "", "intent": ""})
        if c.transfer_count > transfers:
            count("transfers", agent, team)
            talk.first_transfer = talk.first_transfer or (at, agent, team)
        if c.first_assigned_at and not talk.first_assigned:
            talk.first_assigned = (at, c.assigned_agent_id, c.assigned_team_id)
        if c.reopen_count > reopens:
            count("reopens", talk.last_end[1], talk.last_end[2])
        if c.resolve_count > resolves:
            who = e.get("actor_id", "") if e["actor_type"] == "user" else c.assigned_agent_id
            talk.last_end = (at, who, c.assigned_team_id)
            talk.first_end = talk.first_end or talk.last_end
            talk.asked = []
            count("resolutions", who, c.assigned_team_id)
        open_before, open_now = state != "resolved", c.state != "resolved"
        if (open_before, values) != (open_now, now):
            if open_before:
                count("backlog_change", agent, team, -1, values)
            if open_now:
                count("backlog_change", c.assigned_agent_id, c.assigned_team_id)
        if kind == "message.received":
            self.hear_question(talk, at)
        if kind == "message.sent":
            who = p.get("sender_id") or (e.get("actor_id", "") if e["actor_type"] == "user" else c.assigned_agent_id)
            if not talk.first_answer or at < talk.first_answer[0]:
                talk.first_answer = (at, who, c.assigned_team_id)
            if talk.asked and at >= min(talk.asked):
                talk.exchanges.append([talk.asked, at, who, c.assigned_team_id, max(talk.answers, default=None)])
                talk.asked = []
            talk.answers.append(at)

    @staticmethod
    def hear_question(talk, at):
        """A question that comes to light after its answer belongs to the latest exchange, or to none that is still open."""
        if not talk.answers or at > max(talk.answers):
            talk.asked.append(at)
        elif talk.exchanges:
            questions, answer, _, _, after = talk.exchanges[-1]
            assert at <= answer, "a case that this history does not have"
            if after is None or at > after:
                questions.append(at)
        else:
            raise AssertionError("a case that this history does not have")

    def numbers(self, width):
        total = collections.defaultdict(collections.Counter)

        def add(tenant, at, values, metric, amount):
            for name, by in SETS.items():
                if all(values[v] for v in by):
                    place = (tenant, at - at % width, name) + tuple(values[v] if v in by else "" for v in
                                                                    ("channel", "team", "agent", "tier", "severity", "intent"))
                    total[place][metric] += amount

        def timed(tenant, at, values, metric, took):
            add(tenant, at, values, metric, 1)
            add(tenant, at, values, SECONDS[metric], took)

        for thing in self.happened:
            add(*thing)
        for (tenant, _), c in self.rows.items():
            talk, began = self.talks[(tenant, _)], micros(c.created_at)
            if not talk.imported:
                add(tenant, began, self.values(c, "", c.assigned_team_id), "conversations_created", 1)
            for mark, metric in ((talk.first_answer, "first_responses"), (talk.first_assigned, "conversations_assigned"),
                                 (talk.first_end, "conversations_resolved"), (talk.last_end, "full_resolutions")):
                if mark:
                    timed(tenant, mark[0], self.values(c, mark[1], mark[2]), metric, mark[0] - began)
            if talk.first_end and c.reopen_count:
                add(tenant, talk.first_end[0], self.values(c, talk.first_end[1], talk.first_end[2]), "conversations_reopened", 1)
            if talk.first_transfer:
                add(tenant, talk.first_transfer[0], self.values(c, talk.first_transfer[1], talk.first_transfer[2]),
                    "conversations_transferred", 1)
            for questions, answer, agent, team, _ in talk.exchanges:
                timed(tenant, answer, self.values(c, agent, team), "replies", answer - min(questions))
        return {place: {m: n for m, n in metrics.items() if n} for place, metrics in total.items() if any(metrics.values())}

    def durations(self):
        """Exact microseconds by metric, of all tenants."""
        out = collections.defaultdict(list)
        for key, c in self.rows.items():
            talk, began = self.talks[key], micros(c.created_at)
            for mark, metric in ((talk.first_answer, "first_responses"), (talk.last_end, "full_resolutions")):
                if mark:
                    out[metric].append(mark[0] - began)
            out["replies"] += [answer - min(questions) for questions, answer, *_ in talk.exchanges]
        return out


def stored(engine, table):
    """The same as numbers(), from the table."""
    metrics = COUNTS + list(SECONDS) + list(SECONDS.values())
    rows = engine.sql("select tenant_id, (extract(epoch from bucket_at) * 1000000)::int8, dimensions, coalesce(channel, ''),"
                      " coalesce(team_id::text, ''), coalesce(agent_id::text, ''), coalesce(tier, ''), coalesce(severity, ''),"
                      " coalesce(intent, ''), %s from analytics.%s"
                      % (", ".join("(%s * 1000000)::int8" % m if m in SECONDS.values() else m for m in metrics), table))
    out = {}
    for r in rows:
        numbers = {m: int(n) for m, n in zip(metrics, r[9:]) if n != "0"}
        if numbers:
            out[(r[0], int(r[1])) + tuple(r[2:9])] = numbers
    return out
