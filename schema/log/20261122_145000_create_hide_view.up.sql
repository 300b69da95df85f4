-- What a group leaves out: read models that a later binary has no more, and indexes that a read model has no more.
--
-- A group that lost a read model is another group, as one that gained one is: it gets a generation of its own, and an
-- engine of the old binary folds the old one on.  When the new one is shown, the view of what is gone stays for whoever
-- has built upon it, of the same columns, empty, and its COMMENT says so; rows that nobody folds any more would be read
-- as the truth.  It depends on no table then, so the old generation can be dropped; going back to it shows it again.

DO $$ BEGIN PERFORM set_config('verbatim.caller', current_setting('role'), true); END $$;
SET LOCAL ROLE verbatim_owner;

-- The generation with exactly these read models and versions: the one that answers if it has them, else the newest that has.
CREATE OR REPLACE FUNCTION verbatim.generation_of(p_group text, p_names text[], p_versions int4[]) RETURNS int4
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
    SELECT g.generation FROM verbatim.generation g
        LEFT JOIN unnest(p_names, p_versions) w (name, version) ON w.name = g.projection AND w.version = g.version
        WHERE g.group_name = p_group GROUP BY g.generation
        HAVING count(w.name) = cardinality(p_names) AND count(*) = cardinality(p_names)
        ORDER BY bool_and(g.active) DESC, g.generation DESC LIMIT 1
$$;

-- Makes the views over a read model, people's and the analysts', show nothing, unless they do.
CREATE FUNCTION verbatim.hide_view(p_projection text) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    what  regclass;
    items text;
BEGIN
    FOREACH what IN ARRAY ARRAY[to_regclass(p_projection), to_regclass('analyst.' || quote_ident(split_part(p_projection, '.', 2)))] LOOP
        CONTINUE WHEN what IS NULL OR NOT EXISTS (
            SELECT FROM pg_rewrite r JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
            JOIN verbatim.generation g ON d.refobjid = to_regclass(format('generations.%I', g.table_name))
            WHERE r.ev_class = what AND g.projection = p_projection);
        SELECT string_agg(format('NULL::%s AS %I', format_type(atttypid, atttypmod), attname), ', ' ORDER BY attnum) INTO items
            FROM pg_attribute WHERE attrelid = what AND attnum > 0;
        EXECUTE format('CREATE OR REPLACE VIEW %s WITH (security_invoker = true) AS SELECT %s WHERE false', what, items);
        EXECUTE format('COMMENT ON VIEW %s IS %L', what, 'Always empty: this version has no such read model.');
    END LOOP;
END $$;

-- Makes all views of the group show this generation.  p_until bounds all waits for locks together; null: the session's own bound.
CREATE OR REPLACE FUNCTION verbatim.show_generation(p_group text, p_generation int4, p_until timestamptz DEFAULT NULL) RETURNS void
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
    FOR r IN
        SELECT projection, bool_or(generation = p_generation) AS stays FROM verbatim.generation g WHERE group_name = p_group
            AND (generation = p_generation OR NOT EXISTS (SELECT FROM verbatim.generation o WHERE o.projection = g.projection AND o.active))
            GROUP BY 1 ORDER BY 1
    LOOP
        IF p_until IS NOT NULL THEN
            PERFORM set_config('lock_timeout', greatest(1, extract(epoch FROM p_until - clock_timestamp()) * 1000)::int8::text, true);
        END IF;
        IF r.stays THEN
            PERFORM verbatim.show_view(r.projection, p_generation);
            PERFORM verbatim.show_analysts(r.projection, p_generation);
        ELSE
            PERFORM verbatim.hide_view(r.projection);
        END IF;
    END LOOP;
END $$;

-- Drops the indexes of a read model's table that were made for it (p_prefix and a hash) and are none of p_names.  Who
-- reads the table is waited for no longer than a second; the index then goes at the next start.
CREATE FUNCTION verbatim.drop_other_indexes(p_table regclass, p_prefix text, p_names text[]) RETURNS int4
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    SET lock_timeout = '1s'
    AS $$
DECLARE
    i       regclass;
    dropped int4 := 0;
BEGIN
    FOR i IN SELECT x.indexrelid FROM pg_index x JOIN pg_class c ON c.oid = x.indexrelid
             WHERE x.indrelid = p_table AND NOT x.indisunique AND c.relname <> ALL (p_names)
               AND left(c.relname, length(p_prefix)) = p_prefix AND substr(c.relname, length(p_prefix) + 1) ~ '^_[0-9a-f]{8}$'
    LOOP
        EXECUTE format('DROP INDEX %s', i);
        dropped := dropped + 1;
    END LOOP;
    RETURN dropped;
EXCEPTION WHEN lock_not_available THEN
    RETURN 0;
END $$;

REVOKE ALL ON FUNCTION verbatim.hide_view(text), verbatim.drop_other_indexes(regclass, text, text[]) FROM PUBLIC;

DO $$ BEGIN PERFORM set_config('role', current_setting('verbatim.caller'), true); END $$;
