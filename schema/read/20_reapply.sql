-- What tells all running clocks of a policy to go by its newest version: events to append, one line of NDJSON each, of a
-- thousand conversations or resolutions at most; of the tenants that the caller may read.
--
--     verbatim psql -- -Atc "SELECT core.sla_reapply('policy…')" | verbatim append -
--
-- A fold sees the rows that an event names and no others, so "all of them" is found out here, once, and written down
-- by name; whoever reads the log later sees whom it concerned.  The event ids follow from the version and from who is
-- named, so the same lines sent twice are duplicates; once they are folded there is nobody left to tell.
CREATE OR REPLACE FUNCTION core.sla_reapply(policy uuid) RETURNS SETOF text
    LANGUAGE sql STABLE SECURITY INVOKER
    SET search_path = pg_catalog, pg_temp
    AS $$
    WITH running AS (
        SELECT DISTINCT c.tenant_id, s.version_id, c.resolution_id IS NOT NULL AS own, coalesce(c.resolution_id, c.conversation_id) AS id
        FROM core.sla_clocks c JOIN core.slas s ON s.tenant_id = c.tenant_id AND s.id = c.policy_id
        WHERE c.policy_id = policy AND c.policy_version < s.policy_version AND c.state IN ('running', 'paused')
    ), numbered AS (
        SELECT r.*, (row_number() OVER (PARTITION BY r.tenant_id, r.own ORDER BY r.id) - 1) / 1000 AS chunk FROM running r
    ), parts AS (
        SELECT n.tenant_id, n.version_id, n.own, n.chunk, json_agg(n.id ORDER BY n.id) AS ids FROM numbered n GROUP BY 1, 2, 3, 4
    )
    SELECT json_build_object(
        'event_id', overlay(overlay(left(encode(sha256(convert_to(concat_ws(' ', p.tenant_id, p.version_id, p.own, p.ids), 'UTF8')), 'hex'), 32)
                            PLACING '8' FROM 13) PLACING '8' FROM 17)::uuid,
        'event_type', 'sla_policy.reapply', 'tenant_id', p.tenant_id, 'entity_id', policy, 'actor_type', 'system',
        'occurred_at', to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        'payload', json_build_object(CASE WHEN p.own THEN 'resolution_ids' ELSE 'conversation_ids' END, p.ids))::text
    FROM parts p
    ORDER BY p.tenant_id, p.own, p.chunk
$$;
REVOKE ALL ON FUNCTION core.sla_reapply(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION core.sla_reapply(uuid) TO verbatim_reader, verbatim_engine, verbatim_admin, verbatim_auditor;
COMMENT ON FUNCTION core.sla_reapply(uuid) IS
    'Events, as NDJSON, that tell all running SLA clocks of a policy to go by its newest version.';
