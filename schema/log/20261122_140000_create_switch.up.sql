-- How people come to see another generation of a group's read models.
--
--   core.conversations ---> generations.core_conversations_v1_g1    what answers
--                      - -> generations.core_conversations_v2_g2    folded beside it, then shown
--
-- People bind to the view: its OID, their own views upon it, their grants and prepared statements stay.  So a view
-- only ever grows.  Columns that a version adds come last, wherever they stand in the table; one that a version
-- drops stays in its place as a NULL of its type, and its COMMENT says so; one that changes its type
-- is shown as before where nothing can be lost (int4 as int8, varchar(20) as varchar(50)), else it is refused.
--
-- A generation's life, in verbatim.generation:
--
--   created_at   its tables are there; workers fold it from position 1
--   ready_at     it has come as far as the one that answers
--   active       the views show it; shown_at: since when it may be shown without a further look
--
-- The switch.  The old generation's workers are held for the moment (each holds project_lock, shared, in its
-- transaction), the new one comes to the same positions, the views are replaced, all in one transaction that waits
-- for nobody longer than its patience.  Nobody ever sees a row go back.  Who has an older snapshot than ready_at
-- would see the new tables half-built, so is_whole(), which stands in each view, ends that query with 40001; whoever
-- sees the switch's own transaction (nearly all, and that costs next to nothing) is not asked further.
--
-- Crash argument: one transaction.  Before its commit nothing has happened, after it everything has; whichever
-- engine looks next goes on from there.

DO $$ BEGIN PERFORM set_config('verbatim.caller', current_setting('role'), true); END $$;
SET LOCAL ROLE verbatim_owner;

ALTER TABLE verbatim.generation
    ADD COLUMN columns text[],
    ADD COLUMN ready_at timestamptz,
    ADD COLUMN shown_at timestamptz;
UPDATE verbatim.generation SET ready_at = created_at, shown_at = created_at WHERE active;
CREATE INDEX generation_of_group ON verbatim.generation (group_name, generation);
REVOKE INSERT, UPDATE, DELETE ON verbatim.generation FROM verbatim_engine;
COMMENT ON COLUMN verbatim.generation.columns IS 'The columns that people may see, in their order.';
COMMENT ON COLUMN verbatim.generation.ready_at IS 'Since when it is whole: as far as the generation that answered then.';
COMMENT ON COLUMN verbatim.generation.shown_at IS 'When the views first showed it; null: never.';

-- What stands in schema/read of the binary that made the newest generation; what is not applied yet waits until it is shown.
CREATE TABLE verbatim.read_schema (
    name    text NOT NULL PRIMARY KEY,
    body    text NOT NULL,
    applied bool NOT NULL
);
COMMENT ON TABLE verbatim.read_schema IS 'Views and functions upon read models, as the newest binary has them.';
REVOKE ALL ON verbatim.read_schema FROM PUBLIC;

-- The generation that a binary with these versions folds: the one that answers if it has them, else the newest that has.
CREATE FUNCTION verbatim.generation_of(p_group text, p_names text[], p_versions int4[]) RETURNS int4
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
    SELECT g.generation FROM verbatim.generation g
        JOIN unnest(p_names, p_versions) w (name, version) ON w.name = g.projection AND w.version = g.version
        WHERE g.group_name = p_group GROUP BY g.generation HAVING count(*) = cardinality(p_names)
        ORDER BY bool_and(g.active) DESC, g.generation DESC LIMIT 1
$$;

CREATE FUNCTION verbatim.answering_generation(p_group text) RETURNS int4
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$ SELECT max(g.generation) FROM verbatim.generation g WHERE g.group_name = p_group AND g.active $$;

-- Stands in every view, for snapshots that do not see the switch: they must be young enough to see the generation whole.
CREATE OR REPLACE FUNCTION generations.is_whole(p_group text, p_generation int4) RETURNS bool
    LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF EXISTS (SELECT FROM verbatim.generation g
               WHERE g.group_name = p_group AND g.generation = p_generation AND g.ready_at IS NOT NULL) THEN
        RETURN true;
    END IF;
    RAISE EXCEPTION 'the read models have changed over to a version that this transaction began too early to see'
        USING ERRCODE = 'serialization_failure', HINT = 'Run the transaction again.';
END $$;

-- Whether a column of the first type can be shown as the second one without loss.
CREATE FUNCTION verbatim.shows_as(p_type oid, p_mod int4, p_as oid, p_as_mod int4) RETURNS bool
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
    SELECT p_type = p_as AND (p_as_mod = -1 OR (p_as = 'varchar'::regtype AND p_mod BETWEEN 0 AND p_as_mod))
        OR p_as_mod = -1 AND EXISTS (
            SELECT FROM (VALUES ('int2'::regtype, 'int4'::regtype), ('int2', 'int8'), ('int4', 'int8'), ('varchar', 'text')) w (narrow, wide)
            WHERE w.narrow = p_type AND w.wide = p_as)
$$;

-- The SELECT behind the view: what it has shown so far, in its places, and what is new after that.
CREATE FUNCTION verbatim.view_select(
    p_projection text, p_generation int4, p_view text DEFAULT NULL, p_columns text[] DEFAULT NULL
) RETURNS text
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    g     verbatim.generation;
    tab   regclass;
    items text[] := '{}';
    c     record;
BEGIN
    SELECT * INTO STRICT g FROM verbatim.generation WHERE projection = p_projection AND generation = p_generation;
    tab := to_regclass(format('generations.%I', g.table_name));
    FOR c IN
        WITH shown AS (SELECT attname::text AS name, attnum, atttypid, atttypmod FROM pg_attribute
                       WHERE attrelid = to_regclass(coalesce(p_view, p_projection)) AND attnum > 0),
             own AS (SELECT u.name, u.n, a.atttypid, a.atttypmod FROM unnest(coalesce(p_columns, g.columns)) WITH ORDINALITY u (name, n)
                     JOIN pg_attribute a ON a.attrelid = tab AND a.attname = u.name AND NOT a.attisdropped)
        SELECT name, s.attnum AS place, o.n, o.atttypid AS type, o.atttypmod AS mod,
               s.atttypid AS as_type, s.atttypmod AS as_mod, format_type(s.atttypid, s.atttypmod) AS spelled
        FROM shown s FULL JOIN own o USING (name) ORDER BY s.attnum NULLS LAST, o.n
    LOOP
        IF c.n IS NULL THEN
            items := items || format('NULL::%s AS %I', c.spelled, c.name);
        ELSIF c.place IS NULL OR (c.type, c.mod) = (c.as_type, c.as_mod) THEN
            items := items || format('t.%I', c.name);
        ELSIF verbatim.shows_as(c.type, c.mod, c.as_type, c.as_mod) THEN
            items := items || format('t.%I::%s AS %I', c.name, c.spelled, c.name);
        ELSE
            RAISE EXCEPTION 'column "%" of % is of type %, which cannot be shown as the % that people have built upon: '
                'give what is new a name of its own and leave the old column out', c.name, coalesce(p_view, p_projection),
                format_type(c.type, c.mod), c.spelled USING ERRCODE = 'VB005';
        END IF;
    END LOOP;
    RETURN format('SELECT %s FROM %s t WHERE (SELECT CASE WHEN pg_visible_in_snapshot(%L::xid8, pg_current_snapshot()) THEN true'
                  ' ELSE generations.is_whole(%L, %s) END)', array_to_string(items, ', '), tab, pg_current_xact_id(), g.group_name, p_generation);
END $$;

-- Who may read the table may read the view, as far as roles of ours go; people's own grants on either are theirs.
CREATE FUNCTION verbatim.grant_view(p_view regclass, p_table regclass) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    r record;
BEGIN
    EXECUTE format('REVOKE ALL ON %s FROM PUBLIC', p_view);
    FOR r IN
        SELECT a.grantee::regrole AS role, NULL::text AS columns FROM pg_class c, aclexplode(c.relacl) a
            WHERE c.oid = p_table AND a.privilege_type = 'SELECT' AND a.grantee::regrole::text ~ '^verbatim_'
        UNION ALL
        SELECT a.grantee::regrole, format('(%s)', string_agg(quote_ident(t.attname), ', '))
            FROM pg_attribute t JOIN pg_attribute v ON v.attrelid = p_view AND v.attname = t.attname, aclexplode(t.attacl) a
            WHERE t.attrelid = p_table AND t.attnum > 0 AND a.privilege_type = 'SELECT' AND a.grantee::regrole::text ~ '^verbatim_'
              AND a.grantee <> 'verbatim_analyst'::regrole -- has views of its own
            GROUP BY 1
    LOOP
        EXECUTE format('GRANT SELECT %s ON %s TO %s', coalesce(r.columns, ''), p_view, r.role);
    END LOOP;
END $$;

-- Makes the view of one read model show this generation, unless it does.
CREATE FUNCTION verbatim.show_view(p_projection text, p_generation int4) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    g    verbatim.generation;
    tab  regclass;
    what regclass := to_regclass(p_projection);
    c    record;
BEGIN
    SELECT * INTO STRICT g FROM verbatim.generation WHERE projection = p_projection AND generation = p_generation;
    tab := to_regclass(format('generations.%I', g.table_name));
    -- It stands when it depends on just these columns of just this table.
    IF what IS NOT NULL AND ARRAY(SELECT unnest(g.columns) ORDER BY 1) = ARRAY(
           SELECT a.attname::text FROM pg_rewrite r
               JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass
               JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
               WHERE r.ev_class = what AND d.refobjid = tab ORDER BY 1) THEN
        RETURN;
    END IF;
    EXECUTE format('CREATE OR REPLACE VIEW %I.%I WITH (security_invoker = true) AS %s', split_part(p_projection, '.', 1),
                   split_part(p_projection, '.', 2), verbatim.view_select(p_projection, p_generation));
    what := to_regclass(p_projection);
    PERFORM verbatim.grant_view(what, tab);
    EXECUTE format('COMMENT ON VIEW %s IS %L', what, obj_description(tab, 'pg_class'));
    FOR c IN
        SELECT v.attname, col_description(what, v.attnum) AS was,
               CASE WHEN v.attname = ANY (g.columns) THEN (SELECT col_description(tab, t.attnum) FROM pg_attribute t
                                                           WHERE t.attrelid = tab AND t.attname = v.attname)
                    ELSE format('Always null: version %s has no such column.', g.version) END AS about
        FROM pg_attribute v WHERE v.attrelid = what AND v.attnum > 0
    LOOP
        CONTINUE WHEN c.was IS NOT DISTINCT FROM c.about;
        EXECUTE format('COMMENT ON COLUMN %s.%I IS %L', what, c.attname, c.about);
    END LOOP;
END $$;

-- The view that analysts have of it, if there is one: what they may read of the table.
CREATE FUNCTION verbatim.show_analysts(p_projection text, p_generation int4) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    what regclass := to_regclass('analyst.' || quote_ident(split_part(p_projection, '.', 2)));
    tab  regclass;
    open text[];
BEGIN
    SELECT to_regclass(format('generations.%I', g.table_name)) INTO tab
        FROM verbatim.generation g WHERE g.projection = p_projection AND g.generation = p_generation;
    IF what IS NULL OR EXISTS (SELECT FROM pg_rewrite r JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
                               WHERE r.ev_class = what AND d.refobjid = tab) THEN
        RETURN;
    END IF;
    open := ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = tab AND a.attnum > 0 AND NOT a.attisdropped
                  AND has_column_privilege('verbatim_analyst', tab, a.attnum, 'SELECT') ORDER BY a.attnum);
    EXECUTE format('CREATE OR REPLACE VIEW %s WITH (security_invoker = true) AS %s', what,
                   verbatim.view_select(p_projection, p_generation, what::text, open));
END $$;

-- What people have granted on the old table, and their policies, hold on the new one.
CREATE FUNCTION verbatim.carry_rights(p_from regclass, p_to regclass) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    r record;
BEGIN
    FOR r IN
        WITH acl AS (
            SELECT c.oid AS tab, ''::text AS columns, a.* FROM pg_class c, aclexplode(c.relacl) a WHERE c.oid IN (p_from, p_to)
            UNION ALL
            SELECT t.attrelid, format('(%I)', t.attname), a.* FROM pg_attribute t, aclexplode(t.attacl) a
                WHERE t.attrelid IN (p_from, p_to) AND t.attnum > 0 AND NOT t.attisdropped
        )
        SELECT columns, privilege_type, grantee, is_grantable FROM acl o
            WHERE tab = p_from AND (grantee = 0 OR grantee::regrole::text !~ '^verbatim_')
              AND (columns = '' OR EXISTS (SELECT FROM pg_attribute t WHERE t.attrelid = p_to AND t.attnum > 0
                                           AND NOT t.attisdropped AND format('(%I)', t.attname) = columns))
        EXCEPT
        SELECT columns, privilege_type, grantee, is_grantable FROM acl WHERE tab = p_to
    LOOP
        EXECUTE format('GRANT %s %s ON %s TO %s %s', r.privilege_type, r.columns, p_to,
                       CASE WHEN r.grantee = 0 THEN 'PUBLIC' ELSE r.grantee::regrole::text END,
                       CASE WHEN r.is_grantable THEN 'WITH GRANT OPTION' END);
    END LOOP;
    FOR r IN
        SELECT p.*, ARRAY(SELECT CASE WHEN o = 0 THEN 'PUBLIC' ELSE o::regrole::text END FROM unnest(p.polroles) o) AS roles
        FROM pg_policy p WHERE p.polrelid = p_from
          AND NOT EXISTS (SELECT FROM pg_policy n WHERE n.polrelid = p_to AND n.polname = p.polname)
    LOOP
        EXECUTE format('CREATE POLICY %I ON %s AS %s FOR %s TO %s %s %s', r.polname, p_to,
                       CASE WHEN r.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
                       CASE r.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE' ELSE 'ALL' END,
                       array_to_string(r.roles, ', '),
                       'USING (' || pg_get_expr(r.polqual, p_from) || ')',
                       'WITH CHECK (' || pg_get_expr(r.polwithcheck, p_from) || ')');
    END LOOP;
END $$;

-- Makes all views of the group show this generation.  p_until bounds all waits for locks together; null: the session's own bound.
CREATE FUNCTION verbatim.show_generation(p_group text, p_generation int4, p_until timestamptz DEFAULT NULL) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    r record;
BEGIN
    -- First what nobody reads yet: no view is locked for longer than it must be.
    FOR r IN
        SELECT format('generations.%I', o.table_name)::regclass AS old_table, format('generations.%I', n.table_name)::regclass AS new_table
        FROM verbatim.generation n JOIN verbatim.generation o ON o.projection = n.projection AND o.active
        WHERE n.group_name = p_group AND n.generation = p_generation AND o.generation <> p_generation
    LOOP
        PERFORM verbatim.carry_rights(r.old_table, r.new_table);
    END LOOP;
    UPDATE verbatim.generation SET active = false
        WHERE active AND generation <> p_generation
          AND (group_name = p_group OR projection IN (SELECT projection FROM verbatim.generation
                                                      WHERE group_name = p_group AND generation = p_generation));
    UPDATE verbatim.generation SET active = true, ready_at = coalesce(ready_at, clock_timestamp()),
                                   shown_at = coalesce(shown_at, clock_timestamp())
        WHERE group_name = p_group AND generation = p_generation AND NOT active;
    FOR r IN SELECT projection FROM verbatim.generation WHERE group_name = p_group AND generation = p_generation ORDER BY 1 LOOP
        IF p_until IS NOT NULL THEN
            PERFORM set_config('lock_timeout', greatest(1, extract(epoch FROM p_until - clock_timestamp()) * 1000)::int8::text, true);
        END IF;
        PERFORM verbatim.show_view(r.projection, p_generation);
        PERFORM verbatim.show_analysts(r.projection, p_generation);
    END LOOP;
END $$;

-- Runs what of schema/read is not applied yet.
CREATE FUNCTION verbatim.apply_read_schema() RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    f record;
BEGIN
    FOR f IN SELECT name, body FROM verbatim.read_schema WHERE NOT applied ORDER BY name LOOP
        EXECUTE f.body;
        UPDATE verbatim.read_schema SET applied = true WHERE name = f.name;
    END LOOP;
END $$;

-- Whether there is a shard in which the new generation is more than so many events behind the old one.
CREATE FUNCTION verbatim.is_behind(p_group text, p_new int4, p_old int4, p_events int8) RETURNS bool
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
    SELECT EXISTS (
        SELECT FROM verbatim.checkpoints o
            LEFT JOIN verbatim.checkpoints n ON n.group_name = p_group AND n.generation = p_new AND n.shard = o.shard
            WHERE o.group_name = p_group AND o.generation = p_old AND coalesce(n.position, 0) + p_events < least(o.position,
                (SELECT b.last_position FROM verbatim.log_batch b WHERE b.shard = o.shard ORDER BY b.first_position DESC LIMIT 1)))
$$;

-- Held shared by a worker's transaction, exclusively by the switch that takes the generation out of sight.
CREATE FUNCTION verbatim.project_lock(p_group text, p_generation int4, p_exclusive bool) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF p_exclusive THEN
        PERFORM pg_advisory_xact_lock(hashtext('verbatim.project ' || p_group), p_generation);
    ELSE
        PERFORM pg_advisory_xact_lock_shared(hashtext('verbatim.project ' || p_group), p_generation);
    END IF;
END $$;

-- project_fence(), and whether this generation is the one that people see: then its position is what wait() may answer by.
CREATE FUNCTION verbatim.project_step(
    p_group text, p_generation int4, p_shard int2, p_epoch int4, p_old int8, p_new int8, p_leaf bytea
) RETURNS bool
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET plan_cache_mode = force_generic_plan
    AS $$
BEGIN
    PERFORM verbatim.project_lock(p_group, p_generation, false);
    PERFORM verbatim.project_fence(p_group, p_generation, p_shard, p_epoch, p_old, p_new, p_leaf);
    RETURN EXISTS (SELECT FROM verbatim.generation g WHERE g.group_name = p_group AND g.generation = p_generation AND g.active);
END $$;

-- The switch.  An engine does it by itself, once a generation, and only to newer versions; whoever says which
-- generation to show (p_by_itself false) may go back as well, to rows as old as they are there.  Answers
--
--   switched   the views show it now        answers   they did already
--   ready      it is whole: ask again soon  behind    not nearly as far as the one that answers
--   busy       another is at it             late      nearly, but it did not come while the old one was held
--   kept       not by itself: it was shown before, or is older
--
-- Locks that do not come within the patience end it with 55P03; nothing has happened then.
CREATE FUNCTION verbatim.switch_generation(p_group text, p_generation int4, p_by_itself bool DEFAULT false) RETURNS text
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET client_min_messages = warning
    AS $$
DECLARE
    patience constant interval := '100 ms';
    catch_up constant interval := '500 ms';
    near     constant int8 := 2000; -- a batch
    answering int4;
    until     timestamptz;
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtext('verbatim.readmodel')) THEN
        RETURN 'busy';
    END IF;
    answering := verbatim.answering_generation(p_group);
    IF NOT EXISTS (SELECT FROM verbatim.generation WHERE group_name = p_group AND generation = p_generation) THEN
        RAISE EXCEPTION 'group "%" has no generation %', p_group, p_generation USING ERRCODE = 'undefined_object';
    END IF;
    IF answering = p_generation THEN
        RETURN 'answers';
    END IF;
    IF p_by_itself THEN
        IF EXISTS (SELECT FROM verbatim.generation n WHERE n.group_name = p_group AND n.generation = p_generation AND n.shown_at IS NOT NULL)
           OR EXISTS (SELECT FROM verbatim.generation n JOIN verbatim.generation o ON o.projection = n.projection AND o.active
                      WHERE n.group_name = p_group AND n.generation = p_generation AND n.version < o.version) THEN
            RETURN 'kept';
        END IF;
        IF verbatim.is_behind(p_group, p_generation, answering, near) THEN
            RETURN 'behind';
        END IF;
    END IF;
    PERFORM set_config('lock_timeout', (extract(epoch FROM patience) * 1000)::int8::text, true);
    IF answering IS NOT NULL THEN
        PERFORM verbatim.project_lock(p_group, answering, true);
        until := clock_timestamp() + catch_up;
        WHILE p_by_itself AND verbatim.is_behind(p_group, p_generation, answering, 0) LOOP
            IF clock_timestamp() > until THEN
                RETURN 'late';
            END IF;
            PERFORM pg_sleep(0.005);
        END LOOP;
    END IF;
    IF p_by_itself AND NOT EXISTS (SELECT FROM verbatim.generation WHERE group_name = p_group AND generation = p_generation
                                   AND ready_at IS NOT NULL) THEN
        UPDATE verbatim.generation SET ready_at = clock_timestamp() WHERE group_name = p_group AND generation = p_generation;
        RETURN 'ready';
    END IF;
    PERFORM verbatim.show_generation(p_group, p_generation, clock_timestamp() + patience);
    -- What stands upon the views may need the new columns of every group.
    IF NOT EXISTS (SELECT FROM verbatim.generation WHERE shown_at IS NULL) THEN
        PERFORM verbatim.apply_read_schema();
    END IF;
    RETURN 'switched';
END $$;

-- Gives a generation up that people do not see, with its tables.  False: an engine folds it.
CREATE FUNCTION verbatim.drop_generation(p_group text, p_generation int4) RETURNS bool
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET client_min_messages = warning
    AS $$
DECLARE
    lease constant text := p_group || ' g' || p_generation;
    names text;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('verbatim.readmodel'));
    SELECT string_agg(format('generations.%I', table_name), ', ') INTO names
        FROM verbatim.generation WHERE group_name = p_group AND generation = p_generation;
    IF names IS NULL THEN
        RAISE EXCEPTION 'group "%" has no generation %', p_group, p_generation USING ERRCODE = 'undefined_object';
    END IF;
    IF verbatim.answering_generation(p_group) = p_generation THEN
        RAISE EXCEPTION 'generation % of group "%" is the one that answers', p_generation, p_group USING ERRCODE = 'object_in_use';
    END IF;
    IF EXISTS (SELECT FROM verbatim.lease l WHERE l.name = lease AND l.expires_at > verbatim.log_now()) THEN
        RETURN false;
    END IF;
    EXECUTE 'DROP TABLE ' || names;
    DELETE FROM verbatim.generation WHERE group_name = p_group AND generation = p_generation;
    DELETE FROM verbatim.projection_batch WHERE group_name = p_group AND generation = p_generation;
    DELETE FROM verbatim.lease l WHERE l.name = lease;
    RETURN true;
END $$;

-- Gives up what was begun, never shown, and overtaken by a newer generation.
CREATE FUNCTION verbatim.sweep_generations(p_group text) RETURNS int4
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    g     int4;
    swept int4 := 0;
BEGIN
    FOR g IN SELECT DISTINCT generation FROM verbatim.generation WHERE group_name = p_group AND shown_at IS NULL
             AND generation < (SELECT max(n.generation) FROM verbatim.generation n WHERE n.group_name = p_group) LOOP
        swept := swept + verbatim.drop_generation(p_group, g)::int4;
    END LOOP;
    RETURN swept;
END $$;

REVOKE ALL ON FUNCTION verbatim.generation_of(text, text[], int4[]), verbatim.answering_generation(text),
    verbatim.shows_as(oid, int4, oid, int4), verbatim.view_select(text, int4, text, text[]), verbatim.grant_view(regclass, regclass),
    verbatim.show_view(text, int4), verbatim.show_analysts(text, int4), verbatim.carry_rights(regclass, regclass),
    verbatim.show_generation(text, int4, timestamptz), verbatim.apply_read_schema(), verbatim.is_behind(text, int4, int4, int8),
    verbatim.project_lock(text, int4, bool), verbatim.project_step(text, int4, int2, int4, int8, int8, bytea),
    verbatim.switch_generation(text, int4, bool), verbatim.drop_generation(text, int4), verbatim.sweep_generations(text)
    FROM PUBLIC;
GRANT EXECUTE ON FUNCTION verbatim.generation_of(text, text[], int4[]), verbatim.answering_generation(text),
    verbatim.project_step(text, int4, int2, int4, int8, int8, bytea), verbatim.switch_generation(text, int4, bool),
    verbatim.sweep_generations(text) TO verbatim_engine;
GRANT EXECUTE ON FUNCTION verbatim.switch_generation(text, int4, bool), verbatim.drop_generation(text, int4) TO verbatim_admin;

DO $$ BEGIN PERFORM set_config('role', current_setting('verbatim.caller'), true); END $$;
