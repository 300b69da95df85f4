-- Takes the append function away.  The log stays as it is, readable, and takes no more events until the
-- up script has run again.

DO $$ BEGIN PERFORM set_config('verbatim.caller', current_setting('role'), true); END $$;
SET LOCAL ROLE verbatim_owner;

DROP FUNCTION verbatim.append;
DROP FUNCTION verbatim.find_stored;
DROP FUNCTION verbatim.judge_expect;
DROP TYPE verbatim.append_outcome;

DO $$ BEGIN PERFORM set_config('role', current_setting('verbatim.caller'), true); END $$;
