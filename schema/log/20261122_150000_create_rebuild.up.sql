-- How read models are folded anew beside the ones that answer, and take their place.
--
--   generation 1   core.conversations -> core_conversations_v1_g1      core.messages -> core_messages_v1_g1
--   a rebuild      core.conversations -> core_conversations_v1_r7      (a shadow; nobody sees it)
--   generation 2   core.conversations -> core_conversations_v1_r7      core.messages -> core_messages_v1_g1
--
-- A generation is a set of tables that go forward together; it need not have made all of them.  A rebuild fills a
-- shadow of each read model it was asked for and then, in one transaction, makes the next generation out of them and of
-- the tables that stay.  From there on the generation before is closed: in each shard a row of projection_batch that
-- begins where its next batch would (and holds nothing) fences its workers off, and what they hold in memory with them.
-- They find the new generation and go on at the same position.
--
--   rebuild        who folds which read models of what generation, since when, how far; the last row of it is history
--   rebuild_table  its shadows
--   rebuild_shard  how far the shadows are, in each shard; a shard's rows come in one transaction with this
--
--   begin -> folded (each shard) -> index (each table) -> folded ... -> [ hold -> folded -> mark -> switch ]
--
-- The brackets are what a worker waits for; readers wait for the last step alone, and that gives way after its patience.
-- `mark` is committed before the switch: a snapshot that sees it sees the shadows whole, and as far as the old tables
-- are for as long as these are held (generations.is_whole()).
--
-- One at a time for each group: the row is a lease with a heartbeat, and every step asks whether it is still the
-- caller's.  Whose session is gone, or who has not been heard of for beat_limit, may be succeeded: his shadows are gone
-- on with, or swept away.
--
-- Crash argument: each step is one transaction.  Killed before the switch, nobody has seen anything; after it,
-- everything is done.  Back is a rebuild as well, whose shadows are the old tables, brought up to date.

DO $$ BEGIN PERFORM set_config('verbatim.caller', current_setting('role'), true); END $$;
SET LOCAL ROLE verbatim_owner;

CREATE TABLE verbatim.rebuild (
    id          int4        PRIMARY KEY,
    group_name  text        NOT NULL,
    generation  int4        NOT NULL,
    read_models text[]      NOT NULL,
    whole_group bool        NOT NULL,
    back        bool        NOT NULL,
    state       text        NOT NULL CHECK (state IN ('building', 'switched', 'given_up')),
    owner       uuid        NOT NULL,
    host        text        NOT NULL,
    pid         int4        NOT NULL,
    backend     int4,
    begun_at    timestamptz NOT NULL,
    beat_at     timestamptz NOT NULL,
    step        text,
    step_at     timestamptz,
    done        int8,
    total       int8,
    ended_at    timestamptz,
    whole       int4[]      NOT NULL DEFAULT '{}',
    became      int4,
    event       json,
    told_at     timestamptz
);
CREATE UNIQUE INDEX rebuild_one_at_a_time ON verbatim.rebuild (group_name) WHERE state = 'building';
COMMENT ON TABLE verbatim.rebuild IS 'Who folds which read models anew, and what came of it. done, total: of the step that began at step_at, events, rows or tables, as the last beat said. whole: generation numbers under which its shadows were ready to be shown. event: what log.rebuilt says; told_at: since when the log says it.';

CREATE TABLE verbatim.rebuild_table (
    rebuild    int4 NOT NULL REFERENCES verbatim.rebuild,
    projection text NOT NULL,
    table_name text NOT NULL,
    PRIMARY KEY (rebuild, projection)
);
COMMENT ON TABLE verbatim.rebuild_table IS 'The shadows of a rebuild, below schema generations.';

CREATE TABLE verbatim.rebuild_shard (
    rebuild   int4  NOT NULL REFERENCES verbatim.rebuild,
    shard     int2  NOT NULL,
    position  int8  NOT NULL,
    leaf_hash bytea NOT NULL,
    PRIMARY KEY (rebuild, shard)
);
COMMENT ON TABLE verbatim.rebuild_shard IS 'How far the shadows of a rebuild are.';
REVOKE ALL ON verbatim.rebuild, verbatim.rebuild_table, verbatim.rebuild_shard FROM PUBLIC;
GRANT SELECT ON verbatim.rebuild, verbatim.rebuild_table, verbatim.rebuild_shard TO verbatim_engine, verbatim_admin, verbatim_auditor;

-- Now also true for tables that a rebuild had ready: see above.
CREATE OR REPLACE FUNCTION generations.is_whole(p_group text, p_generation int4) RETURNS bool
    LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF EXISTS (SELECT FROM verbatim.generation g
               WHERE g.group_name = p_group AND g.generation = p_generation AND g.ready_at IS NOT NULL)
       OR EXISTS (SELECT FROM verbatim.rebuild r WHERE r.group_name = p_group AND p_generation = ANY (r.whole)) THEN
        RETURN true;
    END IF;
    RAISE EXCEPTION 'the read models have changed over to tables that this transaction began too early to see'
        USING ERRCODE = 'serialization_failure', HINT = 'Run the transaction again.';
END $$;

-- Gives a generation up that people do not see, with those of its tables that no other one has.  False: it is in use.
CREATE OR REPLACE FUNCTION verbatim.drop_generation(p_group text, p_generation int4) RETURNS bool
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET client_min_messages = warning
    AS $$
DECLARE
    lease constant text := p_group || ' g' || p_generation;
    names text;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('verbatim.readmodel'));
    IF NOT EXISTS (SELECT FROM verbatim.generation WHERE group_name = p_group AND generation = p_generation) THEN
        RAISE EXCEPTION 'group "%" has no generation %', p_group, p_generation USING ERRCODE = 'undefined_object';
    END IF;
    IF verbatim.answering_generation(p_group) = p_generation THEN
        RAISE EXCEPTION 'generation % of group "%" is the one that answers', p_generation, p_group USING ERRCODE = 'object_in_use';
    END IF;
    IF EXISTS (SELECT FROM verbatim.lease l WHERE l.name = lease AND l.expires_at > verbatim.log_now())
          AND NOT EXISTS (SELECT FROM verbatim.rebuild r WHERE r.group_name = p_group AND r.generation = p_generation AND r.state = 'switched')
       OR EXISTS (SELECT FROM verbatim.rebuild r WHERE r.group_name = p_group AND r.generation = p_generation AND r.state = 'building') THEN
        RETURN false;
    END IF;
    SELECT string_agg(DISTINCT format('generations.%I', g.table_name), ', ') INTO names
        FROM verbatim.generation g WHERE g.group_name = p_group AND g.generation = p_generation
        AND NOT EXISTS (SELECT FROM verbatim.generation o WHERE o.table_name = g.table_name AND o.generation <> g.generation)
        AND NOT EXISTS (SELECT FROM verbatim.rebuild_table t JOIN verbatim.rebuild r ON r.id = t.rebuild AND r.state = 'building'
                        WHERE t.table_name = g.table_name);
    IF names IS NOT NULL THEN
        EXECUTE 'DROP TABLE ' || names;
    END IF;
    DELETE FROM verbatim.generation WHERE group_name = p_group AND generation = p_generation;
    DELETE FROM verbatim.projection_batch WHERE group_name = p_group AND generation = p_generation;
    DELETE FROM verbatim.lease l WHERE l.name = lease;
    RETURN true;
END $$;

-- Where a generation stands in each shard, against the log: `sound` when the log holds that very event there, `diverged`
-- when it does not and nobody has adopted the log since.
CREATE FUNCTION verbatim.rebuild_positions(p_group text, p_generation int4)
    RETURNS TABLE (shard int2, live_position int8, leaf_hash bytea, sound bool, diverged bool, head int8)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET enable_seqscan = off
    SET enable_bitmapscan = off
    AS $$
    SELECT s.shard::int2, coalesce(c.last_position, 0), c.leaf_hash,
           coalesce(c.last_position, 0) = 0 OR coalesce(l.leaf_hash = c.leaf_hash, false),
           EXISTS (SELECT FROM verbatim.diverged_checkpoints(s.shard::int2) d WHERE d.checkpoint > 0), coalesce(h.last_position, 0)
    FROM verbatim.log_identity i CROSS JOIN LATERAL generate_series(0, i.shards) s (shard)
    LEFT JOIN LATERAL (
        SELECT b.last_position, b.leaf_hash FROM verbatim.projection_batch b
        WHERE b.group_name = p_group AND b.generation = p_generation AND b.shard = s.shard
        ORDER BY b.first_position DESC LIMIT 1) c ON true
    LEFT JOIN LATERAL (
        SELECT b.last_position FROM verbatim.log_batch b WHERE b.shard = s.shard ORDER BY b.first_position DESC LIMIT 1) h ON true
    LEFT JOIN LATERAL (
        SELECT m.month::timestamp AT TIME ZONE 'UTC' AS start, (m.month + interval '1 month') AT TIME ZONE 'UTC' AS stop
        FROM verbatim.log_month m WHERE m.shard = s.shard AND (m.last_position IS NULL OR m.last_position >= c.last_position)
        ORDER BY m.month LIMIT 1) m ON true
    LEFT JOIN LATERAL (
        SELECT e.leaf_hash FROM verbatim.event_log e WHERE e.shard = s.shard AND e.position = c.last_position
          AND e.recorded_at >= m.start AND e.recorded_at < m.stop LIMIT 1) l ON true
    ORDER BY 1
$$;

-- Whether whoever owns it can be taken for gone.
CREATE FUNCTION verbatim.rebuild_is_alive(r verbatim.rebuild) RETURNS bool
    LANGUAGE sql VOLATILE
    SET search_path = pg_catalog, pg_temp
    AS $$
    SELECT r.beat_at > clock_timestamp() - interval '30 s'
        AND r.backend IN (SELECT a.pid FROM pg_stat_activity a WHERE a.datname = current_database())
$$;

-- Raises VB001 unless the rebuild is still this owner's; until the transaction's end nobody else takes it over.
CREATE FUNCTION verbatim.rebuild_own(p_rebuild int4, p_owner uuid) RETURNS verbatim.rebuild
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    r verbatim.rebuild;
BEGIN
    SELECT * INTO r FROM verbatim.rebuild WHERE id = p_rebuild AND owner = p_owner AND state = 'building' FOR KEY SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'fenced off: another one has taken this rebuild over' USING ERRCODE = 'VB001';
    END IF;
    RETURN r;
END $$;

-- Drops the shadows that no generation has, and says that nothing comes of it.
CREATE FUNCTION verbatim.rebuild_drop(p_rebuild int4) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    t record;
BEGIN
    FOR t IN SELECT table_name FROM verbatim.rebuild_table s WHERE rebuild = p_rebuild
             AND NOT EXISTS (SELECT FROM verbatim.generation g WHERE g.table_name = s.table_name) LOOP
        EXECUTE format('DROP TABLE IF EXISTS generations.%I', t.table_name);
    END LOOP;
    UPDATE verbatim.rebuild SET state = 'given_up', ended_at = clock_timestamp() WHERE id = p_rebuild;
END $$;

-- A table like the one of the generation, which nobody but the engine may look at.  Its indexes come last, and so do its
-- policies: COPY refuses a table that has any.  Until then no autovacuum looks after it: it would begin amid every COPY,
-- and give way to the index each time.
CREATE FUNCTION verbatim.rebuild_shadow(p_rebuild int4, p_projection text, p_table text) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    live   constant regclass := format('generations.%I', p_table)::regclass;
    shadow constant text := regexp_replace(p_table, '_[gr][0-9]+$', '') || '_r' || p_rebuild;
    tab    regclass;
    kept   text;
BEGIN
    EXECUTE format('CREATE TABLE generations.%I (LIKE %s INCLUDING STORAGE INCLUDING COMPRESSION INCLUDING COMMENTS)', shadow, live);
    tab := format('generations.%I', shadow)::regclass;
    SELECT string_agg(o, ', ') INTO kept FROM pg_class c, unnest(c.reloptions) o WHERE c.oid = live;
    IF kept IS NOT NULL THEN
        EXECUTE format('ALTER TABLE %s SET (%s)', tab, kept);
    END IF;
    EXECUTE format('ALTER TABLE %s SET (autovacuum_enabled = false, toast.autovacuum_enabled = false)', tab);
    EXECUTE format('COMMENT ON TABLE %s IS %L', tab, obj_description(live, 'pg_class'));
    EXECUTE format('GRANT SELECT, INSERT, UPDATE ON %s TO verbatim_engine', tab);
    INSERT INTO verbatim.rebuild_table VALUES (p_rebuild, p_projection, shadow);
END $$;

-- Begins, or goes on with, a rebuild of these read models of the generation that a binary of these versions folds.
-- p_how: auto (goes on with what was begun for the same read models, else begins), resume, scratch, back (to the tables
-- of before).  Answers
--
--   begun, resumed   it is p_owner's now           busy     it is somebody's: host, pid, since
--   nothing          there is nothing to resume, or no generation to go back to
CREATE FUNCTION verbatim.rebuild_begin(
    p_group text, p_names text[], p_versions int4[], p_wanted text[], p_how text, p_owner uuid, p_host text, p_pid int4,
    OUT outcome text, OUT id int4, OUT generation int4, OUT host text, OUT pid int4, OUT since timestamptz
) RETURNS record
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET client_min_messages = warning
    AS $$
DECLARE
    r      verbatim.rebuild;
    before int4;
    t      record;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('verbatim.rebuild'));
    generation := verbatim.generation_of(p_group, p_names, p_versions);
    IF generation IS NULL THEN
        RAISE EXCEPTION 'the read models of group "%" are not there in this binary''s versions', p_group
            USING ERRCODE = 'undefined_object', HINT = 'run verbatim migrate up';
    END IF;
    SELECT * INTO r FROM verbatim.rebuild b WHERE b.group_name = p_group AND b.state = 'building' FOR UPDATE;
    IF FOUND THEN
        IF verbatim.rebuild_is_alive(r) THEN
            outcome := 'busy';
            id := r.id; host := r.host; pid := r.pid; since := r.begun_at;
            RETURN;
        END IF;
        IF p_how IN ('auto', 'resume') AND NOT r.back AND r.generation = rebuild_begin.generation AND r.read_models = p_wanted
           AND NOT EXISTS (SELECT FROM verbatim.rebuild_table s WHERE s.rebuild = r.id
                           AND to_regclass(format('generations.%I', s.table_name)) IS NULL) THEN
            UPDATE verbatim.rebuild b SET owner = p_owner, host = p_host, pid = p_pid, backend = pg_backend_pid(), beat_at = clock_timestamp(),
                step = NULL
                WHERE b.id = r.id;
            outcome := 'resumed';
            id := r.id;
            RETURN;
        END IF;
        IF p_how <> 'resume' THEN
            PERFORM verbatim.rebuild_drop(r.id);
        END IF;
    END IF;
    outcome := 'nothing';
    IF p_how = 'resume' THEN
        RETURN;
    END IF;
    IF p_how = 'back' THEN
        SELECT b.generation, b.read_models INTO before, p_wanted FROM verbatim.rebuild b
            WHERE b.group_name = p_group AND b.became = rebuild_begin.generation
              AND EXISTS (SELECT FROM verbatim.generation g WHERE g.group_name = p_group AND g.generation = b.generation);
        IF NOT FOUND THEN
            RETURN;
        END IF;
    END IF;
    SELECT coalesce(max(b.id), 0) + 1 INTO id FROM verbatim.rebuild b;
    INSERT INTO verbatim.rebuild (id, group_name, generation, read_models, whole_group, back, state, owner, host, pid, backend, begun_at, beat_at)
        VALUES (rebuild_begin.id, p_group, rebuild_begin.generation, p_wanted, cardinality(p_wanted) = cardinality(p_names) AND p_how <> 'back',
                p_how = 'back', 'building', p_owner, p_host, p_pid, pg_backend_pid(), clock_timestamp(), clock_timestamp());
    FOR t IN SELECT g.projection, g.table_name, o.table_name AS old FROM verbatim.generation g
             LEFT JOIN verbatim.generation o ON o.projection = g.projection AND o.generation = before
             WHERE g.group_name = p_group AND g.generation = rebuild_begin.generation AND g.projection = ANY (p_wanted) LOOP
        IF p_how = 'back' THEN
            INSERT INTO verbatim.rebuild_table VALUES (rebuild_begin.id, t.projection, t.old);
        ELSE
            PERFORM verbatim.rebuild_shadow(rebuild_begin.id, t.projection, t.table_name);
        END IF;
    END LOOP;
    IF p_how = 'back' THEN
        INSERT INTO verbatim.rebuild_shard SELECT rebuild_begin.id, p.shard, p.live_position, coalesce(p.leaf_hash, '')
            FROM verbatim.rebuild_positions(p_group, before) p;
    END IF;
    outcome := 'begun';
END $$;

-- The heartbeat; with a step it also says how far that is.
CREATE FUNCTION verbatim.rebuild_beat(p_rebuild int4, p_owner uuid, p_step text DEFAULT NULL, p_done int8 DEFAULT NULL, p_total int8 DEFAULT NULL) RETURNS bool
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    UPDATE verbatim.rebuild SET beat_at = clock_timestamp(), backend = pg_backend_pid(),
        step = coalesce(p_step, step), done = coalesce(p_done, done), total = coalesce(p_total, total),
        step_at = CASE WHEN step IS DISTINCT FROM coalesce(p_step, step) OR p_done < done THEN clock_timestamp() ELSE step_at END
        WHERE id = p_rebuild AND owner = p_owner AND state = 'building';
    RETURN FOUND;
END $$;

-- The shadows have gone from p_old to p_new in this shard, by the caller's transaction.
CREATE FUNCTION verbatim.rebuild_folded(p_rebuild int4, p_owner uuid, p_shard int2, p_old int8, p_new int8, p_leaf bytea) RETURNS void
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    PERFORM verbatim.rebuild_own(p_rebuild, p_owner);
    IF p_old < 0 THEN
        INSERT INTO verbatim.rebuild_shard VALUES (p_rebuild, p_shard, p_new, p_leaf);
    ELSE
        UPDATE verbatim.rebuild_shard SET position = p_new, leaf_hash = p_leaf
            WHERE rebuild = p_rebuild AND shard = p_shard AND position = p_old;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'fenced off: the shadows have been moved on' USING ERRCODE = 'VB001';
        END IF;
    END IF;
END $$;

-- The indexes of a read model's table, as a shadow of it is to have them: the key first.
CREATE FUNCTION verbatim.rebuild_indexes(live regclass) RETURNS TABLE (name name, is_key bool, is_unique bool, what text)
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
    SELECT c.relname, x.indisprimary, x.indisunique, substring(pg_get_indexdef(x.indexrelid) FROM ' USING .*$')
    FROM pg_index x JOIN pg_class c ON c.oid = x.indexrelid WHERE x.indrelid = live AND x.indisvalid ORDER BY x.indisprimary DESC, 1
$$;

-- A shadow and the table it is to replace.
CREATE FUNCTION verbatim.rebuild_pair(r verbatim.rebuild, p_projection text, OUT shadow text, OUT tab regclass, OUT live regclass) RETURNS record
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
    SELECT t.table_name, format('generations.%I', t.table_name)::regclass, format('generations.%I', g.table_name)::regclass
    FROM verbatim.rebuild_table t, verbatim.generation g
    WHERE t.rebuild = r.id AND t.projection = p_projection AND g.projection = p_projection AND g.generation = r.generation
$$;

-- Gives a shadow those indexes that its read model's table has at places p_from to p_to, unless they are there; several
-- sessions may be at one table.  Answers how many were made.
CREATE FUNCTION verbatim.rebuild_index(p_rebuild int4, p_owner uuid, p_projection text, p_from int4, p_to int4) RETURNS int4
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET client_min_messages = warning
    AS $$
DECLARE
    p    record;
    i    record;
    made int4 := 0;
BEGIN
    p := verbatim.rebuild_pair(verbatim.rebuild_own(p_rebuild, p_owner), p_projection);
    FOR i IN SELECT x.* FROM verbatim.rebuild_indexes(p.live) WITH ORDINALITY x (name, is_key, is_unique, what, place)
             WHERE x.place BETWEEN p_from AND p_to
             AND NOT EXISTS (SELECT FROM verbatim.rebuild_indexes(p.tab) n WHERE n.is_unique = x.is_unique AND n.what = x.what)
    LOOP
        -- As the table's own would be called: readmodel.c knows them by their last letters.
        EXECUTE format('CREATE %s INDEX %I ON %s %s', CASE WHEN i.is_unique THEN 'UNIQUE' ELSE '' END,
                       CASE WHEN i.is_key THEN left(p.shadow, 58) || '_pkey'
                            WHEN i.name ~ '_[0-9a-f]{8}$' THEN left(p.shadow, 54) || right(i.name, 9)
                            ELSE left(p.shadow, 50) || '_' || left(md5(i.what), 12) END, p.tab, i.what);
        made := made + 1;
    END LOOP;
    RETURN made;
END $$;

-- A shadow has all its indexes: now its key, its guard, and what the planner must know of it: of the columns that indexes
-- stand upon.  The others' statistics are most of what ANALYZE costs; autovacuum, which takes no such ANALYZE for a whole
-- one, comes to them once the table is its own again.
CREATE FUNCTION verbatim.rebuild_finish(p_rebuild int4, p_owner uuid, p_projection text) RETURNS void
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET client_min_messages = warning
    AS $$
DECLARE
    p     record;
    key   name;
    names text;
    kept  text;
BEGIN
    p := verbatim.rebuild_pair(verbatim.rebuild_own(p_rebuild, p_owner), p_projection);
    SELECT c.relname INTO key FROM verbatim.rebuild_indexes(p.live) l, pg_index x JOIN pg_class c ON c.oid = x.indexrelid
        WHERE l.is_key AND x.indrelid = p.tab AND x.indisunique AND NOT x.indisprimary
          AND substring(pg_get_indexdef(x.indexrelid) FROM ' USING .*$') = l.what;
    IF FOUND THEN
        EXECUTE format('ALTER TABLE %s ADD CONSTRAINT %I PRIMARY KEY USING INDEX %I', p.tab, key, key);
    END IF;
    PERFORM verbatim.guard_table(p.tab);
    PERFORM verbatim.open_columns(p.tab, ARRAY(
        SELECT a.attname FROM pg_attribute a WHERE a.attrelid = p.live AND a.attnum > 0 AND NOT a.attisdropped
        AND has_column_privilege('verbatim_analyst', p.live, a.attnum, 'SELECT')));
    SELECT string_agg(DISTINCT quote_ident(a.attname), ', ') INTO names
        FROM pg_index x, unnest(x.indkey) k JOIN pg_attribute a ON a.attnum = k WHERE x.indrelid = p.tab AND a.attrelid = p.tab;
    EXECUTE format('ANALYZE %s (%s)', p.tab, names);
    SELECT string_agg(o, ', ') INTO kept FROM pg_class c, unnest(c.reloptions) o WHERE c.oid = p.live AND o LIKE 'autovacuum_enabled=%';
    EXECUTE format('ALTER TABLE %s RESET (autovacuum_enabled, toast.autovacuum_enabled)', p.tab);
    IF kept IS NOT NULL THEN
        EXECUTE format('ALTER TABLE %s SET (%s)', p.tab, kept);
    END IF;
END $$;

-- Brings an old table up to date from the one that took its place: rows of tenants that were changed after a position.
CREATE FUNCTION verbatim.rebuild_bring(p_rebuild int4, p_owner uuid, p_projection text, p_tenants uuid[], p_after int8[]) RETURNS int8
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    r     verbatim.rebuild := verbatim.rebuild_own(p_rebuild, p_owner);
    old   text;
    live  text;
    names text;
    sets  text;
    n     int8;
BEGIN
    SELECT t.table_name INTO STRICT old FROM verbatim.rebuild_table t WHERE t.rebuild = p_rebuild AND t.projection = p_projection;
    SELECT g.table_name INTO STRICT live FROM verbatim.generation g WHERE g.projection = p_projection AND g.generation = r.generation;
    SELECT string_agg(format('%I', attname), ', '), string_agg(format('%I = excluded.%I', attname, attname), ', ') INTO names, sets
        FROM pg_attribute WHERE attrelid = format('generations.%I', live)::regclass AND attnum > 0 AND NOT attisdropped;
    EXECUTE format('INSERT INTO generations.%I (%s) SELECT %s FROM (SELECT t.* FROM generations.%I t JOIN unnest($1, $2) u (tenant, after)'
                   ' ON u.tenant = t.tenant_id AND t.last_position > u.after) s ON CONFLICT (id, tenant_id) DO UPDATE SET %s',
                   old, names, names, live, sets) USING p_tenants, p_after;
    GET DIAGNOSTICS n = ROW_COUNT;
    RETURN n;
END $$;

-- They are where the live ones are, whose workers must be held.
CREATE FUNCTION verbatim.rebuild_level(p_rebuild int4, p_owner uuid) RETURNS void
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    r verbatim.rebuild := verbatim.rebuild_own(p_rebuild, p_owner);
BEGIN
    DELETE FROM verbatim.rebuild_shard s WHERE s.rebuild = p_rebuild;
    INSERT INTO verbatim.rebuild_shard SELECT p_rebuild, p.shard, p.live_position, coalesce(p.leaf_hash, '')
        FROM verbatim.rebuild_positions(r.group_name, r.generation) p;
END $$;

-- Stops the generation's workers until the caller's transaction ends.
CREATE FUNCTION verbatim.rebuild_hold(p_rebuild int4, p_owner uuid) RETURNS void
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET lock_timeout = '2s'
    AS $$
DECLARE
    r verbatim.rebuild := verbatim.rebuild_own(p_rebuild, p_owner);
BEGIN
    PERFORM verbatim.project_lock(r.group_name, r.generation, true);
END $$;

-- The number under which the shadows are shown if the switch comes now; its workers must be held.
CREATE FUNCTION verbatim.rebuild_mark(p_rebuild int4, p_owner uuid) RETURNS int4
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    r verbatim.rebuild;
    n int4;
BEGIN
    SELECT * INTO r FROM verbatim.rebuild WHERE id = p_rebuild AND owner = p_owner AND state = 'building' FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'fenced off: another one has taken this rebuild over' USING ERRCODE = 'VB001';
    END IF;
    SELECT greatest((SELECT max(g.generation) FROM verbatim.generation g WHERE g.group_name = r.group_name),
                    (SELECT max(u) FROM verbatim.rebuild b, unnest(b.whole) u WHERE b.group_name = r.group_name)) + 1 INTO n;
    UPDATE verbatim.rebuild SET whole = whole || n WHERE id = p_rebuild;
    RETURN n;
END $$;

-- What makes the views of the read models with shadows show these.  Versions are the same, so their columns, comments and
-- grants are; all that costs time is done before the first of them is locked.
CREATE FUNCTION verbatim.rebuild_views(p_rebuild int4, p_next int4) RETURNS text[]
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    statements text[] := '{}';
    t          record;
    analysts   regclass;
BEGIN
    FOR t IN SELECT s.projection, format('generations.%I', s.table_name)::regclass AS tab
             FROM verbatim.rebuild_table s WHERE s.rebuild = p_rebuild ORDER BY 1 LOOP
        statements := statements || format('CREATE OR REPLACE VIEW %I.%I WITH (security_invoker = true) AS %s', split_part(t.projection, '.', 1),
                                           split_part(t.projection, '.', 2), verbatim.view_select(t.projection, p_next));
        analysts := to_regclass('analyst.' || quote_ident(split_part(t.projection, '.', 2)));
        IF analysts IS NOT NULL THEN
            statements := statements || format('CREATE OR REPLACE VIEW %s WITH (security_invoker = true) AS %s', analysts,
                verbatim.view_select(t.projection, p_next, analysts::text, ARRAY(
                    SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = t.tab AND a.attnum > 0 AND NOT a.attisdropped
                    AND has_column_privilege('verbatim_analyst', t.tab, a.attnum, 'SELECT') ORDER BY a.attnum)));
        END IF;
    END LOOP;
    RETURN statements;
END $$;

-- The switch: makes generation p_next of the shadows and what stays, closes the one before, shows it to people if they
-- saw that one.  The caller's transaction holds the workers; it should end at once, for from the first view on it holds
-- readers as well, never for longer than p_patience: answers for how many microseconds it has.  55P03 when a lock, or a
-- moment, did not come; nothing has happened then.
CREATE FUNCTION verbatim.rebuild_switch(p_rebuild int4, p_owner uuid, p_next int4, p_patience interval, p_event json) RETURNS int8
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET client_min_messages = warning
    AS $$
DECLARE
    r          verbatim.rebuild := verbatim.rebuild_own(p_rebuild, p_owner);
    seen       bool;
    statements text[] := '{}';
    statement  text;
    began      timestamptz;
    p          record;
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtext('verbatim.readmodel'))
       OR EXISTS (SELECT FROM verbatim.generation g WHERE g.group_name = r.group_name AND g.generation >= p_next) THEN
        RAISE EXCEPTION 'another engine prepares or switches the read models' USING ERRCODE = 'lock_not_available';
    END IF;
    SELECT bool_or(g.active) INTO seen FROM verbatim.generation g WHERE g.group_name = r.group_name AND g.generation = r.generation;
    IF seen IS NULL THEN
        RAISE EXCEPTION 'generation % is gone', r.generation USING ERRCODE = 'VB001';
    END IF;
    FOR p IN SELECT l.shard, l.live_position, l.leaf_hash, l.sound, coalesce(s.position, 0) AS shadow_position
             FROM verbatim.rebuild_positions(r.group_name, r.generation) l
             LEFT JOIN verbatim.rebuild_shard s ON s.rebuild = p_rebuild AND s.shard = l.shard LOOP
        IF p.shadow_position <> p.live_position
           AND NOT (r.whole_group AND (p.shadow_position > p.live_position OR NOT p.sound)) THEN
            RAISE EXCEPTION 'shard %: the new tables stand at %, the old ones at %', p.shard, p.shadow_position, p.live_position
                USING ERRCODE = 'lock_not_available';
        END IF;
        -- Closed: the next batch would begin where this row does.  It was seen in the epoch of the last one, not in today's.
        INSERT INTO verbatim.projection_batch (first_position, last_position, committed_at, generation, epoch, shard, group_name, leaf_hash)
            SELECT p.live_position + 1, p.live_position, clock_timestamp(), r.generation,
                   coalesce((SELECT b.epoch FROM verbatim.projection_batch b WHERE b.group_name = r.group_name
                             AND b.generation = r.generation AND b.shard = p.shard ORDER BY b.first_position DESC LIMIT 1), i.epoch),
                   p.shard, r.group_name, coalesce(p.leaf_hash, '') FROM verbatim.log_identity i;
    END LOOP;
    INSERT INTO verbatim.generation (group_name, projection, version, generation, table_name, columns, ready_at, shown_at)
        SELECT g.group_name, g.projection, g.version, p_next, coalesce(t.table_name, g.table_name), g.columns, g.ready_at, g.shown_at
        FROM verbatim.generation g LEFT JOIN verbatim.rebuild_table t ON t.rebuild = p_rebuild AND t.projection = g.projection
        WHERE g.group_name = r.group_name AND g.generation = r.generation;
    INSERT INTO verbatim.projection_batch (first_position, last_position, committed_at, generation, epoch, shard, group_name, leaf_hash)
        SELECT 1, s.position, clock_timestamp(), p_next, i.epoch, s.shard, r.group_name, s.leaf_hash
        FROM verbatim.rebuild_shard s, verbatim.log_identity i WHERE s.rebuild = p_rebuild AND s.position > 0;
    UPDATE verbatim.rebuild SET state = 'switched', became = p_next, ended_at = clock_timestamp(), event = p_event WHERE id = p_rebuild;
    IF NOT seen THEN
        RETURN 0;
    END IF;
    FOR p IN SELECT format('generations.%I', g.table_name)::regclass AS old_table, format('generations.%I', t.table_name)::regclass AS new_table
             FROM verbatim.rebuild_table t JOIN verbatim.generation g ON g.projection = t.projection AND g.generation = r.generation
             WHERE t.rebuild = p_rebuild LOOP
        PERFORM verbatim.carry_rights(p.old_table, p.new_table);
    END LOOP;
    UPDATE verbatim.generation SET active = false WHERE group_name = r.group_name AND generation = r.generation;
    UPDATE verbatim.generation SET active = true WHERE group_name = r.group_name AND generation = p_next;
    statements := verbatim.rebuild_views(p_rebuild, p_next);
    -- No reader waits for the disk: a crash takes the switch back whole, with what was folded after it.
    PERFORM set_config('synchronous_commit', CASE current_setting('synchronous_commit') WHEN 'remote_apply' THEN 'remote_apply' ELSE 'off' END, true);
    began := clock_timestamp();
    FOREACH statement IN ARRAY statements LOOP
        IF clock_timestamp() > began + p_patience THEN
            RAISE EXCEPTION 'readers would wait for too long' USING ERRCODE = 'lock_not_available';
        END IF;
        PERFORM set_config('lock_timeout', greatest(1, extract(epoch FROM began + p_patience - clock_timestamp()) * 1000)::int8::text, true);
        EXECUTE statement;
    END LOOP;
    RETURN extract(epoch FROM clock_timestamp() - began) * 1000000;
END $$;

-- Gives up: the shadows go.
CREATE FUNCTION verbatim.rebuild_give_up(p_rebuild int4, p_owner uuid) RETURNS void
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET client_min_messages = warning
    AS $$
BEGIN
    PERFORM verbatim.rebuild_own(p_rebuild, p_owner);
    PERFORM verbatim.rebuild_drop(p_rebuild);
END $$;

-- Leaves it as it is, for whoever resumes it: at once, not only when the heart has not beaten for a while.
CREATE FUNCTION verbatim.rebuild_leave(p_rebuild int4, p_owner uuid) RETURNS void
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    UPDATE verbatim.rebuild SET backend = NULL, beat_at = '-infinity' WHERE id = p_rebuild AND owner = p_owner AND state = 'building';
END $$;

-- The log says what it has to.
CREATE FUNCTION verbatim.rebuild_told(p_rebuild int4) RETURNS void
    LANGUAGE sql VOLATILE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$ UPDATE verbatim.rebuild SET told_at = clock_timestamp() WHERE id = p_rebuild AND told_at IS NULL $$;

-- Drops what answered before: generations that were closed by a rebuild, or that people saw and see no more.  With p_but
-- only those closed by rebuilds before the one that closed p_but, to which there is no way back.
CREATE FUNCTION verbatim.drop_old(p_group text, p_but int4 DEFAULT NULL) RETURNS int4
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    g int4;
    n int4 := 0;
BEGIN
    FOR g IN SELECT DISTINCT generation FROM verbatim.generation o WHERE group_name = p_group
             AND generation <> coalesce(verbatim.answering_generation(p_group), 0)
             AND generation IS DISTINCT FROM p_but
             AND ((p_but IS NULL AND shown_at IS NOT NULL)
                  OR EXISTS (SELECT FROM verbatim.rebuild r WHERE r.group_name = p_group AND r.generation = o.generation AND r.state = 'switched')) LOOP
        n := n + verbatim.drop_generation(p_group, g)::int4;
    END LOOP;
    RETURN n;
END $$;

REVOKE ALL ON FUNCTION verbatim.rebuild_positions(text, int4), verbatim.rebuild_is_alive(verbatim.rebuild), verbatim.rebuild_own(int4, uuid),
    verbatim.rebuild_drop(int4), verbatim.rebuild_shadow(int4, text, text),
    verbatim.rebuild_indexes(regclass), verbatim.rebuild_pair(verbatim.rebuild, text),
    verbatim.rebuild_begin(text, text[], int4[], text[], text, uuid, text, int4), verbatim.rebuild_beat(int4, uuid, text, int8, int8),
    verbatim.rebuild_folded(int4, uuid, int2, int8, int8, bytea), verbatim.rebuild_index(int4, uuid, text, int4, int4),
    verbatim.rebuild_finish(int4, uuid, text), verbatim.rebuild_bring(int4, uuid, text, uuid[], int8[]), verbatim.rebuild_level(int4, uuid), verbatim.rebuild_hold(int4, uuid), verbatim.rebuild_mark(int4, uuid),
    verbatim.rebuild_switch(int4, uuid, int4, interval, json), verbatim.rebuild_give_up(int4, uuid), verbatim.rebuild_leave(int4, uuid),
    verbatim.rebuild_views(int4, int4), verbatim.rebuild_told(int4), verbatim.drop_old(text, int4)
    FROM PUBLIC;
GRANT EXECUTE ON FUNCTION verbatim.rebuild_positions(text, int4),
    verbatim.rebuild_begin(text, text[], int4[], text[], text, uuid, text, int4), verbatim.rebuild_beat(int4, uuid, text, int8, int8),
    verbatim.rebuild_folded(int4, uuid, int2, int8, int8, bytea), verbatim.rebuild_index(int4, uuid, text, int4, int4),
    verbatim.rebuild_finish(int4, uuid, text), verbatim.rebuild_bring(int4, uuid, text, uuid[], int8[]), verbatim.rebuild_level(int4, uuid), verbatim.rebuild_hold(int4, uuid), verbatim.rebuild_mark(int4, uuid),
    verbatim.rebuild_switch(int4, uuid, int4, interval, json), verbatim.rebuild_give_up(int4, uuid), verbatim.rebuild_leave(int4, uuid),
    verbatim.rebuild_told(int4), verbatim.drop_old(text, int4)
    TO verbatim_engine;

DO $$ BEGIN PERFORM set_config('role', current_setting('verbatim.caller'), true); END $$;
