-- Takes rebuilds away.  Shadows and what they replaced go; the tables that answer get the names their generation's
-- would have, which is all that who comes after this knows.

DO $$ BEGIN PERFORM set_config('verbatim.caller', current_setting('role'), true); END $$;
SET LOCAL ROLE verbatim_owner;

DO $$
DECLARE
    r record;
BEGIN
    DELETE FROM verbatim.lease;
    FOR r IN SELECT id FROM verbatim.rebuild WHERE state = 'building' LOOP
        PERFORM verbatim.rebuild_drop(r.id);
    END LOOP;
    FOR r IN SELECT DISTINCT group_name FROM verbatim.rebuild LOOP
        PERFORM verbatim.drop_old(r.group_name);
    END LOOP;
    FOR r IN SELECT DISTINCT group_name, generation FROM verbatim.generation g
             WHERE NOT EXISTS (SELECT FROM verbatim.generation a WHERE a.active AND (a.group_name, a.generation) = (g.group_name, g.generation)) LOOP
        PERFORM verbatim.drop_generation(r.group_name, r.generation);
    END LOOP;
    FOR r IN SELECT projection, generation, table_name, regexp_replace(table_name, '_[gr][0-9]+$', '') || '_g' || generation AS plain
             FROM verbatim.generation LOOP
        CONTINUE WHEN r.table_name = r.plain;
        EXECUTE format('ALTER TABLE generations.%I RENAME TO %I', r.table_name, r.plain);
        UPDATE verbatim.generation SET table_name = r.plain WHERE projection = r.projection AND generation = r.generation;
    END LOOP;
END $$;

DROP FUNCTION verbatim.rebuild_positions(text, int4), verbatim.rebuild_is_alive(verbatim.rebuild), verbatim.rebuild_own(int4, uuid),
    verbatim.rebuild_drop(int4), verbatim.rebuild_shadow(int4, text, text),
    verbatim.rebuild_begin(text, text[], int4[], text[], text, uuid, text, int4), verbatim.rebuild_beat(int4, uuid, text, int8, int8),
    verbatim.rebuild_folded(int4, uuid, int2, int8, int8, bytea), verbatim.rebuild_index(int4, uuid, text, int4, int4), verbatim.rebuild_finish(int4, uuid, text),
    verbatim.rebuild_indexes(regclass), verbatim.rebuild_pair(verbatim.rebuild, text), verbatim.rebuild_bring(int4, uuid, text, uuid[], int8[]), verbatim.rebuild_level(int4, uuid), verbatim.rebuild_hold(int4, uuid), verbatim.rebuild_mark(int4, uuid),
    verbatim.rebuild_switch(int4, uuid, int4, interval, json), verbatim.rebuild_give_up(int4, uuid), verbatim.rebuild_leave(int4, uuid),
    verbatim.rebuild_views(int4, int4), verbatim.rebuild_told(int4), verbatim.drop_old(text, int4);

-- The views call it with their own generation, which answers: it was whole when it was shown.
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

DROP TABLE verbatim.rebuild_shard, verbatim.rebuild_table, verbatim.rebuild;

DO $$ BEGIN PERFORM set_config('role', current_setting('verbatim.caller'), true); END $$;
