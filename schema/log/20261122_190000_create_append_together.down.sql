-- Engines of this version append with it; stop them first.

DO $$ BEGIN PERFORM set_config('verbatim.caller', current_setting('role'), true); END $$;
SET LOCAL ROLE verbatim_owner;

DROP FUNCTION verbatim.append_together;

DO $$ BEGIN PERFORM set_config('role', current_setting('verbatim.caller'), true); END $$;
