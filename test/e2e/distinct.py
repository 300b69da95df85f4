#!/usr/bin/python3
"""
distinct - resolutions, distinct conversations and customers of any range, and the ages of the backlog, against naive counting.

A random history: conversations are resolved, reopened, merged away, deleted, given to other customers, classified anew,
told of late; customers are merged and come apart again.  The naive side keeps a list and counts it.
"""
import datetime
import os
import random
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import *

SEED = int(os.environ.get("SEED", "5"))
NOW = 1_760_000_000
r = random.Random(SEED)
note("seed %d" % SEED)
engine = Engine()
client = engine.client(timeout=120)
m, other = Maker(seed=SEED), Maker(seed=SEED + 1)
CHANNELS = ("email", "sms", "voice")
SEVERITIES = ("P0", "P1", "P2")


class Talk:
    def __init__(self, customer, created, channel):
        self.event = m.conversation(customer, occurred_at=rfc3339(created))
        self.event["payload"]["initial_channel"] = channel
        self.id, self.customer, self.created, self.channel = self.event["entity_id"], customer, created, channel
        self.resolved = self.merged = self.deleted = False
        self.severity, self.resolutions = None, []


customers, gone, talks, events = [m.customer(occurred_at=rfc3339(NOW - 90 * 86400)) for _ in range(40)], {}, [], []
people = [c["entity_id"] for c in customers]


def of(talk, kind, at, payload):
    events.append(m.event("conversation." + kind, talk.id, payload, occurred_at=rfc3339(at), conversation_id=talk.id))


def step(at):
    told = at - r.choice((0, 0, 0, 7200, 5 * 86400))  # some things are told late
    choice = r.random()
    open_talks = [t for t in talks if not t.resolved and not t.deleted]
    shut = [t for t in talks if t.resolved and not t.merged and not t.deleted]
    if choice < 0.35 or not open_talks:
        talks.append(Talk(survivor(r.choice(people)), told, r.choice(CHANNELS)))
        events.append(talks[-1].event)
    elif choice < 0.65:
        talk = r.choice(open_talks)
        talk.resolved = True
        talk.resolutions.append(told)
        of(talk, "resolved", told, {"by": r.choice(("agent", "ai"))})
    elif choice < 0.75 and shut:
        talk = r.choice(shut)
        talk.resolved = False
        of(talk, "reopened", told, {"trigger": "agent"})
    elif choice < 0.80 and len(open_talks) > 1:
        talk, into = r.sample(open_talks, 2)
        talk.resolved = talk.merged = True
        of(talk, "merged_into", told, {"into_id": into.id})
    elif choice < 0.84 and shut:
        talk = r.choice(shut)  # resolved before, and then merged away: its resolutions were events, it is no conversation any more
        into = r.choice(open_talks)
        talk.merged = True
        of(talk, "merged_into", told, {"into_id": into.id})
    elif choice < 0.88:
        talk = r.choice(open_talks)
        to = r.choice([p for p in people if p not in gone])
        if to != talk.customer:
            of(talk, "customer_changed", told, {"to": to})
            talk.customer = to
    elif choice < 0.94:
        talk = r.choice(open_talks)
        talk.severity = r.choice([s for s in SEVERITIES if s != talk.severity])
        of(talk, "severity_changed", told, {"to": talk.severity})
    elif choice < 0.96:
        talk = r.choice(open_talks)
        talk.deleted = True
        of(talk, "deleted", told, {"reason": "test"})
    elif choice < 0.98:
        loser, into = r.sample([p for p in people if p not in gone], 2)
        gone[loser] = into
        events.append(m.event("customer.merged_into", loser, {"into_id": into}, occurred_at=rfc3339(told)))


def survivor(customer):
    while customer in gone:
        customer = gone[customer]
    return customer


for i in range(900):
    step(NOW - 60 * 86400 + i * 5000)
client.append(customers)
for i in range(0, len(events), 200):
    ack = client.append(events[i:i + 200])
theirs = other.customer()
alien = other.conversation(theirs["entity_id"])
ack2 = client.append([theirs, alien, other.event("conversation.resolved", alien["entity_id"], {"by": "agent"}, conversation_id=alien["entity_id"])])
client.wait(ack)
client.wait(ack2)
same(engine.sql("select code, count(*) from core.anomalies group by 1"), [], "the history fits")
engine.sql("create role acme login in role verbatim_reader; insert into verbatim.role_tenants values ('acme', '%s')" % m.tenant)


def ask(text):
    return [tuple(row) for row in engine.sql("set app.tenant_id = '%s'; " % m.tenant + text, user="acme")]


VALUES = {"all": lambda t: "all", "channel": lambda t: t.channel, "severity": lambda t: t.severity, "tier": lambda t: "standard"}


def naive_resolved(since, until, by):
    rows = {}
    for t in talks:
        for at in t.resolutions:
            if since <= at < until and VALUES[by](t):
                row = rows.setdefault(VALUES[by](t), [0, set(), set()])
                row[0] += 1
                if not t.merged:
                    row[1].add(t.id)
                    row[2].add(survivor(t.customer))
    return sorted((v, str(n), str(len(c)), str(len(p))) for v, (n, c, p) in rows.items())


def naive_ages(at, by):
    rows = {}
    for t in talks:
        if not t.resolved and not t.deleted and VALUES[by](t):
            age = at - t.created
            row = rows.setdefault(VALUES[by](t), [0] * 6)
            row[0] += 1
            row[1 + sum(age >= h * 3600 for h in (1, 4, 8, 24))] += 1
    return sorted((v, *map(str, row)) for v, row in rows.items())


ranges = [(NOW - 400 * 86400, NOW + 86400)] + [sorted((NOW - r.randrange(65 * 86400), NOW - r.randrange(65 * 86400))) for _ in range(12)]
ranges += [(at, at) for at in [talks[0].created]] + [(t.resolutions[0], t.resolutions[0] + 1) for t in talks if t.resolutions][:3]
for by in VALUES:
    wrong = [(since, until) for since, until in ranges
             if sorted(ask("select * from analytics.resolved_between('%s', '%s', '%s')" % (rfc3339(since), rfc3339(until), by))) !=
             naive_resolved(since, until, by)]
    same(wrong, [], "resolutions, conversations and customers of %d ranges are those of naive counting, by %s" % (len(ranges), by))
    wrong = [at for at in [NOW - r.randrange(60 * 86400) for _ in range(8)] + [t.created + h * 3600 for t in talks[-3:] for h in (1, 4, 8, 24)]
             if sorted(row[:7] for row in ask("select * from analytics.backlog_ages('%s', '%s')" % (by, rfc3339(at)))) != naive_ages(at, by)]
    same(wrong, [], "so are the backlog's ages")
whole = naive_resolved(0, NOW * 2, "all")[0]
ok(int(whole[1]) > int(whole[2]) > int(whole[3]) > 5, "the three numbers differ: %s" % (whole,))
same(ask("select sum(resolutions) from analytics.rollup_day where dimensions = 'all'"), [(whole[1],)], "the roll-ups count the same resolutions")
same(ask("select backlog from analytics.backlog_day where dimensions = 'all' order by bucket_at desc limit 1"),
     [(ask("select backlog from analytics.backlog_ages()")[0][0],)], "and the backlog's last row is as large")
same(ask("select count(*) from analytics.resolved_between('-infinity', 'infinity', 'nonsense')"), [("0",)], "a dimension that there is not has no rows")

# Two customers prove to be two after all.
loser = next((l for l in gone if any(t.customer == l and t.resolutions and not t.merged for t in talks)), None)
if loser:
    del gone[loser]
    client.wait(client.append([m.event("customer.unmerged", loser, {"merge_event_id": m.uuid()})]))
    same(ask("select * from analytics.resolved_between('-infinity', 'infinity')"), [naive_resolved(0, NOW * 2, "all")[0]], "customers who come apart are two again")
plan = "\n".join(x[0] for x in engine.sql("set enable_seqscan = off; explain select count(*) from core.conversation_transitions where tenant_id = '%s'"
                                          " and to_state = 'resolved' and occurred_at >= now() - interval '1 day'" % m.tenant))
ok("occurred_at >=" in plan and "Index" in plan, "the resolutions of a range come from an index")
same(engine.stop(), 0, "the engine ends in good order")
done()
