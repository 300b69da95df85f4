-- Takes the switch away.  The views stay as they are; generations that they do not show go, for who comes after this
-- does not know which of them are whole.

DO $$ BEGIN PERFORM set_config('verbatim.caller', current_setting('role'), true); END $$;
SET LOCAL ROLE verbatim_owner;

DO $$
DECLARE
    g record;
BEGIN
    DELETE FROM verbatim.lease;
    FOR g IN SELECT DISTINCT group_name, generation FROM verbatim.generation n
             WHERE NOT EXISTS (SELECT FROM verbatim.generation a WHERE a.active AND (a.group_name, a.generation) = (n.group_name, n.generation)) LOOP
        PERFORM verbatim.drop_generation(g.group_name, g.generation);
    END LOOP;
END $$;

-- The views call it for as long as they stand.
CREATE OR REPLACE FUNCTION generations.is_whole(p_group text, p_generation int4) RETURNS bool
    LANGUAGE sql IMMUTABLE AS $$ SELECT true $$;

DROP FUNCTION verbatim.generation_of(text, text[], int4[]), verbatim.answering_generation(text),
    verbatim.shows_as(oid, int4, oid, int4), verbatim.view_select(text, int4, text, text[]), verbatim.grant_view(regclass, regclass),
    verbatim.show_view(text, int4), verbatim.show_analysts(text, int4), verbatim.carry_rights(regclass, regclass),
    verbatim.show_generation(text, int4, timestamptz), verbatim.apply_read_schema(), verbatim.is_behind(text, int4, int4, int8),
    verbatim.project_lock(text, int4, bool), verbatim.project_step(text, int4, int2, int4, int8, int8, bytea),
    verbatim.switch_generation(text, int4, bool), verbatim.drop_generation(text, int4), verbatim.sweep_generations(text);
DROP TABLE verbatim.read_schema;
DROP INDEX verbatim.generation_of_group;
ALTER TABLE verbatim.generation DROP COLUMN columns, DROP COLUMN ready_at, DROP COLUMN shown_at;
GRANT INSERT, UPDATE, DELETE ON verbatim.generation TO verbatim_engine;

DO $$ BEGIN PERFORM set_config('role', current_setting('verbatim.caller'), true); END $$;
