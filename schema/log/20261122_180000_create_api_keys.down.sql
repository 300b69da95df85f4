-- Keys are made anew after another way up; what was done with them stands in the log.

DO $$ BEGIN PERFORM set_config('verbatim.caller', current_setting('role'), true); END $$;
SET LOCAL ROLE verbatim_owner;

DROP TRIGGER outbox ON verbatim.role_history;
DROP FUNCTION verbatim.note_role_change();
DROP FUNCTION verbatim.clear_audit_outbox(uuid[]);
DROP FUNCTION verbatim.use_api_keys(uuid[]);
DROP FUNCTION verbatim.set_tenant_limit(uuid, int8[]);
DROP FUNCTION verbatim.end_api_keys(uuid[], interval);
DROP FUNCTION verbatim.make_api_key(uuid, text, text[], uuid, bytea, bytea, timestamptz, int8[], text);
DROP FUNCTION verbatim.describe_api_key(verbatim.api_key);
DROP FUNCTION verbatim.next_key_change();
DROP TABLE verbatim.audit_outbox;
DROP TABLE verbatim.api_key_use;
DROP TABLE verbatim.api_key_stamp;
DROP TABLE verbatim.tenant_limit;
DROP TABLE verbatim.api_key;

DO $$ BEGIN PERFORM set_config('role', current_setting('verbatim.caller'), true); END $$;
