-- Which generation of read models people see, and which is given up, are events of the system tenant.
--
--   generation.shown     the views show it now: an engine's own switch to a newer version, switch_generation() by hand
--   generation.dropped   its tables are gone: drop_generation(), `rebuild --drop-old`, what a rebuild or an engine swept away
--
-- Noted where verbatim.generation changes, so whichever way it does, also one that comes later or a superuser's own
-- UPDATE.  A switch by a rebuild, there or back, is not noted here: log.rebuilt tells it, with digests.  Nor is the first
-- generation of a group: nobody saw another.
--
-- Crash argument: the note is in the transaction of the change; from there on it is the outbox's.

DO $$ BEGIN PERFORM set_config('verbatim.caller', current_setting('role'), true); END $$;
SET LOCAL ROLE verbatim_owner;

CREATE FUNCTION verbatim.note_generation(p_action text, p_group text, p_generation int4, p_read_models json) RETURNS void
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
    AS $$
    INSERT INTO verbatim.audit_outbox (action, resource_type, resource_id, scope)
        VALUES (p_action, 'generation', p_group || ' g' || p_generation,
                json_build_object('group', p_group, 'generation', p_generation, 'read_models', p_read_models))
$$;

CREATE FUNCTION verbatim.note_generation_shown() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    PERFORM verbatim.note_generation('generation.shown', n.group_name, n.generation, json_object_agg(n.projection, n.version ORDER BY n.projection))
        FROM after n JOIN before o USING (projection, generation)
        WHERE n.active AND NOT o.active
          AND EXISTS (SELECT FROM verbatim.generation e WHERE e.group_name = n.group_name AND e.generation <> n.generation)
          AND NOT EXISTS (SELECT FROM verbatim.rebuild r WHERE r.group_name = n.group_name AND r.became = n.generation
                          AND r.ended_at >= transaction_timestamp())
        GROUP BY n.group_name, n.generation;
    RETURN NULL;
END $$;
CREATE TRIGGER outbox_shown AFTER UPDATE ON verbatim.generation REFERENCING OLD TABLE AS before NEW TABLE AS after
    FOR EACH STATEMENT EXECUTE FUNCTION verbatim.note_generation_shown();

CREATE FUNCTION verbatim.note_generation_dropped() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    PERFORM verbatim.note_generation('generation.dropped', o.group_name, o.generation, json_object_agg(o.projection, o.version ORDER BY o.projection))
        FROM before o GROUP BY o.group_name, o.generation;
    RETURN NULL;
END $$;
CREATE TRIGGER outbox_dropped AFTER DELETE ON verbatim.generation REFERENCING OLD TABLE AS before
    FOR EACH STATEMENT EXECUTE FUNCTION verbatim.note_generation_dropped();

COMMENT ON TABLE verbatim.audit_outbox IS
    'Changes of keys, limits, roles and generations that are not yet events of the system tenant; an engine journals them.';

REVOKE ALL ON FUNCTION verbatim.note_generation(text, text, int4, json), verbatim.note_generation_shown(), verbatim.note_generation_dropped()
    FROM PUBLIC;

DO $$ BEGIN PERFORM set_config('role', current_setting('verbatim.caller'), true); END $$;
