-- Who may read what, and the log as people read it.
--
--   role_tenants      (role, tenant): the tenants that a login may name
--   reading_tenant()  the tenant this session named and may name, else NULL.  Never an error: an unset,
--                     empty or malformed app.tenant_id shows no rows
--   guard_table()     puts the same rule on a read model's table
--   events            event_log with the payload as jsonb and created_at beside recorded_at
--   canonical(), leaf_hash()   the text that is hashed and its RFC 6962 leaf, so that anybody with
--                     psql can check a row:  SELECT position FROM verbatim.event_log e
--                                            WHERE verbatim.leaf_hash(e) <> e.leaf_hash
--
-- A tenant's login is a member of verbatim_reader and has its row in role_tenants:
--
--   CREATE ROLE acme LOGIN IN ROLE verbatim_reader;
--   INSERT INTO verbatim.role_tenants VALUES ('acme', '0192...');
--   (as acme)  SET app.tenant_id = '0192...';  SELECT * FROM verbatim.events;
--
-- Crash argument: definitions only; nothing here is written while events come in.

DO $$ BEGIN PERFORM set_config('verbatim.caller', current_setting('role'), true); END $$;
SET LOCAL ROLE verbatim_owner;

CREATE TABLE verbatim.role_tenants (
    role_name name NOT NULL,
    tenant_id uuid NOT NULL,
    PRIMARY KEY (role_name, tenant_id)
);
COMMENT ON TABLE verbatim.role_tenants IS 'Which tenants a login, or a role it is a member of, may name in app.tenant_id.';
REVOKE ALL ON verbatim.role_tenants FROM PUBLIC;
GRANT SELECT ON verbatim.role_tenants TO verbatim_engine, verbatim_auditor;
GRANT SELECT, INSERT, DELETE ON verbatim.role_tenants TO verbatim_admin;

-- SECURITY DEFINER, since readers have no business in role_tenants; session_user stays the login's.
CREATE FUNCTION verbatim.reading_tenant() RETURNS uuid
    LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    named text := current_setting('app.tenant_id', true);
BEGIN
    IF named IS NULL OR named !~ '^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$' THEN
        RETURN NULL;
    END IF;
    IF EXISTS (SELECT FROM verbatim.role_tenants t JOIN pg_roles r ON r.rolname = t.role_name
               WHERE t.tenant_id = named::uuid
                 AND (t.role_name = session_user OR pg_has_role(session_user, r.oid, 'MEMBER'))) THEN
        RETURN named::uuid;
    END IF;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION verbatim.reading_tenant() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION verbatim.reading_tenant()
    TO verbatim_reader, verbatim_engine, verbatim_auditor, verbatim_admin;

-- Tenants read the log through the parent; they have no grant on a leaf.
CREATE POLICY tenant ON verbatim.event_log FOR SELECT
    TO verbatim_reader USING (tenant_id = (SELECT verbatim.reading_tenant()));
GRANT SELECT ON verbatim.event_log TO verbatim_reader;

-- Gives a read model's table (with a column tenant_id) to the owner and puts grants and policies on it.
-- May be repeated.  The view over it must be made WITH (security_invoker = true).
CREATE FUNCTION verbatim.guard_table(tab regclass) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    SET client_min_messages = warning
    AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = tab AND attname = 'tenant_id'
                   AND atttypid = 'uuid'::regtype AND NOT attisdropped) THEN
        RAISE EXCEPTION 'table % has no column tenant_id of type uuid', tab USING ERRCODE = 'VB003';
    END IF;
    EXECUTE format('ALTER TABLE %s OWNER TO verbatim_owner', tab);
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', tab);
    EXECUTE format('DROP POLICY IF EXISTS tenant ON %s', tab);
    EXECUTE format('DROP POLICY IF EXISTS staff ON %s', tab);
    EXECUTE format('DROP POLICY IF EXISTS engine ON %s', tab);
    EXECUTE format('CREATE POLICY tenant ON %s FOR SELECT TO verbatim_reader '
                   'USING (tenant_id = (SELECT verbatim.reading_tenant()))', tab);
    EXECUTE format('CREATE POLICY staff ON %s FOR SELECT TO verbatim_admin, verbatim_auditor USING (true)', tab);
    EXECUTE format('CREATE POLICY engine ON %s FOR ALL TO verbatim_engine USING (true) WITH CHECK (true)', tab);
    EXECUTE format('REVOKE ALL ON %s FROM PUBLIC', tab);
    EXECUTE format('GRANT SELECT ON %s TO verbatim_reader, verbatim_admin, verbatim_auditor', tab);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO verbatim_engine', tab);
END $$;
REVOKE ALL ON FUNCTION verbatim.guard_table(regclass) FROM PUBLIC;

CREATE VIEW verbatim.events WITH (security_invoker = true) AS
    SELECT e.shard, e.position, e.recorded_at, e.recorded_at AS created_at, e.event_id, e.tenant_id,
           e.event_type, e.event_version, e.entity_type, e.entity_id, e.conversation_id, e.customer_id,
           e.resolution_id, e.actor_type, e.actor_id, e.actor_ip, e.actor_user_agent, e.correlation_id,
           e.causation_id, e.occurred_at, e.silent, e.payload::jsonb AS payload, e.leaf_hash
    FROM verbatim.event_log e;
COMMENT ON VIEW verbatim.events IS 'The log for reading: event_log with created_at (= recorded_at) and the payload as jsonb.';
REVOKE ALL ON verbatim.events FROM PUBLIC;
GRANT SELECT ON verbatim.events TO verbatim_reader, verbatim_engine, verbatim_auditor, verbatim_admin;

-- A time as the canonical form has it.
CREATE FUNCTION verbatim.canonical_time(at timestamptz) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    AS $$ SELECT to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') $$;

-- RFC 8785: keys in order, absent fields left out, the payload's own text as it was stored.  to_json
-- escapes a string just as the RFC asks and prints an inet without the /32 that ::text would add.
CREATE FUNCTION verbatim.canonical(e verbatim.event_log, log_id uuid) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$
    SELECT '{'
        || coalesce('"actor_id":"' || e.actor_id || '",', '')
        || coalesce('"actor_ip":' || to_json(e.actor_ip) || ',', '')
        || '"actor_type":' || to_json(e.actor_type)
        || coalesce(',"actor_user_agent":' || to_json(e.actor_user_agent), '')
        || coalesce(',"causation_id":"' || e.causation_id || '"', '')
        || coalesce(',"conversation_id":"' || e.conversation_id || '"', '')
        || coalesce(',"correlation_id":"' || e.correlation_id || '"', '')
        || coalesce(',"customer_id":"' || e.customer_id || '"', '')
        || ',"entity_id":"' || e.entity_id || '"'
        || ',"entity_type":' || to_json(e.entity_type)
        || ',"event_id":"' || e.event_id || '"'
        || ',"event_type":' || to_json(e.event_type)
        || ',"event_version":' || e.event_version
        || ',"log_id":"' || log_id || '"'
        || ',"occurred_at":"' || verbatim.canonical_time(e.occurred_at) || '"'
        || ',"payload":' || e.payload
        || ',"position":' || e.position
        || ',"recorded_at":"' || verbatim.canonical_time(e.recorded_at) || '"'
        || coalesce(',"resolution_id":"' || e.resolution_id || '"', '')
        || ',"shard":' || e.shard
        || ',"silent":' || CASE WHEN e.silent THEN 'true' ELSE 'false' END
        || ',"tenant_id":"' || e.tenant_id || '"}'
$$;

CREATE FUNCTION verbatim.canonical(e verbatim.event_log) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ SELECT verbatim.canonical(e, (SELECT i.log_id FROM verbatim.log_identity i)) $$;

CREATE FUNCTION verbatim.leaf_hash(e verbatim.event_log) RETURNS bytea
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ SELECT sha256('\x00'::bytea || convert_to(verbatim.canonical(e), 'UTF8')) $$;

REVOKE ALL ON FUNCTION verbatim.canonical_time(timestamptz), verbatim.canonical(verbatim.event_log, uuid),
    verbatim.canonical(verbatim.event_log), verbatim.leaf_hash(verbatim.event_log) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION verbatim.canonical_time(timestamptz), verbatim.canonical(verbatim.event_log, uuid),
    verbatim.canonical(verbatim.event_log), verbatim.leaf_hash(verbatim.event_log)
    TO verbatim_reader, verbatim_engine, verbatim_auditor, verbatim_admin;

DO $$ BEGIN PERFORM set_config('role', current_setting('verbatim.caller'), true); END $$;
