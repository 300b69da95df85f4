-- Batches of several shards, appended as one: what a small commit costs, once for all of them.
--
-- A call of append() costs as much as the writing of a dozen events.  Under many clients with one event each, a
-- commit takes a few events of each shard, and paying for a call a shard would be most of what the database does.
--
-- The batches must be plain: nothing to look up first, and no expectation.  p_shard, p_head, p_count,
-- p_recorded_at and p_root have an item a batch, shards rising; the events of all batches stand behind one another,
-- in that order.  The answer is one row a batch, in order; item is the batch's number, from 0:
--
--   ok      as append() answers
--   head    likewise; this batch is not written, whatever became of the others
--   epoch   likewise, of all of them
--   clock   likewise, of all of them
--   apart   this batch is not written, because it opens a month, or time went back; or none is, because an event of
--           one of them is stored already, or the month has no leaf: append() can say what it is
--
-- Why check-then-fence is exact: as append() says.  Head and fence are one statement here, so the fence finds
-- whatever was committed after the head was read.  Fences are taken in the order of the shards: two engines never
-- wait for each other's in a circle.  Rows are made from (head, count), so that positions are gapless whatever the caller brings.

DO $$ BEGIN PERFORM set_config('verbatim.caller', current_setting('role'), true); END $$;
SET LOCAL ROLE verbatim_owner;

CREATE FUNCTION verbatim.append_together(
    p_epoch            int4,
    p_now              timestamptz,
    p_shard            int2[],
    p_head             int8[],
    p_count            int4[],
    p_recorded_at      timestamptz[],
    p_root             bytea[],
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
    p_tile_shard       int2[],
    p_tile_level       int2[],
    p_tile_index       int8[],
    p_tile_hashes      bytea[]
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
    batches    int4 := cardinality(p_shard);
    n          int4 := cardinality(p_event_id);
    month      timestamptz := date_trunc('month', p_recorded_at[1], 'UTC');
    month_end  timestamptz := date_trunc('month', p_recorded_at[1], 'UTC') + interval '1 month';
    log_epoch  int4;
    shards     int2;
    now_here   timestamptz;
    total      int4 := 0;
    before     int4[];          -- of each batch: how many events stand before its own
    ours       int2[];          -- shards whose fence is ours
    violation  text;
    turn       bool;
BEGIN
    SELECT i.epoch, i.shards INTO log_epoch, shards FROM verbatim.log_identity i;
    IF p_epoch IS DISTINCT FROM log_epoch THEN
        RETURN QUERY SELECT 'epoch', number - 1, log_epoch::int8, NULL::timestamptz, NULL::bytea FROM generate_series(1, batches) AS number;
        RETURN;
    END IF;

    now_here := verbatim.log_now() - (clock_timestamp() - statement_timestamp());
    FOR b IN 1 .. batches LOOP
        IF p_count[b] > 0 AND p_head[b] >= 0 AND p_shard[b] BETWEEN 0 AND shards AND octet_length(p_root[b]) = 32
           AND p_recorded_at[b] IS NOT NULL AND (b = 1 OR p_shard[b] > p_shard[b - 1]) THEN
            before[b] := total;
            total := total + p_count[b];
        ELSE
            total := NULL;
        END IF;
        IF abs(extract(epoch FROM p_now - now_here)) > 5 OR p_recorded_at[b] > now_here + interval '5 s' THEN
            RETURN QUERY SELECT 'clock', number - 1, NULL::int8, now_here, NULL::bytea FROM generate_series(1, batches) AS number;
            RETURN;
        END IF;
    END LOOP;
    IF total IS DISTINCT FROM n OR n = 0 OR cardinality(p_tenant_id) IS DISTINCT FROM n
       OR cardinality(p_payload) IS DISTINCT FROM n OR cardinality(p_leaf_hash) IS DISTINCT FROM n THEN
        RAISE EXCEPTION 'not batches: % events in % shards', n, batches USING ERRCODE = 'invalid_parameter_value';
    END IF;

    FOR b IN 1 .. batches LOOP
        turn := pg_try_advisory_xact_lock(hashtext('verbatim.append'), p_shard[b]);  -- append() says why
    END LOOP;

    BEGIN
        WITH fenced AS (
            INSERT INTO verbatim.log_batch (first_position, last_position, recorded_at, epoch, shard, root)
                SELECT b.head + 1, b.head + b.count, b.at, p_epoch, b.shard, b.root
                FROM unnest(p_shard, p_head, p_count, p_recorded_at, p_root) AS b (shard, head, count, at, root)
                CROSS JOIN LATERAL (
                    SELECT l.last_position, l.recorded_at FROM verbatim.log_batch l
                    WHERE l.shard = b.shard ORDER BY l.first_position DESC LIMIT 1) h
                WHERE h.last_position = b.head AND h.recorded_at >= month
                  AND b.at >= h.recorded_at AND b.at < month_end
                ON CONFLICT (shard, first_position) DO NOTHING
                RETURNING shard)
        SELECT array_agg(f.shard) INTO ours FROM fenced f;

        INSERT INTO verbatim.event_log (position, recorded_at, occurred_at, event_version, shard, silent,
                event_id, tenant_id, entity_id, conversation_id, customer_id, resolution_id, actor_id,
                correlation_id, causation_id, event_type, entity_type, actor_type, leaf_hash, actor_ip,
                actor_user_agent, payload)
            SELECT e.position, e.at, p_occurred_at[i], p_event_version[i], e.shard, p_silent[i],
                p_event_id[i], p_tenant_id[i], p_entity_id[i], p_conversation_id[i], p_customer_id[i],
                p_resolution_id[i], p_actor_id[i], p_correlation_id[i], p_causation_id[i], p_event_type[i],
                p_entity_type[i], p_actor_type[i], p_leaf_hash[i], p_actor_ip[i], p_actor_user_agent[i],
                p_payload[i]
            FROM (SELECT b.shard, b.at, b.head + k AS position, b.before + k AS i
                  FROM (SELECT u.*, generate_series(1, u.count) AS k
                        FROM unnest(p_shard, p_head, p_count, p_recorded_at, before) AS u (shard, head, count, at, before)
                        WHERE u.shard = ANY (ours)) AS b) AS e;

        IF p_tile_shard IS NOT NULL THEN
            INSERT INTO verbatim.log_tile (shard, level, index, hashes)
                SELECT t.shard, t.level, t.index, t.hashes
                FROM unnest(p_tile_shard, p_tile_level, p_tile_index, p_tile_hashes) AS t (shard, level, index, hashes)
                WHERE t.shard = ANY (ours);
        END IF;
    EXCEPTION
        WHEN unique_violation THEN      -- an event that is stored already: append() names it
            RETURN QUERY SELECT 'apart', number - 1, NULL::int8, NULL::timestamptz, NULL::bytea FROM generate_series(1, batches) AS number;
            RETURN;
        WHEN check_violation THEN
            GET STACKED DIAGNOSTICS violation = CONSTRAINT_NAME;
            IF violation <> '' THEN
                RAISE;
            END IF;                     -- no leaf for the month
            RETURN QUERY SELECT 'apart', number - 1, NULL::int8, NULL::timestamptz, NULL::bytea FROM generate_series(1, batches) AS number;
            RETURN;
    END;

    IF cardinality(ours) = batches THEN
        RETURN QUERY
            SELECT 'ok', b.number::int4 - 1, b.head + b.count, b.at, b.root
            FROM unnest(p_head, p_count, p_recorded_at, p_root) WITH ORDINALITY AS b (head, count, at, root, number);
        RETURN;
    END IF;
    RETURN QUERY
        SELECT CASE WHEN b.shard = ANY (ours) THEN 'ok' WHEN coalesce(h.last_position, 0) = b.head THEN 'apart' ELSE 'head' END,
            b.number::int4 - 1, coalesce(h.last_position, 0), h.recorded_at, h.root
        FROM unnest(p_shard, p_head) WITH ORDINALITY AS b (shard, head, number)
        LEFT JOIN LATERAL (
            SELECT l.last_position, l.recorded_at, l.root FROM verbatim.log_batch l
            WHERE l.shard = b.shard ORDER BY l.first_position DESC LIMIT 1) h ON true
        ORDER BY b.number;
END $$;

REVOKE ALL ON FUNCTION verbatim.append_together FROM PUBLIC;
GRANT EXECUTE ON FUNCTION verbatim.append_together TO verbatim_engine;

DO $$ BEGIN PERFORM set_config('role', current_setting('verbatim.caller'), true); END $$;
