-- Workers of this version cannot write read models without it; stop the engines first.

DO $$ BEGIN PERFORM set_config('verbatim.caller', current_setting('role'), true); END $$;
SET LOCAL ROLE verbatim_owner;

DROP FUNCTION verbatim.refuse_missing(text, int8, int8);

DO $$ BEGIN PERFORM set_config('role', current_setting('verbatim.caller'), true); END $$;
