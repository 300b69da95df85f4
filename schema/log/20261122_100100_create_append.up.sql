-- The append: one batch of one shard is one call, one statement, one commit.
--
-- The caller names the shard's head as it believes it to be and brings the rows as arrays, one a column,
-- in the order of their positions (p_head + 1, p_head + 2, ...), each with lower bound 1.  The array of an
-- optional column may be NULL as a whole.  The answer is one row 'ok', or rows that say why nothing was written:
--
--   outcome     item   position          recorded_at   hash         meaning
--   ok                 last position     recorded_at   root         committed with the caller's statement
--   epoch              the log's epoch                              the log was adopted by somebody else
--   clock                                database's    -            caller's clock is over 5 s away
--   head               head's last       head's        head's root  somebody else wrote, or time went back
--   month              -                 -             -            no leaf for p_recorded_at: make_leaf()
--   duplicate   1..n   of the stored     of the stored leaf_hash    one row each, all there are
--   expect      its    of the event that stands in the way          one row each
--   expect_far  its    head's last                                  too far back to judge (see below)
--
-- Why check-then-fence is exact.  Head, duplicates and expectations are read first, each statement with
-- a snapshot of its own, and only then the row (shard, p_head + 1) goes into log_batch.  Batches of a
-- shard chain: each begins one after its predecessor's end, and every event of the shard is committed
-- together with its batch.  So if anybody committed anything to the shard after our head was read, then
-- some batch (shard, p_head + 1) exists, and our insert finds it (having waited for its transaction to
-- end when it was still open) and writes nothing.  If our insert succeeds, nobody wrote between the
-- reading and the fence, and nobody can until we are done.  A tenant has one shard, so this covers
-- everything its events can collide with.
--
-- Turns.  A call holds the shard's advisory lock, if it is free, for one purpose: engines that share a shard can wait
-- for the end of an append that is under way, and look at the head then.  It is never waited for here, since anybody
-- may hold such a lock, and nothing rests on it.
--
-- Duplicates.  The open month's unique index is the look-up: a violation undoes fence and rows, and the
-- ids are then looked up to be named.  With p_look they are looked up first (for a batch known to be a
-- repetition).  Older leaves are asked only for the ids the caller brings in p_old_*: those whose time
-- says that they might be there; p_look_from bounds how far back.  Duplicates go before expectations: a
-- conditional request that is sent again is answered with what it stored, not with its own footprint.
--
-- Expectations.  'conversation' and 'resolution' have an index.  'entity' has one for events without a
-- conversation; the others, and 'tenant', are looked for in the range of positions after `after`, at
-- most 1,000,000 of them: past that the answer is expect_far.  (A tenant's after = 0 with all types asks
-- whether the tenant has any event; that is an index probe.)
--
-- Crash argument: all writing is in the caller's one statement.  The server has every byte of the batch
-- before the function starts, so a client that stops half-way holds no lock.  A lost answer is settled
-- by the next call with the same p_head: 'head' when the lost one was committed.
--
-- Speed.  Elements are taken by subscript: PL/pgSQL holds an array argument expanded, so that a
-- subscript is a load.  plan_cache_mode keeps the arrays out of the plans (a custom plan would copy
-- them all into constants); the enable_ settings keep a plan made on an empty leaf right for a full one.

DO $$ BEGIN PERFORM set_config('verbatim.caller', current_setting('role'), true); END $$;
SET LOCAL ROLE verbatim_owner;

CREATE TYPE verbatim.append_outcome AS (
    outcome     text,
    item        int4,
    position    int8,
    recorded_at timestamptz,
    hash        bytea
);

CREATE FUNCTION verbatim.append(
    p_shard            int2,
    p_epoch            int4,
    p_head             int8,
    p_now              timestamptz,
    p_recorded_at      timestamptz,
    p_root             bytea,
    p_look             bool,
    p_look_from        timestamptz,
    p_old_item         int4[],
    p_old_id           uuid[],
    p_old_tenant       uuid[],
    p_event_id         uuid[],
    p_tenant_id        uuid[],
    p_event_type       text[],
    p_event_version    int4[],
    p_entity_type      text[],
    p_entity_id        uuid[],
    p_conversation_id  uuid[],
    p_customer_id      uuid[],
    p_resolution_id    uuid[],
    p_actor_type       text[],
    p_actor_id         uuid[],
    p_actor_ip         inet[],
    p_actor_user_agent text[],
    p_correlation_id   uuid[],
    p_causation_id     uuid[],
    p_occurred_at      timestamptz[],
    p_silent           bool[],
    p_payload          json[],
    p_leaf_hash        bytea[],
    p_tile_level       int2[],
    p_tile_index       int8[],
    p_tile_hashes      bytea[],
    p_expect_item      int4[],
    p_expect_tenant    uuid[],
    p_expect_scope     text[],
    p_expect_id        uuid[],
    p_expect_types     text[],
    p_expect_after     int8[]
) RETURNS SETOF verbatim.append_outcome
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET plan_cache_mode = force_generic_plan
    SET jit = off
    SET enable_seqscan = off
    SET enable_bitmapscan = off
    SET enable_hashjoin = off
    SET enable_mergejoin = off
    AS $$
DECLARE
    n          int4 := cardinality(p_event_id);
    first      int8 := p_head + 1;
    last       int8 := p_head + n;
    month      timestamptz := date_trunc('month', p_recorded_at, 'UTC');
    log_epoch  int4;
    shards     int2;
    head_last  int8;
    head_at    timestamptz;
    head_root  bytea;
    seen       bool := false;
    hits       verbatim.append_outcome[];
    answer     verbatim.append_outcome;
    now_here   timestamptz;
    violation  text;
    turn       bool;
BEGIN
    SELECT i.epoch, i.shards INTO log_epoch, shards FROM verbatim.log_identity i;
    IF p_epoch IS DISTINCT FROM log_epoch THEN
        answer.outcome := 'epoch';
        answer.position := log_epoch;
        RETURN NEXT answer;
        RETURN;
    END IF;
    IF n IS NULL OR n = 0 OR p_head < 0 OR p_shard < 0 OR p_shard > shards
       OR octet_length(p_root) IS DISTINCT FROM 32 OR cardinality(p_tenant_id) IS DISTINCT FROM n
       OR cardinality(p_payload) IS DISTINCT FROM n OR cardinality(p_leaf_hash) IS DISTINCT FROM n THEN
        RAISE EXCEPTION 'not a batch: % events at head % of shard %', n, p_head, p_shard
            USING ERRCODE = 'invalid_parameter_value';
    END IF;

    -- As it was when the statement came: one that goes along may have waited for another's lock since.
    now_here := verbatim.log_now() - (clock_timestamp() - statement_timestamp());
    IF abs(extract(epoch FROM p_now - now_here)) > 5 OR p_recorded_at > now_here + interval '5 s' THEN
        answer.outcome := 'clock';
        answer.recorded_at := now_here;
        RETURN NEXT answer;
        RETURN;
    END IF;

    turn := pg_try_advisory_xact_lock(hashtext('verbatim.append'), p_shard);
    SELECT b.last_position, b.recorded_at, b.root INTO head_last, head_at, head_root
        FROM verbatim.log_batch b WHERE b.shard = p_shard ORDER BY b.first_position DESC LIMIT 1;
    IF coalesce(head_last, 0) <> p_head OR p_recorded_at < head_at THEN
        answer.outcome := 'head';
        answer.position := coalesce(head_last, 0);
        answer.recorded_at := head_at;
        answer.hash := head_root;
        RETURN NEXT answer;
        RETURN;
    END IF;

    -- Each look-up below has the shape "arrays, then LATERAL with a LIMIT": the outer side is always the
    -- arrays, the inner one always an index probe, whatever the statistics say.
    IF p_old_item IS NOT NULL AND p_look_from IS NOT NULL THEN
        RETURN QUERY
            SELECT 'duplicate', o.item, e.position, e.recorded_at, e.leaf_hash
            FROM unnest(p_old_item, p_old_id, p_old_tenant) AS o (item, id, tenant)
            CROSS JOIN LATERAL (
                SELECT l.position, l.recorded_at, l.leaf_hash FROM verbatim.event_log l
                WHERE l.event_id = o.id AND l.tenant_id = o.tenant
                  AND l.recorded_at >= p_look_from AND l.recorded_at < month
                LIMIT 1) e;
        seen := FOUND;
    END IF;
    IF p_look OR seen THEN
        RETURN QUERY SELECT * FROM verbatim.find_stored(month, p_event_id, p_tenant_id);
        seen := seen OR FOUND;
    END IF;
    IF seen THEN
        RETURN;
    END IF;

    IF p_expect_item IS NOT NULL THEN
        SELECT array_agg(j) INTO hits
            FROM verbatim.judge_expect(p_shard, p_head, p_expect_item, p_expect_tenant, p_expect_scope,
                                       p_expect_id, p_expect_types, p_expect_after) j;
        IF hits IS NOT NULL THEN
            -- What stands in the way may be the very event, stored before and sent again.
            IF NOT p_look THEN
                RETURN QUERY SELECT * FROM verbatim.find_stored(month, p_event_id, p_tenant_id);
                IF FOUND THEN
                    RETURN;
                END IF;
            END IF;
            RETURN QUERY SELECT * FROM unnest(hits);
            RETURN;
        END IF;
    END IF;

    BEGIN
        INSERT INTO verbatim.log_batch (first_position, last_position, recorded_at, epoch, shard, root)
            VALUES (first, last, p_recorded_at, p_epoch, p_shard, p_root)
            ON CONFLICT (shard, first_position) DO NOTHING;
        IF NOT FOUND THEN
            SELECT b.last_position, b.recorded_at, b.root INTO head_last, head_at, head_root
                FROM verbatim.log_batch b WHERE b.shard = p_shard ORDER BY b.first_position DESC LIMIT 1;
            answer.outcome := 'head';
            answer.position := head_last;
            answer.recorded_at := head_at;
            answer.hash := head_root;
            RETURN NEXT answer;
            RETURN;
        END IF;

        IF head_at IS NULL OR head_at < month THEN
            UPDATE verbatim.log_month m SET last_position = p_head
                WHERE m.shard = p_shard AND m.last_position IS NULL;
            INSERT INTO verbatim.log_month (shard, month, first_position)
                VALUES (p_shard, (month AT TIME ZONE 'UTC')::date, first);
        END IF;

        INSERT INTO verbatim.event_log (position, recorded_at, occurred_at, event_version, shard, silent,
                event_id, tenant_id, entity_id, conversation_id, customer_id, resolution_id, actor_id,
                correlation_id, causation_id, event_type, entity_type, actor_type, leaf_hash, actor_ip,
                actor_user_agent, payload)
            SELECT p_head + i, p_recorded_at, p_occurred_at[i], p_event_version[i], p_shard, p_silent[i],
                p_event_id[i], p_tenant_id[i], p_entity_id[i], p_conversation_id[i], p_customer_id[i],
                p_resolution_id[i], p_actor_id[i], p_correlation_id[i], p_causation_id[i], p_event_type[i],
                p_entity_type[i], p_actor_type[i], p_leaf_hash[i], p_actor_ip[i], p_actor_user_agent[i],
                p_payload[i]
            FROM (SELECT generate_series(1, n) AS i) AS s;

        IF p_tile_level IS NOT NULL THEN
            INSERT INTO verbatim.log_tile (shard, level, index, hashes)
                SELECT p_shard, t.level, t.index, t.hashes
                FROM unnest(p_tile_level, p_tile_index, p_tile_hashes) AS t (level, index, hashes);
        END IF;
    EXCEPTION
        WHEN unique_violation THEN
            -- All of the block is undone, the fence too.  Stored events do not change, so that looking
            -- now is as good as looking before.
            RETURN QUERY SELECT * FROM verbatim.find_stored(month, p_event_id, p_tenant_id);
            IF FOUND THEN
                RETURN;
            END IF;
            RAISE;                      -- one id twice in the batch, or a head that lies: not a duplicate
        WHEN check_violation THEN
            GET STACKED DIAGNOSTICS violation = CONSTRAINT_NAME;
            IF violation <> '' THEN
                RAISE;
            END IF;
            answer.outcome := 'month';  -- "no partition found for row" names no constraint
            RETURN NEXT answer;
            RETURN;
    END;

    answer.outcome := 'ok';
    answer.position := last;
    answer.recorded_at := p_recorded_at;
    answer.hash := p_root;
    RETURN NEXT answer;
END $$;

-- Those of the ids that the open month (or a later leaf) holds.  It runs under append()'s settings.
CREATE FUNCTION verbatim.find_stored(p_month timestamptz, p_event_id uuid[], p_tenant_id uuid[])
    RETURNS SETOF verbatim.append_outcome
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    RETURN QUERY
        SELECT 'duplicate', o.item::int4, e.position, e.recorded_at, e.leaf_hash
        FROM unnest(p_event_id, p_tenant_id) WITH ORDINALITY AS o (id, tenant, item)
        CROSS JOIN LATERAL (
            SELECT l.position, l.recorded_at, l.leaf_hash FROM verbatim.event_log l
            WHERE l.event_id = o.id AND l.tenant_id = o.tenant AND l.recorded_at >= p_month
            LIMIT 1) e;
END $$;

-- The expectations of a batch that something stands in the way of: of each the newest such event.
-- Leaves that hold only positions up to `after` are kept out, by `oldest` when the plan starts and by
-- `since` for each expectation.  In the scans over a range of positions the tenant is compared with IS
-- NOT DISTINCT FROM, which no index answers, so that the plan stays the range.
-- Expectations about a tenant that name types are judged with one look for all of a batch when they are many: each
-- decision about an SLA clock has one.  A few are looked at one by one, since such a look ends at the first event
-- that stands in the way.  (min(after) is within the positions that expect_far allows, for each `after` is.)
CREATE FUNCTION verbatim.judge_expect(
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

DO $$
DECLARE
    f regprocedure;
BEGIN
    FOR f IN SELECT oid FROM pg_proc WHERE pronamespace = 'verbatim'::regnamespace
             AND proname IN ('append', 'find_stored', 'judge_expect') LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', f);
        IF f::text LIKE 'verbatim.append(%' THEN
            EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO verbatim_engine', f);
        END IF;
    END LOOP;
END $$;

DO $$ BEGIN PERFORM set_config('role', current_setting('verbatim.caller'), true); END $$;
