-- Read models that a group has left out show what they showed last, as before.

DO $$ BEGIN PERFORM set_config('verbatim.caller', current_setting('role'), true); END $$;
SET LOCAL ROLE verbatim_owner;

CREATE OR REPLACE FUNCTION verbatim.generation_of(p_group text, p_names text[], p_versions int4[]) RETURNS int4
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
    SELECT g.generation FROM verbatim.generation g
        JOIN unnest(p_names, p_versions) w (name, version) ON w.name = g.projection AND w.version = g.version
        WHERE g.group_name = p_group GROUP BY g.generation HAVING count(*) = cardinality(p_names)
        ORDER BY bool_and(g.active) DESC, g.generation DESC LIMIT 1
$$;

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
    FOR r IN SELECT projection FROM verbatim.generation WHERE group_name = p_group AND generation = p_generation ORDER BY 1 LOOP
        IF p_until IS NOT NULL THEN
            PERFORM set_config('lock_timeout', greatest(1, extract(epoch FROM p_until - clock_timestamp()) * 1000)::int8::text, true);
        END IF;
        PERFORM verbatim.show_view(r.projection, p_generation);
        PERFORM verbatim.show_analysts(r.projection, p_generation);
    END LOOP;
END $$;

DROP FUNCTION verbatim.hide_view(text), verbatim.drop_other_indexes(regclass, text, text[]);

DO $$ BEGIN PERFORM set_config('role', current_setting('verbatim.caller'), true); END $$;
