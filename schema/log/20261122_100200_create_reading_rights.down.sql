-- Takes the reading rights away: tenants' logins see nothing of the log any more, and
-- role_tenants is lost with its rows.  The read models' tables, whose policies need reading_tenant(), are
-- gone before this: the workers' down script takes them.

DO $$ BEGIN PERFORM set_config('verbatim.caller', current_setting('role'), true); END $$;
SET LOCAL ROLE verbatim_owner;

DROP VIEW verbatim.events;
DROP FUNCTION verbatim.leaf_hash(verbatim.event_log);
DROP FUNCTION verbatim.canonical(verbatim.event_log);
DROP FUNCTION verbatim.canonical(verbatim.event_log, uuid);
DROP FUNCTION verbatim.canonical_time(timestamptz);
DROP FUNCTION verbatim.guard_table(regclass);
DROP POLICY tenant ON verbatim.event_log;
REVOKE SELECT ON verbatim.event_log FROM verbatim_reader;
DROP FUNCTION verbatim.reading_tenant();
DROP TABLE verbatim.role_tenants;

DO $$ BEGIN PERFORM set_config('role', current_setting('verbatim.caller'), true); END $$;
