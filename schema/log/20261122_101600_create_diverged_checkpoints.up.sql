-- What the read models have seen of a shard that its log does not hold (any more).
--
-- Rows show no event before the log does, so in one snapshot no checkpoint is ahead of a sound log.  One that is
-- ahead, or was made on another leaf, says that the log's end was cut off behind it or another copy restored under
-- it.  Whoever adopts such a log names what is lost; a checkpoint within a range that a later epoch has given up is
-- no question any more.

DO $$ BEGIN PERFORM set_config('verbatim.caller', current_setting('role'), true); END $$;
SET LOCAL ROLE verbatim_owner;

CREATE FUNCTION verbatim.diverged_checkpoints(p_shard int2)
    RETURNS TABLE (checkpoint int8, head int8)
    LANGUAGE sql STABLE
    AS $$
    SELECT c.last_position, coalesce(h.last_position, 0)
    FROM (SELECT DISTINCT group_name, generation FROM verbatim.generation) g
    CROSS JOIN LATERAL (
        SELECT b.last_position, b.leaf_hash, b.epoch FROM verbatim.projection_batch b
        WHERE b.group_name = g.group_name AND b.generation = g.generation AND b.shard = p_shard
        ORDER BY b.first_position DESC LIMIT 1) c
    LEFT JOIN LATERAL (
        SELECT b.last_position FROM verbatim.log_batch b WHERE b.shard = p_shard
        ORDER BY b.first_position DESC LIMIT 1) h ON true
    LEFT JOIN LATERAL (
        SELECT m.month::timestamp AT TIME ZONE 'UTC' AS start, (m.month + interval '1 month') AT TIME ZONE 'UTC' AS stop
        FROM verbatim.log_month m
        WHERE m.shard = p_shard AND (m.last_position IS NULL OR m.last_position >= c.last_position)
        ORDER BY m.month LIMIT 1) m ON true
    LEFT JOIN LATERAL (
        SELECT e.leaf_hash FROM verbatim.event_log e
        WHERE e.shard = p_shard AND e.position = c.last_position
          AND e.recorded_at >= m.start AND e.recorded_at < m.stop LIMIT 1) l ON true    -- LIMIT: never a join
    WHERE (c.last_position > coalesce(h.last_position, 0) OR l.leaf_hash IS DISTINCT FROM c.leaf_hash)
      AND NOT EXISTS (
        SELECT FROM verbatim.log_epoch e CROSS JOIN LATERAL jsonb_array_elements(e.lost) x (range)
        WHERE e.epoch > c.epoch AND (x.range ->> 'shard')::int4 = p_shard
          AND c.last_position BETWEEN (x.range ->> 'first')::int8 AND (x.range ->> 'last')::int8)
    $$;

REVOKE ALL ON FUNCTION verbatim.diverged_checkpoints(int2) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION verbatim.diverged_checkpoints(int2) TO verbatim_engine, verbatim_admin, verbatim_auditor;

DO $$ BEGIN PERFORM set_config('role', current_setting('verbatim.caller'), true); END $$;
