#!/usr/bin/python3
"""analytics - the roll-ups as SQL shows them: percentiles, histograms that add and subtract, views, comments, and what a
year costs.

Percentiles off the histograms are compared with those of the exact durations.  What a dashboard asks is run as a tenant's
login, with row security on, over a generated year of several tenants: it must answer from the index, in few pages.
"""
import math
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import *

engine = Engine()
client = engine.client()
A, B = Maker(seed=31), Maker(seed=32)
TALKS = 240
NOON = 1760000400  # 2025-10-09 09:00 UTC, eleven o'clock in Berlin
rng = random.Random(5)


def history(m, zone):
    """Conversations answered after log-normal times, some resolved; the answers' times in microseconds, by channel."""
    customer, agent = m.customer(), m.uuid()
    client.append([m.event("tenant.created", m.tenant, {"name": "Shop", "localization": {"timezone": zone}}), customer])
    waits = {"email": [], "sms": []}
    for i in range(TALKS):
        began = NOON + i * 1700 + rng.random()
        wait = round(math.exp(rng.gauss(6, 2.2)), 6)
        talk, channel = m.uuid(), rng.choice(["email", "sms"])
        events = [m.event("conversation.created", talk, {"customer_id": customer["entity_id"], "initial_channel": channel},
                          occurred_at=rfc3339(began)),
                  m.received(talk, occurred_at=rfc3339(began)),
                  m.sent(talk, agent, occurred_at=rfc3339(began + wait))]
        if i % 3 == 0:
            events.append(m.event("conversation.resolved", talk, {"by": "agent"}, occurred_at=rfc3339(began + wait + 60)))
        ack = client.append(events)
        exact = engine_micros(events[2]["occurred_at"]) - engine_micros(events[0]["occurred_at"])
        waits[channel].append(exact)
    client.wait(ack)
    return waits


def engine_micros(text):
    import calendar
    return calendar.timegm(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S")) * 1000000 + int(text[20:26])


waits = history(A, "Europe/Berlin")
history(B, "America/New_York")
every = sorted(waits["email"] + waits["sms"])


def disc(values, p):
    """percentile_disc."""
    return sorted(values)[max(1, math.ceil(p * len(values))) - 1] / 1e6


engine.sql("create role acme login in role verbatim_reader; insert into verbatim.role_tenants values ('acme', '%s')" % A.tenant)


def ask(text):
    return engine.sql("set app.tenant_id = '%s'; " % A.tenant + text, user="acme")


# ---- percentiles ----

FRACTIONS = [0, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1]
for table in ("rollup_15m", "rollup_hour", "rollup_day"):
    got = ask("select " + ", ".join("analytics.percentile(h, %r)" % p for p in FRACTIONS) + " from (select"
              " analytics.histogram_sum(first_response_histogram) h from analytics.%s where dimensions = 'all') x" % table)[0]
    worst = max(abs(float(g) / disc(every, p) - 1) for g, p in zip(got, FRACTIONS))
    ok(worst <= 0.01, "percentiles of %d durations off %s are within 1 %% (%.3f %%)" % (len(every), table, worst * 100))
same(ask("select count(*), analytics.percentile(null, 0.5), analytics.percentile('{}', 0.5), analytics.percentile('{\"0\":3}', 0.5),"
         " analytics.percentile('{\"5\":1}', 1.5), analytics.percentile('{\"5\":1}', 'NaN') from analytics.rollup_day where false"),
     [["0", "", "", "0", "", ""]], "nothing has no percentile, no duration is 0, and no fraction lies outside 0 to 1")
parts = ask("select analytics.histogram_sum(first_response_histogram) filter (where dimensions = 'all'),"
            " analytics.histogram_sum(first_response_histogram) filter (where dimensions = 'channel' and channel = 'email'),"
            " analytics.histogram_sum(first_response_histogram) filter (where dimensions = 'channel' and channel = 'sms')"
            " from analytics.rollup_15m")[0]
same(ask("select analytics.histogram_merge('%s', '%s') = '%s', analytics.histogram_subtract('%s', '%s') = '%s',"
         " analytics.histogram_count('%s'), analytics.histogram_subtract('%s', '%s') is null"
         % (parts[1], parts[2], parts[0], parts[0], parts[1], parts[2], parts[0], parts[0], parts[0])), [["t", "t", str(TALKS), "t"]],
     "histograms add up, and can be taken away again")

# ---- what the views show ----

same(ask("select sum(first_responses), sum(first_response_seconds) from analytics.rollup_15m where dimensions = 'all'")
     + ask("select sum(first_responses), sum(first_response_seconds) from analytics.rollup_day where dimensions = 'channel'")
     + ask("select sum(first_responses), sum(first_response_seconds) from analytics.rollup_hour where dimensions = 'agent'"),
     [[str(TALKS), "%d.%06d" % divmod(sum(every), 1000000)]] * 3, "quarters, hours and days of any full set add up to the same")
same(ask("select count(distinct tenant_id), count(*) > 0 from analytics.rollup_15m"), [["1", "t"]], "of this tenant alone")
same(ask("select to_char(min(bucket_at at time zone 'Europe/Berlin'), 'YYYY-MM-DD HH24:MI'), bool_and(to_char(bucket_at at time zone"
         " 'Europe/Berlin', 'HH24:MI') = '00:00'), min(time_zone), bool_and(day = (bucket_at at time zone 'Europe/Berlin')::date)"
         " from analytics.report_day"), [["2025-10-09 00:00", "t", "Europe/Berlin", "t"]], "days begin at the tenant's midnight")
same(ask("select backlog from analytics.backlog_day where dimensions = 'all' order by bucket_at desc limit 1")
     + ask("select backlog from analytics.backlog_15m where dimensions = 'all' order by bucket_at desc limit 1"),
     [[str(TALKS - (TALKS + 2) // 3)]] * 2, "the backlog's last row is who is unresolved")
same(ask("select sum(amount), sum(seconds) from analytics.metrics_15m where dimensions = 'all' and metric = 'first_responses'")
     + ask("select sum(amount), sum(seconds) from analytics.metrics_day where dimensions = 'all' and metric = 'first_responses'"),
     [[str(TALKS), "%d.%06d" % divmod(sum(every), 1000000)]] * 2, "the long form has the same")
report = ask("select sum(conversations_created), sum(conversations_resolved), sum(messages_in), sum(messages_out), max(reopen_rate),"
             " bool_and(first_response_p50 <= first_response_p90) from analytics.report_day where dimensions = 'all'")
same(report, [[str(TALKS), str((TALKS + 2) // 3), str(TALKS), str(TALKS), "0.0000", "t"]], "the report has its days")
same(engine.sql("select relname || '.' || attname from pg_attribute join pg_class c on c.oid = attrelid where relnamespace ="
                " 'analytics'::regnamespace and relkind = 'v' and attnum > 0 and col_description(attrelid, attnum) is null order by 1"), [],
     "every column of every view says what it is")
same(engine.sql("select relname from pg_class where relnamespace = 'analytics'::regnamespace and relkind = 'v'"
                " and obj_description(oid, 'pg_class') is null"), [], "and every view what it is")
same(engine.sql("select attname from pg_attribute where attrelid = 'analytics.rollup_15m'::regclass and attnum > 0 and attname not in"
                " ('id', 'last_position') except select attname from pg_attribute where attrelid = 'analytics.rollup_hour'::regclass"), [],
     "hours have every column that quarters have")
metrics = engine.sql("select distinct attname from pg_attribute where attrelid = 'analytics.rollup_15m'::regclass and attnum > 0"
                     " and atttypid = 'int4'::regtype")
text = engine.one("select pg_get_viewdef('analytics.metrics_day'::regclass)")
same([m for (m,) in metrics if "'%s'" % m not in text], [], "and the long form names all that are counted")

engine.sql("create role ann login in role verbatim_analyst; insert into verbatim.role_tenants values ('ann', '%s')" % A.tenant)
views = [r[0] for r in engine.sql("select relname from pg_class where relnamespace = 'analytics'::regnamespace and relkind = 'v' order by 1")]
same(engine.sql("set app.tenant_id = '%s'; " % A.tenant + " union all ".join(
    "select '%s', count(distinct tenant_id) from (select * from analytics.%s) x" % (v, v) for v in views) + " order by 1", user="ann"),
     [[v, "0" if v == "sla_outcomes" else "1"] for v in views], "an analyst reads all of it, of its tenant")
same(engine.sql("set app.tenant_id = '%s'; select sum(first_responses), analytics.percentile(analytics.histogram_sum(first_response_histogram), 0.5) > 0"
                " from analyst.rollup_day where dimensions = 'all'" % A.tenant, user="ann"), [[str(TALKS), "t"]], "in its own schema, too")

# ---- a year ----

TABLE = engine.one("select 'generations.' || table_name from verbatim.generation where projection = 'analytics.rollup_day' and active")
numbers = [r[0] for r in engine.sql("select attname from pg_attribute where attrelid = '%s'::regclass and attnum > 0 and attnotnull and"
                                    " atttypid in ('int4'::regtype, 'numeric'::regtype)" % TABLE)]
columns = ", ".join('"%s"' % n for n in numbers)
engine.sql("""
insert into %s (tenant_id, id, last_position, bucket_at, time_zone, dimensions, channel, agent_id, first_response_histogram, %s)
select t.id, gen_random_uuid(), 1, '2024-01-01'::timestamptz + d * interval '1 day', 'UTC', s.dimensions,
       case s.dimensions when 'channel' then 'c' || s.n end, case s.dimensions when 'agent' then ('00000000-0000-4000-8000-' || lpad(s.n::text, 12, '0'))::uuid end,
       case when t.id = '%s' and s.dimensions <> 'agent' then h.histogram end, %s
from (select '%s'::uuid as id union all select gen_random_uuid() from generate_series(1, 9)) t,
     generate_series(0, 365) d,
     (select 'all' as dimensions, 1 as n union all select 'channel', n from generate_series(1, 6) n
      union all select 'agent', n from generate_series(1, 20) n) s,
     (select jsonb_object_agg(c::text, 1 + c %% 5) as histogram from generate_series(950, 1150) c) h
order by d, t.id;
""" % (TABLE, columns, A.tenant, ", ".join("1 + d % 7" for _ in numbers), A.tenant))
engine.sql("vacuum analyze %s" % TABLE)


def plan(query):
    """(pages touched, rows, whether a whole table was read) of the query as the tenant's login."""
    text = ask("explain (analyze, buffers, format json) " + query)
    top = json.loads(text[0][0])[0]["Plan"]
    whole, stack = [], [top]
    while stack:
        node = stack.pop()
        stack += node.get("Plans", [])
        if node["Node Type"] == "Seq Scan" and "rollup" in node.get("Relation Name", ""):
            whole.append(node["Relation Name"])
    return top["Shared Hit Blocks"] + top["Shared Read Blocks"], top["Actual Rows"], whole


YEAR = "bucket_at >= '2024-01-01' and bucket_at < '2025-01-01'"
pages = int(engine.one("select pg_relation_size('%s') / 8192" % TABLE))
for name, query, rows, most in (
        ("a year of conversations by day", "select bucket_at, conversations_created, first_response_seconds / nullif(first_responses, 0)"
         " from analytics.rollup_day where dimensions = 'all' and " + YEAR, 366, 800),
        ("a year by channel and month", "select date_trunc('month', bucket_at) m, channel, sum(messages_in), sum(sla_resolution_met)"
         " from analytics.rollup_day where dimensions = 'channel' and " + YEAR + " group by 1, 2", 72, 3000),
        ("a year's ninetieth percentile", "select analytics.percentile(analytics.histogram_sum(first_response_histogram), 0.9)"
         " from analytics.rollup_day where dimensions = 'all' and " + YEAR, 1, 3000),
        ("the backlog of a year", "select bucket_at, backlog from analytics.backlog_day where dimensions = 'all'", 366, 800),
        ("one month of agents", "select agent_id, sum(replies) from analytics.rollup_day where dimensions = 'agent' and bucket_at >= '2024-03-01'"
         " and bucket_at < '2024-04-01' group by 1", 20, 800)):
    touched, got, whole = plan(query)
    ok(not whole and touched <= most and got >= rows, "%s: %d rows out of %d pages, of %d of the table" % (name, got, touched, pages))
same(engine.stop(), 0, "the engine ends in good order")
done()
