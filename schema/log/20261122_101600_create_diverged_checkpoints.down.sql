-- Engines of this version do not start without it; stop them first.

DO $$ BEGIN PERFORM set_config('verbatim.caller', current_setting('role'), true); END $$;
SET LOCAL ROLE verbatim_owner;

DROP FUNCTION verbatim.diverged_checkpoints(int2);

DO $$ BEGIN PERFORM set_config('role', current_setting('verbatim.caller'), true); END $$;
