"""promises - SLA clocks by another hand: business time walked day by day with zoneinfo, clocks as the rule book says.

Nothing here knows of core/rules or projections/.  Instants are microseconds since 1970.
"""
import datetime
import hashlib
import json
import uuid
import zoneinfo

KINDS = ("first_response", "next_response", "update", "resolution")
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
SECOND, EPOCH = 1000000, datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
MICRO = datetime.timedelta(microseconds=1)


def instant(text):
    return (datetime.datetime.fromisoformat(text.replace("Z", "+00:00")) - EPOCH) // MICRO


def stamp(t):
    return "" if t is None else (EPOCH + t * MICRO).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def clock_id(tenant, conversation, kind, cycle):
    text = (uuid.UUID(tenant).bytes + b"conversation" + uuid.UUID(conversation).bytes + KINDS.index(kind).to_bytes(4, "big")
            + cycle.to_bytes(4, "big"))
    raw = bytearray(hashlib.sha256(text).digest()[:16])
    raw[6], raw[8] = raw[6] & 15 | 0x80, raw[8] & 63 | 0x80
    return str(uuid.UUID(bytes=bytes(raw)))


class Calendar:
    def __init__(self, policy):
        self.always = not policy.get("business_hours_only", True)
        self.zone = zoneinfo.ZoneInfo(policy.get("timezone", "UTC"))
        usual = {d: [["09:00", "17:00"]] for d in DAYS[:5]}
        self.hours = {d: [w if isinstance(w, list) else [w["start"], w["end"]] for w in ([hours] if isinstance(hours, dict) else hours)]
                      for d, hours in policy.get("business_hours", usual).items()}
        self.closed = {h["date"] for h in policy.get("holidays", [])}

    def wall(self, day, text, fold):
        """The instant of a wall time; of two the one that is asked for, of none the moment the clocks jump."""
        hour, minute = map(int, text.split(":"))
        local = datetime.datetime.combine(day, datetime.time()) + datetime.timedelta(hours=hour, minutes=minute)
        t = (local.replace(tzinfo=self.zone, fold=fold).astimezone(datetime.timezone.utc) - EPOCH) // MICRO
        if self.local(t) == local:
            return t
        low, high = t - 86400 * SECOND, t + 86400 * SECOND
        while high - low > 1:  # the first instant whose wall time is not before
            middle = (low + high) // 2
            low, high = (low, middle) if self.local(middle) >= local else (middle, high)
        return high

    def local(self, t):
        return (EPOCH + t * MICRO).astimezone(self.zone).replace(tzinfo=None, fold=0)

    def windows(self, start):
        day = self.local(start).date() - datetime.timedelta(days=1)
        while True:
            if day.isoformat() not in self.closed:
                for opens, closes in sorted(self.hours.get(DAYS[day.weekday()], [])):
                    yield self.wall(day, opens, 0), self.wall(day, closes, 1)
            day += datetime.timedelta(days=1)

    def elapsed(self, start, end):
        if self.always or end <= start:
            return max(end - start, 0)
        total = 0
        for opens, closes in self.windows(start):
            if opens >= end:
                return total
            total += max(min(closes, end) - max(opens, start), 0)

    def due(self, start, budget):
        if self.always:
            return start + budget
        for opens, closes in self.windows(start):
            room = closes - max(opens, start)
            if room > 0 and budget < room:
                return max(opens, start) + budget
            budget -= max(room, 0)


class Policy:
    def __init__(self, entity, payload):
        self.id, self.payload, self.calendar = entity, payload, Calendar(payload)
        self.restart = payload.get("on_reopen") == "restart"

    def target(self, kind, severity):
        column = {"update": "update_interval_minutes"}.get(kind, kind + "_time_minutes")
        base = self.payload.get(column, 720 if kind == "update" else None)
        minutes = self.payload.get("priority_overrides", {}).get(severity, {}).get(kind, base)
        return None if minutes is None else minutes * 60


class Clock:
    def __init__(self, kind, cycle, policy, target, at, base=0):
        self.kind, self.cycle, self.policy, self.target, self.calendar = kind, cycle, policy, target, policy.calendar
        self.started, self.since, self.consumed, self.state = at, at, base, "running"
        self.paused = self.breached = self.fulfilled = self.elapsed = None
        self.due = self.calendar.due(at, target * SECOND - base)

    def open(self):
        return self.state in ("running", "paused")

    def notice(self, at):
        if self.state == "running" and self.breached is None and self.due is not None and at > self.due:
            self.breached = self.due

    def rest(self, still, at):
        if still and self.state == "running":
            self.notice(at)
            at = max(at, self.since)
            self.consumed += self.calendar.elapsed(self.since, at)
            self.state, self.paused, self.since = "paused", at, None
            if self.consumed <= self.target * SECOND:
                self.due = None
        elif not still and self.state == "paused":
            at = max(at, self.paused)
            self.state, self.paused, self.since = "running", None, at
            if self.consumed <= self.target * SECOND:
                self.due = self.calendar.due(at, self.target * SECOND - self.consumed)

    def retarget(self, target, at):
        if target == self.target or not self.open():
            return
        self.notice(at)
        if self.state == "running":
            at = max(at, self.since)
            self.consumed, self.since = self.consumed + self.calendar.elapsed(self.since, at), at
        self.target = target
        if self.consumed > target * SECOND:
            self.due = at
            self.breached = at if self.breached is None else self.breached
        else:
            self.due = None if self.state == "paused" else self.calendar.due(at, target * SECOND - self.consumed)

    def end(self, state, at):
        """Fulfilled or cancelled; of two fulfilments the earlier one holds."""
        self.notice(at)
        if state == "fulfilled":
            if self.fulfilled is not None and at >= self.fulfilled or self.state == "cancelled":
                return
            if self.breached is not None and at <= self.breached:
                self.breached = None
            self.fulfilled = at
        elif not self.open():
            return
        self.elapsed = self.consumed + (self.calendar.elapsed(self.since, at) if self.since is not None else 0)
        if self.since is not None and at < self.since:
            self.elapsed = max(self.consumed - self.calendar.elapsed(at, self.since), 0)
        self.state, self.paused = state, None

    def row(self):
        return {"clock": self.kind, "cycle": str(self.cycle), "target_seconds": str(self.target), "state": self.state,
                "consumed_seconds": str(self.consumed // SECOND), "started_at": stamp(self.started), "due_at": stamp(self.due),
                "paused_at": stamp(self.paused), "breached_at": stamp(self.breached), "fulfilled_at": stamp(self.fulfilled),
                "elapsed_seconds": "" if self.elapsed is None else str(self.elapsed // SECOND), "policy_id": self.policy.id}


class Promises:
    """One policy a tier and tenant, conversations whose team has none of its own, people's answers, no delivery that fails."""

    def __init__(self):
        self.policies, self.clocks, self.journaled = {}, {}, {}

    def of(self, key, kind):
        return self.clocks.setdefault(key, {k: [] for k in KINDS})[kind]

    def last(self, key, kind):
        clocks = self.of(key, kind)
        return clocks[-1] if clocks else None

    def begin(self, key, c, kind, at, last=None):
        policy = self.policies.get((key[0], c.sla_tier))
        target = policy.target(kind, c.severity) if policy else None
        if target is None:
            return
        base = 0
        if last is not None:
            at = max(at, last.fulfilled)
            if not policy.restart and last.breached is None and last.elapsed < target * SECOND:
                base = last.elapsed
        clock = Clock(kind, len(self.of(key, kind)) + 1, policy, target, at, base)
        self.of(key, kind).append(clock)
        self.rest(c, clock, at)

    def rest(self, c, clock, at):
        pauses = {"update": ("awaiting_customer", "resolved"), "resolution": ("awaiting_customer",)}.get(clock.kind)
        if pauses and clock.open():
            clock.rest(c.state in pauses, at)

    def take(self, e, c, before):
        """After the conversation's own fold: `before` is the state it had."""
        kind, p, at = e["event_type"], e["payload"], instant(e["occurred_at"])
        key = (e["tenant_id"], e.get("conversation_id"))
        if kind == "sla_policy.created":
            self.policies[(e["tenant_id"], p["tier"])] = Policy(e["entity_id"], p)
        elif kind == "sla.breached":
            self.breach(key, e, instant(p["breached_at"]))
        elif kind == "conversation.created":
            key = (e["tenant_id"], e["entity_id"])
            self.begin(key, c, "first_response", at)
            self.begin(key, c, "resolution", at)
        elif kind == "ai.annotated":
            for name in KINDS:
                clock = self.last(key, name)
                if clock:
                    clock.retarget(clock.policy.target(name, c.severity), at)
        elif c is not None and before is not None:
            if kind == "message.sent" and p["sender_type"] == "agent":
                self.answer(key, c, at)
            self.move(key, c, before, at)
            if kind == "message.received" and not p.get("auto_reply"):
                self.wait(key, c, e["occurred_at"], at)

    def answer(self, key, c, at):
        first, waiting, update = (self.last(key, k) for k in ("first_response", "next_response", "update"))
        if first:
            first.end("fulfilled", at)
        if waiting and at >= waiting.started and waiting.state != "cancelled":
            waiting.end("fulfilled", at)
        if update and at < update.started:
            raise ValueError("a late answer: not in this history")
        if update:
            update.end("fulfilled", at)
        if update or c.state != "resolved":
            self.begin(key, c, "update", at)

    def move(self, key, c, before, at):
        resolution, waiting = self.last(key, "resolution"), self.last(key, "next_response")
        if c.state == before:
            return
        if c.state == "resolved":
            if resolution:
                resolution.end("fulfilled", at)
            if waiting:
                waiting.end("cancelled", at)
        elif before == "resolved":
            self.begin(key, c, "resolution", at, resolution)
        for name in ("update", "resolution"):
            if self.last(key, name):
                self.rest(c, self.last(key, name), at)

    def wait(self, key, c, text, at):
        first, waiting = self.last(key, "first_response"), self.last(key, "next_response")
        if c.state != "resolved" and first and first.state == "fulfilled" and not (waiting and waiting.open()) \
                and text > c.last_agent_message_at:
            self.begin(key, c, "next_response", at)

    def breach(self, key, e, at):
        """Journaled when the due time had passed and no event had shown it; what came later may take it back."""
        clock = self.of(key, e["payload"]["clock"])[e["payload"]["cycle"] - 1]
        self.journaled[e["entity_id"]] = self.journaled.get(e["entity_id"], 0) + 1
        if clock.state == "running" and clock.due == at and clock.breached is None:
            clock.breached = at

    def rows(self):
        for key, kinds in self.clocks.items():
            for clocks in kinds.values():
                for clock in clocks:
                    yield key, clock
