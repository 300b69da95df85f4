-- Analytics as people ask for it: histograms and percentiles, hours, the backlog, rates, and a long form.
--
-- The numbers stand in analytics.rollup_15m and rollup_day, one row a bucket and dimension set; \d+ tells what each column
-- counts.  Name a set in every question (dimensions = 'all', 'channel', 'team_agent', ...), else the same thing is counted
-- once a set.  Everything adds up: over buckets, over values.  Days of another time zone than the tenant's are
-- GROUP BY date_trunc('day', bucket_at, 'Asia/Tokyo') over rollup_15m: all zones of today are whole quarters of an hour off.

-- ---- histograms: {"class": count}, class k holds 2^(k/35) to 2^((k+1)/35) microseconds (core/rules/histogram.h) ----

CREATE OR REPLACE FUNCTION analytics.histogram_total(histograms jsonb[]) RETURNS jsonb
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
    SELECT jsonb_object_agg(c.class, c.amount)
    FROM (SELECT e.key AS class, sum(e.value::bigint) AS amount
          FROM unnest(histograms) h, jsonb_each_text(h) e
          GROUP BY e.key HAVING sum(e.value::bigint) <> 0) c
$$;
COMMENT ON FUNCTION analytics.histogram_total(jsonb[]) IS 'The histogram of all that these count; null when they count nothing.';

CREATE OR REPLACE AGGREGATE analytics.histogram_sum(jsonb) (
    SFUNC = array_append, STYPE = jsonb[], FINALFUNC = analytics.histogram_total, PARALLEL = SAFE
);
COMMENT ON AGGREGATE analytics.histogram_sum(jsonb) IS 'The histogram of all that these count, over rows.';

CREATE OR REPLACE FUNCTION analytics.histogram_merge(a jsonb, b jsonb) RETURNS jsonb
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT analytics.histogram_total(ARRAY[a, b]) $$;
COMMENT ON FUNCTION analytics.histogram_merge(jsonb, jsonb) IS 'The histogram of what either counts.';

CREATE OR REPLACE FUNCTION analytics.histogram_subtract(a jsonb, b jsonb) RETURNS jsonb
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
    SELECT analytics.histogram_total(ARRAY[a, (SELECT jsonb_object_agg(e.key, -e.value::bigint) FROM jsonb_each_text(b) e)])
$$;
COMMENT ON FUNCTION analytics.histogram_subtract(jsonb, jsonb) IS 'What the first counts less what the second does.';

CREATE OR REPLACE FUNCTION analytics.histogram_count(histogram jsonb) RETURNS bigint
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    AS $$ SELECT coalesce(sum(e.value::bigint), 0)::bigint FROM jsonb_each_text(histogram) e $$;
COMMENT ON FUNCTION analytics.histogram_count(jsonb) IS 'How many durations it counts.';

-- The class that holds the same element as percentile_disc; what stands for a class is at most 0.99 % from all in it.
CREATE OR REPLACE FUNCTION analytics.percentile(histogram jsonb, fraction double precision) RETURNS double precision
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    AS $$
    SELECT CASE WHEN c.class = 0 THEN 0
                ELSE power(2, c.class / 35.0::float8) * 2 / (1 + power(2, -1 / 35.0::float8)) / 1e6 END
    FROM (SELECT e.key::int AS class,
                 sum(e.value::bigint) OVER (ORDER BY e.key::int)::float8 AS up_to,
                 sum(e.value::bigint) OVER ()::float8 AS total
          FROM jsonb_each_text(histogram) e) c
    WHERE fraction BETWEEN 0 AND 1 AND c.up_to >= greatest(1, ceil(fraction * c.total))
    ORDER BY c.class LIMIT 1
$$;
COMMENT ON FUNCTION analytics.percentile(jsonb, double precision) IS
    'Seconds that this fraction (0.5: the median) of the counted durations do not exceed, as percentile_disc; at most 1 % off.';

REVOKE ALL ON FUNCTION analytics.histogram_total(jsonb[]), analytics.histogram_sum(jsonb), analytics.histogram_merge(jsonb, jsonb),
    analytics.histogram_subtract(jsonb, jsonb), analytics.histogram_count(jsonb), analytics.percentile(jsonb, double precision)
    FROM PUBLIC;
GRANT EXECUTE ON FUNCTION analytics.histogram_total(jsonb[]), analytics.histogram_sum(jsonb), analytics.histogram_merge(jsonb, jsonb),
    analytics.histogram_subtract(jsonb, jsonb), analytics.histogram_count(jsonb), analytics.percentile(jsonb, double precision)
    TO verbatim_reader, verbatim_analyst, verbatim_engine, verbatim_admin, verbatim_auditor;

-- ---- hours ----

CREATE OR REPLACE VIEW analytics.rollup_hour WITH (security_invoker = true) AS
SELECT
	tenant_id,
	date_trunc('hour', bucket_at, 'UTC') AS bucket_at,
	dimensions,
	channel, team_id, agent_id, tier, severity, intent,
	sum(conversations_created) AS conversations_created,
	sum(conversations_ai_handled) AS conversations_ai_handled,
	sum(resolutions) AS resolutions,
	sum(reopens) AS reopens,
	sum(conversations_reopened) AS conversations_reopened,
	sum(transfers) AS transfers,
	sum(conversations_transferred) AS conversations_transferred,
	sum(escalations) AS escalations,
	sum(conversations_escalated) AS conversations_escalated,
	sum(handoffs) AS handoffs,
	sum(conversations_handed_off) AS conversations_handed_off,
	sum(backlog_change) AS backlog_change,
	sum(messages_in) AS messages_in,
	sum(messages_by_agents) AS messages_by_agents,
	sum(messages_by_ai) AS messages_by_ai,
	sum(messages_by_system) AS messages_by_system,
	sum(sla_first_response_met) AS sla_first_response_met,
	sum(sla_first_response_breached) AS sla_first_response_breached,
	sum(sla_next_response_met) AS sla_next_response_met,
	sum(sla_next_response_breached) AS sla_next_response_breached,
	sum(sla_update_met) AS sla_update_met,
	sum(sla_update_breached) AS sla_update_breached,
	sum(sla_resolution_met) AS sla_resolution_met,
	sum(sla_resolution_breached) AS sla_resolution_breached,
	sum(sla_issue_met) AS sla_issue_met,
	sum(sla_issue_breached) AS sla_issue_breached,
	sum(first_responses) AS first_responses,
	sum(first_response_seconds) AS first_response_seconds,
	analytics.histogram_sum(first_response_histogram) AS first_response_histogram,
	sum(first_responses_in_business_time) AS first_responses_in_business_time,
	sum(first_response_business_seconds) AS first_response_business_seconds,
	analytics.histogram_sum(first_response_business_histogram) AS first_response_business_histogram,
	sum(ai_first_responses) AS ai_first_responses,
	sum(ai_first_response_seconds) AS ai_first_response_seconds,
	analytics.histogram_sum(ai_first_response_histogram) AS ai_first_response_histogram,
	sum(conversations_assigned) AS conversations_assigned,
	sum(assignment_wait_seconds) AS assignment_wait_seconds,
	analytics.histogram_sum(assignment_wait_histogram) AS assignment_wait_histogram,
	sum(replies) AS replies,
	sum(reply_seconds) AS reply_seconds,
	analytics.histogram_sum(reply_histogram) AS reply_histogram,
	sum(replies_in_business_time) AS replies_in_business_time,
	sum(reply_business_seconds) AS reply_business_seconds,
	analytics.histogram_sum(reply_business_histogram) AS reply_business_histogram,
	sum(conversations_resolved) AS conversations_resolved,
	sum(first_resolution_seconds) AS first_resolution_seconds,
	analytics.histogram_sum(first_resolution_histogram) AS first_resolution_histogram,
	sum(conversations_resolved_in_business_time) AS conversations_resolved_in_business_time,
	sum(first_resolution_business_seconds) AS first_resolution_business_seconds,
	analytics.histogram_sum(first_resolution_business_histogram) AS first_resolution_business_histogram,
	sum(full_resolutions) AS full_resolutions,
	sum(full_resolution_seconds) AS full_resolution_seconds,
	analytics.histogram_sum(full_resolution_histogram) AS full_resolution_histogram,
	sum(full_resolutions_in_business_time) AS full_resolutions_in_business_time,
	sum(full_resolution_business_seconds) AS full_resolution_business_seconds,
	analytics.histogram_sum(full_resolution_business_histogram) AS full_resolution_business_histogram
FROM analytics.rollup_15m
GROUP BY tenant_id, date_trunc('hour', bucket_at, 'UTC'), dimensions, channel, team_id, agent_id, tier, severity, intent;
COMMENT ON VIEW analytics.rollup_hour IS
	'rollup_15m by hours of UTC. For a few hours out of a long history, ask rollup_15m with a range of bucket_at instead.';

-- ---- the backlog ----

CREATE OR REPLACE VIEW analytics.backlog_15m WITH (security_invoker = true) AS
SELECT
	tenant_id, bucket_at, dimensions, channel, team_id, agent_id, tier, severity, intent,
	sum(backlog_change) OVER (
		PARTITION BY tenant_id, dimensions, channel, team_id, agent_id, tier, severity, intent ORDER BY bucket_at
	) AS backlog
FROM analytics.rollup_15m
WHERE backlog_change <> 0;
COMMENT ON VIEW analytics.backlog_15m IS
	'Conversations not resolved at the end of the bucket; a bucket without a row has the backlog of the one before.';

CREATE OR REPLACE VIEW analytics.backlog_day WITH (security_invoker = true) AS
SELECT
	tenant_id, bucket_at, time_zone, dimensions, channel, team_id, agent_id, tier, severity, intent,
	sum(backlog_change) OVER (
		PARTITION BY tenant_id, dimensions, channel, team_id, agent_id, tier, severity, intent ORDER BY bucket_at
	) AS backlog
FROM analytics.rollup_day
WHERE backlog_change <> 0;
COMMENT ON VIEW analytics.backlog_day IS
	'Conversations not resolved at the end of the bucket; a bucket without a row has the backlog of the one before.';

-- ---- a day at a glance ----

CREATE OR REPLACE VIEW analytics.report_day WITH (security_invoker = true) AS
SELECT
	tenant_id, (bucket_at AT TIME ZONE time_zone)::date AS day, bucket_at, time_zone,
	dimensions, channel, team_id, agent_id, tier, severity, intent,
	conversations_created, conversations_resolved, resolutions, backlog_change,
	messages_in, messages_by_agents + messages_by_ai + messages_by_system AS messages_out,
	first_responses,
	round(first_response_seconds / nullif(first_responses, 0), 1) AS first_response_mean,
	analytics.percentile(first_response_histogram, 0.5) AS first_response_p50,
	analytics.percentile(first_response_histogram, 0.9) AS first_response_p90,
	round(first_response_business_seconds / nullif(first_responses_in_business_time, 0), 1) AS first_response_business_mean,
	replies,
	round(reply_seconds / nullif(replies, 0), 1) AS reply_mean,
	analytics.percentile(reply_histogram, 0.9) AS reply_p90,
	round(assignment_wait_seconds / nullif(conversations_assigned, 0), 1) AS assignment_wait_mean,
	round(first_resolution_seconds / nullif(conversations_resolved, 0), 1) AS first_resolution_mean,
	round(full_resolution_seconds / nullif(full_resolutions, 0), 1) AS full_resolution_mean,
	analytics.percentile(full_resolution_histogram, 0.9) AS full_resolution_p90,
	round(conversations_reopened::numeric / nullif(conversations_resolved, 0), 4) AS reopen_rate,
	round(conversations_transferred::numeric / nullif(conversations_assigned, 0), 4) AS transfer_rate,
	round(conversations_escalated::numeric / nullif(conversations_created, 0), 4) AS escalation_rate,
	round(conversations_handed_off::numeric / nullif(conversations_ai_handled, 0), 4) AS handoff_rate,
	round(sla_first_response_met::numeric / nullif(sla_first_response_met + sla_first_response_breached, 0), 4)
		AS sla_first_response_attainment,
	round(sla_next_response_met::numeric / nullif(sla_next_response_met + sla_next_response_breached, 0), 4)
		AS sla_next_response_attainment,
	round(sla_update_met::numeric / nullif(sla_update_met + sla_update_breached, 0), 4) AS sla_update_attainment,
	round(sla_resolution_met::numeric / nullif(sla_resolution_met + sla_resolution_breached, 0), 4)
		AS sla_resolution_attainment
FROM analytics.rollup_day;
COMMENT ON VIEW analytics.report_day IS
	'Means and percentiles in seconds, and rates, of each day. Over several days add up rollup_day: means of means are no means.';

-- ---- the long form: a row a metric ----

CREATE OR REPLACE VIEW analytics.metrics_15m WITH (security_invoker = true) AS
SELECT r.tenant_id, r.bucket_at, r.dimensions, r.channel, r.team_id, r.agent_id, r.tier, r.severity, r.intent,
	m.metric, m.amount, m.seconds, m.histogram
FROM analytics.rollup_15m r
CROSS JOIN LATERAL (VALUES
	('conversations_created', conversations_created, NULL::numeric, NULL::jsonb),
	('conversations_ai_handled', conversations_ai_handled, NULL, NULL),
	('resolutions', resolutions, NULL, NULL),
	('reopens', reopens, NULL, NULL),
	('conversations_reopened', conversations_reopened, NULL, NULL),
	('transfers', transfers, NULL, NULL),
	('conversations_transferred', conversations_transferred, NULL, NULL),
	('escalations', escalations, NULL, NULL),
	('conversations_escalated', conversations_escalated, NULL, NULL),
	('handoffs', handoffs, NULL, NULL),
	('conversations_handed_off', conversations_handed_off, NULL, NULL),
	('backlog_change', backlog_change, NULL, NULL),
	('messages_in', messages_in, NULL, NULL),
	('messages_by_agents', messages_by_agents, NULL, NULL),
	('messages_by_ai', messages_by_ai, NULL, NULL),
	('messages_by_system', messages_by_system, NULL, NULL),
	('sla_first_response_met', sla_first_response_met, NULL, NULL),
	('sla_first_response_breached', sla_first_response_breached, NULL, NULL),
	('sla_next_response_met', sla_next_response_met, NULL, NULL),
	('sla_next_response_breached', sla_next_response_breached, NULL, NULL),
	('sla_update_met', sla_update_met, NULL, NULL),
	('sla_update_breached', sla_update_breached, NULL, NULL),
	('sla_resolution_met', sla_resolution_met, NULL, NULL),
	('sla_resolution_breached', sla_resolution_breached, NULL, NULL),
	('sla_issue_met', sla_issue_met, NULL, NULL),
	('sla_issue_breached', sla_issue_breached, NULL, NULL),
	('first_responses', first_responses, first_response_seconds, first_response_histogram),
	('first_responses_in_business_time', first_responses_in_business_time,
		first_response_business_seconds, first_response_business_histogram),
	('ai_first_responses', ai_first_responses, ai_first_response_seconds, ai_first_response_histogram),
	('conversations_assigned', conversations_assigned, assignment_wait_seconds, assignment_wait_histogram),
	('replies', replies, reply_seconds, reply_histogram),
	('replies_in_business_time', replies_in_business_time, reply_business_seconds, reply_business_histogram),
	('conversations_resolved', conversations_resolved, first_resolution_seconds, first_resolution_histogram),
	('conversations_resolved_in_business_time', conversations_resolved_in_business_time,
		first_resolution_business_seconds, first_resolution_business_histogram),
	('full_resolutions', full_resolutions, full_resolution_seconds, full_resolution_histogram),
	('full_resolutions_in_business_time', full_resolutions_in_business_time,
		full_resolution_business_seconds, full_resolution_business_histogram)
) m (metric, amount, seconds, histogram)
WHERE m.amount <> 0;
COMMENT ON VIEW analytics.metrics_15m IS
	'rollup_15m with a row for each metric that is not zero: how many, and of durations their sum and histogram.';

CREATE OR REPLACE VIEW analytics.metrics_day WITH (security_invoker = true) AS
SELECT r.tenant_id, r.bucket_at, r.time_zone, r.dimensions, r.channel, r.team_id, r.agent_id, r.tier, r.severity, r.intent,
	m.metric, m.amount, m.seconds, m.histogram
FROM analytics.rollup_day r
CROSS JOIN LATERAL (VALUES
	('conversations_created', conversations_created, NULL::numeric, NULL::jsonb),
	('conversations_ai_handled', conversations_ai_handled, NULL, NULL),
	('resolutions', resolutions, NULL, NULL),
	('reopens', reopens, NULL, NULL),
	('conversations_reopened', conversations_reopened, NULL, NULL),
	('transfers', transfers, NULL, NULL),
	('conversations_transferred', conversations_transferred, NULL, NULL),
	('escalations', escalations, NULL, NULL),
	('conversations_escalated', conversations_escalated, NULL, NULL),
	('handoffs', handoffs, NULL, NULL),
	('conversations_handed_off', conversations_handed_off, NULL, NULL),
	('backlog_change', backlog_change, NULL, NULL),
	('messages_in', messages_in, NULL, NULL),
	('messages_by_agents', messages_by_agents, NULL, NULL),
	('messages_by_ai', messages_by_ai, NULL, NULL),
	('messages_by_system', messages_by_system, NULL, NULL),
	('sla_first_response_met', sla_first_response_met, NULL, NULL),
	('sla_first_response_breached', sla_first_response_breached, NULL, NULL),
	('sla_next_response_met', sla_next_response_met, NULL, NULL),
	('sla_next_response_breached', sla_next_response_breached, NULL, NULL),
	('sla_update_met', sla_update_met, NULL, NULL),
	('sla_update_breached', sla_update_breached, NULL, NULL),
	('sla_resolution_met', sla_resolution_met, NULL, NULL),
	('sla_resolution_breached', sla_resolution_breached, NULL, NULL),
	('sla_issue_met', sla_issue_met, NULL, NULL),
	('sla_issue_breached', sla_issue_breached, NULL, NULL),
	('first_responses', first_responses, first_response_seconds, first_response_histogram),
	('first_responses_in_business_time', first_responses_in_business_time,
		first_response_business_seconds, first_response_business_histogram),
	('ai_first_responses', ai_first_responses, ai_first_response_seconds, ai_first_response_histogram),
	('conversations_assigned', conversations_assigned, assignment_wait_seconds, assignment_wait_histogram),
	('replies', replies, reply_seconds, reply_histogram),
	('replies_in_business_time', replies_in_business_time, reply_business_seconds, reply_business_histogram),
	('conversations_resolved', conversations_resolved, first_resolution_seconds, first_resolution_histogram),
	('conversations_resolved_in_business_time', conversations_resolved_in_business_time,
		first_resolution_business_seconds, first_resolution_business_histogram),
	('full_resolutions', full_resolutions, full_resolution_seconds, full_resolution_histogram),
	('full_resolutions_in_business_time', full_resolutions_in_business_time,
		full_resolution_business_seconds, full_resolution_business_histogram)
) m (metric, amount, seconds, histogram)
WHERE m.amount <> 0;
COMMENT ON VIEW analytics.metrics_day IS
	'rollup_day with a row for each metric that is not zero: how many, and of durations their sum and histogram.';

-- Numbers hold no content and no personal data: analysts read them here, as well as in schema analyst.
GRANT SELECT ON analytics.rollup_15m, analytics.rollup_day, analytics.conversation_facts, analytics.sla_outcomes
    TO verbatim_analyst;

-- What a column counts is said where it is kept; here it is said again.
DO $$
DECLARE
    v text;
    c record;
BEGIN
    FOREACH v IN ARRAY ARRAY['rollup_hour', 'backlog_15m', 'backlog_day', 'report_day', 'metrics_15m', 'metrics_day'] LOOP
        EXECUTE format('REVOKE ALL ON analytics.%I FROM PUBLIC', v);
        EXECUTE format('GRANT SELECT ON analytics.%I TO verbatim_reader, verbatim_analyst, verbatim_engine, verbatim_admin,'
                       ' verbatim_auditor', v);
        FOR c IN SELECT a.attname, col_description(b.attrelid, b.attnum) AS about
                 FROM pg_attribute a JOIN pg_attribute b USING (attname)
                 WHERE a.attrelid = ('analytics.' || v)::regclass AND b.attrelid = 'analytics.rollup_day'::regclass AND a.attnum > 0 LOOP
            CONTINUE WHEN c.about IS NULL OR (c.attname = 'bucket_at' AND v NOT LIKE '%\_day');
            EXECUTE format('COMMENT ON COLUMN analytics.%I.%I IS %L', v, c.attname, c.about);
        END LOOP;
    END LOOP;
END $$;

-- And what these views add.
DO $$
DECLARE
    c record;
BEGIN
    FOR c IN SELECT * FROM (VALUES
        ('rollup_hour', 'bucket_at', 'the hour (UTC) begins'),
        ('backlog_15m', 'bucket_at', 'the quarter of an hour (UTC) begins'),
        ('backlog_15m', 'backlog', 'conversations not resolved at the end of the bucket'),
        ('backlog_day', 'backlog', 'conversations not resolved at the end of the day'),
        ('metrics_15m', 'bucket_at', 'the quarter of an hour (UTC) begins'),
        ('report_day', 'day', 'the date, in its time zone'),
        ('report_day', 'messages_out', 'messages to customers: messages_by_agents + messages_by_ai + messages_by_system'),
        ('report_day', 'first_response_mean', 'seconds: first_response_seconds / first_responses'),
        ('report_day', 'first_response_p50', 'seconds that half of the first responses did not exceed; at most 1 % off'),
        ('report_day', 'first_response_p90', 'seconds that nine tenths of the first responses did not exceed; at most 1 % off'),
        ('report_day', 'first_response_business_mean', 'seconds of business time: first_response_business_seconds / first_responses_in_business_time'),
        ('report_day', 'reply_mean', 'seconds: reply_seconds / replies'),
        ('report_day', 'reply_p90', 'seconds that nine tenths of the replies did not exceed; at most 1 % off'),
        ('report_day', 'assignment_wait_mean', 'seconds: assignment_wait_seconds / conversations_assigned'),
        ('report_day', 'first_resolution_mean', 'seconds: first_resolution_seconds / conversations_resolved'),
        ('report_day', 'full_resolution_mean', 'seconds: full_resolution_seconds / full_resolutions'),
        ('report_day', 'full_resolution_p90', 'seconds that nine tenths of the full resolutions did not exceed; at most 1 % off'),
        ('report_day', 'reopen_rate', 'conversations_reopened / conversations_resolved'),
        ('report_day', 'transfer_rate', 'conversations_transferred / conversations_assigned'),
        ('report_day', 'escalation_rate', 'conversations_escalated / conversations_created'),
        ('report_day', 'handoff_rate', 'conversations_handed_off / conversations_ai_handled'),
        ('report_day', 'sla_first_response_attainment', 'first_response clocks: met / (met + breached)'),
        ('report_day', 'sla_next_response_attainment', 'next_response clocks: met / (met + breached)'),
        ('report_day', 'sla_update_attainment', 'update clocks: met / (met + breached)'),
        ('report_day', 'sla_resolution_attainment', 'resolution clocks of conversations: met / (met + breached)'),
        ('metrics_%', 'metric', 'the name of a column of the roll-ups; its comment is the definition'),
        ('metrics_%', 'amount', 'how many'),
        ('metrics_%', 'seconds', 'of durations: their sum; divided by amount the mean'),
        ('metrics_%', 'histogram', 'of durations: for analytics.percentile(analytics.histogram_sum(histogram), 0.9)')
    ) v (view, name, about) JOIN pg_class k ON k.relnamespace = 'analytics'::regnamespace AND k.relkind = 'v' AND k.relname LIKE v.view LOOP
        EXECUTE format('COMMENT ON COLUMN analytics.%I.%I IS %L', c.relname, c.name, c.about);
    END LOOP;
END $$;
