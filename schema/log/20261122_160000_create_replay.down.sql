-- Replays find their events more slowly without it; what was journaled stays in the log.

DO $$ BEGIN PERFORM set_config('verbatim.caller', current_setting('role'), true); END $$;
SET LOCAL ROLE verbatim_owner;

DROP VIEW audit.access;
DROP FUNCTION audit.accesses();
DROP INDEX verbatim.event_log_access, verbatim.event_log_begun, verbatim.event_log_other, verbatim.event_log_context;

DO $$ BEGIN PERFORM set_config('role', current_setting('verbatim.caller'), true); END $$;
