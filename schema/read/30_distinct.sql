-- What no roll-up can hold: who is counted once however often he comes, and how old the backlog is.
--
-- Distinct customers of two days are not those of one and those of the other, and ages change while nothing happens.  So
-- these are asked of the rows, which are few: the resolutions of a range, and who is unresolved now.  Both take back what
-- proves wrong as the rows do: a conversation that goes over to another customer, one that is merged away, customers who
-- are merged and come apart again.

CREATE OR REPLACE FUNCTION analytics.resolved_between(since timestamptz, until timestamptz, by text DEFAULT 'all')
    RETURNS TABLE (value text, resolutions bigint, conversations bigint, customers bigint)
    LANGUAGE sql STABLE SECURITY INVOKER
    SET search_path = pg_catalog, pg_temp
    AS $$
    WITH RECURSIVE resolved AS (
        SELECT t.tenant_id, t.conversation_id, c.customer_id, c.merged_into_id IS NOT NULL AS merged,
               CASE by WHEN 'all' THEN 'all' WHEN 'channel' THEN c.initial_channel WHEN 'tier' THEN c.sla_tier
                       WHEN 'severity' THEN c.severity WHEN 'intent' THEN c.intent END AS value
        FROM core.conversation_transitions t
            JOIN core.conversations c ON c.tenant_id = t.tenant_id AND c.id = t.conversation_id
        WHERE t.to_state = 'resolved' AND t.cause <> 'merge' AND t.occurred_at >= since AND t.occurred_at < until
    ), became (tenant_id, customer_id, id, hops) AS (
        SELECT DISTINCT r.tenant_id, r.customer_id, r.customer_id, 0 FROM resolved r
        UNION ALL
        SELECT b.tenant_id, b.customer_id, u.merged_into_id, b.hops + 1
        FROM became b JOIN core.customers u ON u.tenant_id = b.tenant_id AND u.id = b.id
        WHERE u.merged_into_id IS NOT NULL AND b.hops < 32
    ), survivor AS (
        SELECT DISTINCT ON (b.tenant_id, b.customer_id) b.tenant_id, b.customer_id, b.id
        FROM became b ORDER BY b.tenant_id, b.customer_id, b.hops DESC
    )
    SELECT r.value, count(*), count(DISTINCT (r.tenant_id, r.conversation_id)) FILTER (WHERE NOT r.merged),
           count(DISTINCT (r.tenant_id, s.id)) FILTER (WHERE NOT r.merged)
    FROM resolved r JOIN survivor s ON s.tenant_id = r.tenant_id AND s.customer_id = r.customer_id
    WHERE r.value IS NOT NULL GROUP BY r.value ORDER BY 2 DESC, 1
$$;
COMMENT ON FUNCTION analytics.resolved_between(timestamptz, timestamptz, text) IS
    'Of [since, until): times that a conversation was resolved (merging is not), the distinct conversations (without those that '
    'were merged into another), and their distinct customers (merged ones as one). by: all, channel, tier, severity, intent.';

CREATE OR REPLACE FUNCTION analytics.backlog_ages(by text DEFAULT 'all', at timestamptz DEFAULT now())
    RETURNS TABLE (value text, backlog bigint, under_1h bigint, under_4h bigint, under_8h bigint, under_24h bigint, older bigint,
                   oldest_at timestamptz)
    LANGUAGE sql STABLE SECURITY INVOKER
    SET search_path = pg_catalog, pg_temp
    AS $$
    SELECT c.value, count(*), count(*) FILTER (WHERE age < interval '1 hour'),
           count(*) FILTER (WHERE age >= interval '1 hour' AND age < interval '4 hours'),
           count(*) FILTER (WHERE age >= interval '4 hours' AND age < interval '8 hours'),
           count(*) FILTER (WHERE age >= interval '8 hours' AND age < interval '24 hours'),
           count(*) FILTER (WHERE age >= interval '24 hours'), min(created_at)
    FROM (SELECT at - c.created_at AS age, c.created_at,
                 CASE by WHEN 'all' THEN 'all' WHEN 'channel' THEN c.initial_channel WHEN 'tier' THEN c.sla_tier
                         WHEN 'severity' THEN c.severity WHEN 'intent' THEN c.intent
                         WHEN 'team' THEN c.assigned_team_id::text WHEN 'agent' THEN c.assigned_agent_id::text END AS value
          FROM core.conversations c
          WHERE c.state IN ('open', 'awaiting_customer', 'awaiting_agent', 'escalated', 'reopened') AND c.deleted_at IS NULL) c
    WHERE c.value IS NOT NULL GROUP BY c.value ORDER BY 2 DESC, 1
$$;
COMMENT ON FUNCTION analytics.backlog_ages(text, timestamptz) IS
    'Conversations that are not resolved now, by how long before `at` they began (each column has what the one before it does '
    'not). by: all, channel, team, agent, tier, severity, intent; what has none is in no row.';

REVOKE ALL ON FUNCTION analytics.resolved_between(timestamptz, timestamptz, text), analytics.backlog_ages(text, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION analytics.resolved_between(timestamptz, timestamptz, text), analytics.backlog_ages(text, timestamptz)
    TO verbatim_reader, verbatim_engine, verbatim_admin, verbatim_auditor;
