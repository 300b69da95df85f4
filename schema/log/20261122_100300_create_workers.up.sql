-- What projector workers keep: checkpoints, generations, leases; and the schemas of the read models.
--
--   projection_batch   one row a worker's transaction: (group, generation, shard) went from
--                      first_position to last_position.  Insert-only, unique in first_position: the
--                      newest row is the checkpoint, and the fence as well.  (An updated checkpoint row
--                      would slow down behind a stranger's old snapshot, as the log's head would.)
--   generation         which physical table of a read model answers.  Physical tables live in schema
--                      `generations`; people read the views over them in core, ai, analytics, ...
--   lease              who works on what, on the database's clock.  A lease only saves double work;
--                      what keeps two workers apart is the fence.
--
-- Crash argument: project_fence() writes the checkpoint in the worker's own transaction, next to the
-- rows it stands for; both are there or neither.  A worker that comes back from the dead meets a
-- checkpoint that is not its own and its transaction ends with VB001.  Rows of projection_batch far
-- behind the newest are history and may go at any time.

DO $$ BEGIN PERFORM set_config('verbatim.caller', current_setting('role'), true); END $$;
SET LOCAL ROLE verbatim_owner;

CREATE TABLE verbatim.projection_batch (
    first_position int8        NOT NULL,
    last_position  int8        NOT NULL,
    committed_at   timestamptz NOT NULL,
    generation     int4        NOT NULL,
    epoch          int4        NOT NULL,
    shard          int2        NOT NULL,
    group_name     text        NOT NULL,
    leaf_hash      bytea       NOT NULL,
    CONSTRAINT projection_batch_fence UNIQUE (group_name, generation, shard, first_position)
);
COMMENT ON TABLE verbatim.projection_batch IS
    'One row a projected batch; the newest of a (group, generation, shard) is its checkpoint. leaf_hash is the log''s at last_position.';

CREATE TABLE verbatim.generation (
    group_name text        NOT NULL,
    projection text        NOT NULL,
    version    int4        NOT NULL,
    generation int4        NOT NULL,
    table_name text        NOT NULL,
    active     bool        NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (projection, generation)
);
CREATE UNIQUE INDEX generation_one_active ON verbatim.generation (projection) WHERE active;
COMMENT ON TABLE verbatim.generation IS 'Which physical table of a read model answers; at most one of a projection is active.';

CREATE TABLE verbatim.lease (
    name       text        NOT NULL,
    shard      int2        NOT NULL,
    owner      uuid        NOT NULL,
    taken_at   timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (name, shard)
) WITH (fillfactor = 50);
COMMENT ON TABLE verbatim.lease IS 'Who works on what, until when, on the database''s clock.';

-- Moves the checkpoint of (group, generation, shard) from p_old to p_new, in the caller's transaction.
-- p_leaf is the log's leaf_hash at p_new.  Raises VB001 when somebody else moved it or the log was
-- adopted: the caller rolls back and drops all rows it holds in memory.
CREATE FUNCTION verbatim.project_fence(
    p_group text, p_generation int4, p_shard int2, p_epoch int4, p_old int8, p_new int8, p_leaf bytea
) RETURNS void
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET plan_cache_mode = force_generic_plan
    SET jit = off
    SET enable_seqscan = off
    SET enable_bitmapscan = off
    AS $$
DECLARE
    keep     constant int4 := 1000;
    log_epoch int4;
    newest   int8;
BEGIN
    IF p_new <= p_old OR p_old < 0 THEN
        RAISE EXCEPTION 'a checkpoint goes forward: from % to %', p_old, p_new USING ERRCODE = 'invalid_parameter_value';
    END IF;
    SELECT i.epoch INTO log_epoch FROM verbatim.log_identity i;
    IF p_epoch IS DISTINCT FROM log_epoch THEN
        RAISE EXCEPTION 'fenced off: the log is in epoch %, not %', log_epoch, p_epoch USING ERRCODE = 'VB001';
    END IF;
    SELECT b.last_position INTO newest FROM verbatim.projection_batch b
        WHERE b.group_name = p_group AND b.generation = p_generation AND b.shard = p_shard
        ORDER BY b.first_position DESC LIMIT 1;
    IF coalesce(newest, 0) <> p_old THEN
        RAISE EXCEPTION 'fenced off: "%" generation % shard % stands at %, not %',
            p_group, p_generation, p_shard, coalesce(newest, 0), p_old USING ERRCODE = 'VB001';
    END IF;
    INSERT INTO verbatim.projection_batch
            (first_position, last_position, committed_at, generation, epoch, shard, group_name, leaf_hash)
        VALUES (p_old + 1, p_new, clock_timestamp(), p_generation, p_epoch, p_shard, p_group, p_leaf)
        ON CONFLICT (group_name, generation, shard, first_position) DO NOTHING;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'fenced off: "%" generation % shard % was moved on from % by another worker',
            p_group, p_generation, p_shard, p_old USING ERRCODE = 'VB001';
    END IF;

    IF p_new / 65536 <> p_old / 65536 THEN
        DELETE FROM verbatim.projection_batch b
            WHERE b.group_name = p_group AND b.generation = p_generation AND b.shard = p_shard
              AND b.first_position < (
                SELECT k.first_position FROM verbatim.projection_batch k
                WHERE k.group_name = p_group AND k.generation = p_generation AND k.shard = p_shard
                ORDER BY k.first_position DESC OFFSET keep - 1 LIMIT 1);
    END IF;
END $$;

-- The newest row of each (group, generation, shard); the recursion hops over the index from one to the next.
CREATE VIEW verbatim.checkpoints WITH (security_invoker = true) AS
    WITH RECURSIVE g AS (
        (SELECT b.group_name, b.generation, b.shard FROM verbatim.projection_batch b
         ORDER BY b.group_name, b.generation, b.shard LIMIT 1)
        UNION ALL
        SELECT n.group_name, n.generation, n.shard FROM g CROSS JOIN LATERAL (
            SELECT b.group_name, b.generation, b.shard FROM verbatim.projection_batch b
            WHERE (b.group_name, b.generation, b.shard) > (g.group_name, g.generation, g.shard)
            ORDER BY b.group_name, b.generation, b.shard LIMIT 1) n
    )
    SELECT g.group_name, g.generation, g.shard, h.last_position AS position, h.committed_at, h.epoch, h.leaf_hash
    FROM g CROSS JOIN LATERAL (
        SELECT b.last_position, b.committed_at, b.epoch, b.leaf_hash FROM verbatim.projection_batch b
        WHERE b.group_name = g.group_name AND b.generation = g.generation AND b.shard = g.shard
        ORDER BY b.first_position DESC LIMIT 1) h;

-- Takes or renews a lease.  held says whether p_owner has it now; else owner and expires_at say who has.
CREATE FUNCTION verbatim.lease_take(
    p_name text, p_shard int2, p_owner uuid, p_ttl interval,
    OUT held bool, OUT owner uuid, OUT expires_at timestamptz
) RETURNS record
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    INSERT INTO verbatim.lease AS l (name, shard, owner, taken_at, expires_at)
        VALUES (p_name, p_shard, p_owner, verbatim.log_now(), verbatim.log_now() + p_ttl)
        ON CONFLICT ON CONSTRAINT lease_pkey DO UPDATE
            SET owner = excluded.owner,
                taken_at = CASE WHEN l.owner = excluded.owner THEN l.taken_at ELSE verbatim.log_now() END,
                expires_at = verbatim.log_now() + p_ttl
            WHERE l.owner = excluded.owner OR l.expires_at <= verbatim.log_now()
        RETURNING true, l.owner, l.expires_at INTO held, owner, expires_at;
    IF NOT FOUND THEN
        held := false;
        SELECT l.owner, l.expires_at INTO owner, expires_at FROM verbatim.lease l
            WHERE l.name = p_name AND l.shard = p_shard;
    END IF;
END $$;

-- Gives a lease back; answers whether p_owner had it.
CREATE FUNCTION verbatim.lease_give(p_name text, p_shard int2, p_owner uuid) RETURNS bool
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    DELETE FROM verbatim.lease l WHERE l.name = p_name AND l.shard = p_shard AND l.owner = p_owner;
    RETURN FOUND;
END $$;

REVOKE ALL ON verbatim.projection_batch, verbatim.generation, verbatim.lease, verbatim.checkpoints FROM PUBLIC;
GRANT SELECT ON verbatim.projection_batch, verbatim.lease TO verbatim_engine, verbatim_admin, verbatim_auditor;
GRANT SELECT ON verbatim.checkpoints TO verbatim_engine, verbatim_admin, verbatim_auditor;
GRANT SELECT ON verbatim.generation TO verbatim_engine, verbatim_admin, verbatim_auditor, verbatim_reader;
GRANT INSERT, UPDATE, DELETE ON verbatim.generation TO verbatim_engine;
REVOKE ALL ON FUNCTION verbatim.project_fence(text, int4, int2, int4, int8, int8, bytea),
    verbatim.lease_take(text, int2, uuid, interval), verbatim.lease_give(text, int2, uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION verbatim.project_fence(text, int4, int2, int4, int8, int8, bytea),
    verbatim.lease_take(text, int2, uuid, interval), verbatim.lease_give(text, int2, uuid) TO verbatim_engine;

DO $$
DECLARE
    s text;
BEGIN
    FOREACH s IN ARRAY ARRAY['generations', 'core', 'ai', 'analytics', 'audit', 'integration', 'cache'] LOOP
        EXECUTE format('CREATE SCHEMA IF NOT EXISTS %I AUTHORIZATION verbatim_owner', s);
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO verbatim_engine, verbatim_reader, verbatim_auditor, verbatim_admin', s);
    END LOOP;
END $$;

DO $$ BEGIN PERFORM set_config('role', current_setting('verbatim.caller'), true); END $$;
