-- Expectations about a tenant that name types are judged with one look at the log for all of a batch, when they are many.
--
-- Each decision about an SLA clock expects that no policy was reapplied meanwhile, so batches come with hundreds of
-- them; a look at the range of positions for each would read it hundreds of times.  A few are looked at one by one, as
-- before: such a look ends at the first event that stands in the way.  (min(after) is within the 1,000,000 positions
-- that expect_far allows, for each `after` is.)

DO $$ BEGIN PERFORM set_config('verbatim.caller', current_setting('role'), true); END $$;
SET LOCAL ROLE verbatim_owner;

-- The expectations of a batch that something stands in the way of: of each the newest such event.
-- Leaves that hold only positions up to `after` are kept out, by `oldest` when the plan starts and by
-- `since` for each expectation.  In the scans over a range of positions the tenant is compared with IS
-- NOT DISTINCT FROM, which no index answers, so that the plan stays the range.
CREATE OR REPLACE FUNCTION verbatim.judge_expect(
    p_shard  int2,
    p_head   int8,
    p_item   int4[],
    p_tenant uuid[],
    p_scope  text[],
    p_id     uuid[],
    p_types  text[],
    p_after  int8[]
) RETURNS SETOF verbatim.append_outcome
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    far    constant int8 := 1000000;
    few    constant int4 := 8;
    after  int8[];
    since  timestamptz[];       -- of each: the start of the oldest month that holds a position after it
    oldest timestamptz;
    typed  int4;                -- tenants' expectations with types: how many, the least `after`, and all types
    lowest int8;
    wanted text[];
BEGIN
    IF EXISTS (SELECT FROM unnest(p_scope) s
               WHERE s IS NULL OR s NOT IN ('entity', 'conversation', 'resolution', 'tenant')) THEN
        RAISE EXCEPTION 'unknown scope of an expectation' USING ERRCODE = 'invalid_parameter_value';
    END IF;

    SELECT array_agg(coalesce(a.after, 0) ORDER BY a.i), array_agg(w.month ORDER BY a.i), min(w.month)
        INTO after, since, oldest
        FROM unnest(p_after) WITH ORDINALITY AS a (after, i)
        CROSS JOIN LATERAL (
            SELECT min(m.month)::timestamp AT TIME ZONE 'UTC' AS month FROM verbatim.log_month m
            WHERE m.shard = p_shard AND (m.last_position IS NULL OR m.last_position > coalesce(a.after, 0))) w;
    IF oldest IS NULL THEN
        RETURN;                 -- the shard is empty
    END IF;

    IF 'conversation' = ANY (p_scope) THEN
        RETURN QUERY
            SELECT 'expect', x.item, hit.position, NULL::timestamptz, NULL::bytea
            FROM unnest(p_item, p_tenant, p_scope, p_id, p_types, after, since) AS x (item, tenant, scope, id, types, after, since)
            CROSS JOIN LATERAL (
                SELECT e.position FROM verbatim.event_log e
                WHERE e.tenant_id = x.tenant AND e.conversation_id = x.id AND e.position > x.after
                  AND e.recorded_at >= oldest AND e.recorded_at >= x.since
                  AND (coalesce(x.types, '') = '' OR e.event_type = ANY (string_to_array(x.types, ',')))
                ORDER BY e.position DESC LIMIT 1) hit
            WHERE x.scope = 'conversation';
    END IF;

    IF 'resolution' = ANY (p_scope) THEN
        RETURN QUERY
            SELECT 'expect', x.item, hit.position, NULL::timestamptz, NULL::bytea
            FROM unnest(p_item, p_tenant, p_scope, p_id, p_types, after, since) AS x (item, tenant, scope, id, types, after, since)
            CROSS JOIN LATERAL (
                SELECT e.position FROM verbatim.event_log e
                WHERE e.tenant_id = x.tenant AND e.resolution_id = x.id AND e.position > x.after
                  AND e.recorded_at >= oldest AND e.recorded_at >= x.since
                  AND (coalesce(x.types, '') = '' OR e.event_type = ANY (string_to_array(x.types, ',')))
                ORDER BY e.position DESC LIMIT 1) hit
            WHERE x.scope = 'resolution';
    END IF;

    IF 'entity' = ANY (p_scope) OR 'tenant' = ANY (p_scope) THEN
        RETURN QUERY
            SELECT 'expect_far', x.item, p_head, NULL::timestamptz, NULL::bytea
            FROM unnest(p_item, p_scope, p_types, after) AS x (item, scope, types, after)
            WHERE p_head - x.after > far
              AND (x.scope = 'entity'
                   OR x.scope = 'tenant' AND NOT (x.after = 0 AND coalesce(x.types, '') = ''));
        IF FOUND THEN
            RETURN;
        END IF;
    END IF;

    IF 'entity' = ANY (p_scope) THEN
        RETURN QUERY
            SELECT 'expect', x.item, hit.position, NULL::timestamptz, NULL::bytea
            FROM unnest(p_item, p_tenant, p_scope, p_id, p_types, after, since) AS x (item, tenant, scope, id, types, after, since)
            CROSS JOIN LATERAL (
                SELECT max(h.position) AS position FROM (
                    (SELECT e.position FROM verbatim.event_log e
                     WHERE e.tenant_id = x.tenant AND e.entity_id = x.id AND e.conversation_id IS NULL
                       AND e.position > x.after
                       AND e.recorded_at >= oldest AND e.recorded_at >= x.since
                       AND (coalesce(x.types, '') = '' OR e.event_type = ANY (string_to_array(x.types, ',')))
                     ORDER BY e.position DESC LIMIT 1)
                    UNION ALL
                    (SELECT e.position FROM verbatim.event_log e
                     WHERE e.shard = p_shard AND e.position > x.after
                       AND e.tenant_id IS NOT DISTINCT FROM x.tenant AND e.entity_id IS NOT DISTINCT FROM x.id
                       AND e.conversation_id IS NOT NULL
                       AND e.recorded_at >= oldest AND e.recorded_at >= x.since
                       AND (coalesce(x.types, '') = '' OR e.event_type = ANY (string_to_array(x.types, ',')))
                     ORDER BY e.position DESC LIMIT 1)) h) hit
            WHERE x.scope = 'entity' AND hit.position IS NOT NULL;
    END IF;

    IF 'tenant' = ANY (p_scope) THEN
        -- Has the tenant any event at all?  The two partial indexes together hold all of its events.
        RETURN QUERY
            SELECT 'expect', x.item, hit.position, NULL::timestamptz, NULL::bytea
            FROM unnest(p_item, p_tenant, p_scope, p_types, after, since) AS x (item, tenant, scope, types, after, since)
            CROSS JOIN LATERAL (
                SELECT max(h.position) AS position FROM (
                    (SELECT e.position FROM verbatim.event_log e
                     WHERE e.tenant_id = x.tenant AND e.conversation_id IS NOT NULL AND e.recorded_at >= oldest LIMIT 1)
                    UNION ALL
                    (SELECT e.position FROM verbatim.event_log e
                     WHERE e.tenant_id = x.tenant AND e.conversation_id IS NULL AND e.recorded_at >= oldest LIMIT 1)) h) hit
            WHERE x.scope = 'tenant' AND hit.position IS NOT NULL
              AND x.after = 0 AND coalesce(x.types, '') = '';
        SELECT count(*) INTO typed FROM unnest(p_scope, p_types) AS x (scope, types)
            WHERE x.scope = 'tenant' AND x.types <> '';
        RETURN QUERY
            SELECT 'expect', x.item, hit.position, NULL::timestamptz, NULL::bytea
            FROM unnest(p_item, p_tenant, p_scope, p_types, after, since) AS x (item, tenant, scope, types, after, since)
            CROSS JOIN LATERAL (
                SELECT e.position FROM verbatim.event_log e
                WHERE e.shard = p_shard AND e.position > x.after
                  AND e.tenant_id IS NOT DISTINCT FROM x.tenant
                  AND e.recorded_at >= oldest AND e.recorded_at >= x.since
                  AND (coalesce(x.types, '') = '' OR e.event_type = ANY (string_to_array(x.types, ',')))
                ORDER BY e.position DESC LIMIT 1) hit
            WHERE x.scope = 'tenant' AND NOT (x.after = 0 AND coalesce(x.types, '') = '')
              AND (typed <= few OR coalesce(x.types, '') = '');
        IF typed > few THEN
            SELECT min(x.after), array_agg(DISTINCT t.name) INTO lowest, wanted
                FROM unnest(p_scope, p_types, after) AS x (scope, types, after)
                CROSS JOIN LATERAL unnest(string_to_array(x.types, ',')) AS t (name)
                WHERE x.scope = 'tenant' AND x.types <> '';
            RETURN QUERY
                WITH e AS MATERIALIZED (
                    SELECT l.position, l.tenant_id, l.event_type FROM verbatim.event_log l
                    WHERE l.shard = p_shard AND l.position > lowest AND l.recorded_at >= oldest
                      AND l.event_type = ANY (wanted))
                SELECT 'expect', x.item, max(e.position), NULL::timestamptz, NULL::bytea
                FROM e CROSS JOIN unnest(p_item, p_tenant, p_scope, p_types, after) AS x (item, tenant, scope, types, after)
                WHERE x.scope = 'tenant' AND x.tenant = e.tenant_id AND e.position > x.after
                  AND e.event_type = ANY (string_to_array(x.types, ','))
                GROUP BY x.item;
        END IF;
    END IF;
END $$;

DO $$ BEGIN PERFORM set_config('role', current_setting('verbatim.caller'), true); END $$;
