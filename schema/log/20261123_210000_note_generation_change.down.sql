-- What was noted and is not journaled yet stays in the outbox.

DO $$ BEGIN PERFORM set_config('verbatim.caller', current_setting('role'), true); END $$;
SET LOCAL ROLE verbatim_owner;

DROP TRIGGER outbox_dropped ON verbatim.generation;
DROP TRIGGER outbox_shown ON verbatim.generation;
DROP FUNCTION verbatim.note_generation_dropped();
DROP FUNCTION verbatim.note_generation_shown();
DROP FUNCTION verbatim.note_generation(text, text, int4, json);
COMMENT ON TABLE verbatim.audit_outbox IS
    'Changes of keys, limits and roles that are not yet events of the system tenant; an engine journals them.';

DO $$ BEGIN PERFORM set_config('role', current_setting('verbatim.caller'), true); END $$;
