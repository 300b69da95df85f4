-- API keys: who may talk to an engine, and how much.
--
--   api_key        one row a key.  The secret itself is nowhere: secret_hash is the SHA-256 of its 256 random bits, which
--                  need no slow hash.  A key may instead, or besides, be a client certificate (SHA-256 of its DER)
--   tenant_limit   what all keys of a tenant may do together
--   api_key_stamp  one row, counted up by every change of the two.  Each changed row takes the new number under that row's
--                  lock, so that numbers become visible in their order: an engine that has seen n asks for what is above
--   api_key_use    when a key was last used, to the minute; apart, since it is no change that engines must learn of
--   audit_outbox   what is to be an event of the system tenant: changes of keys, limits and roles, written in the
--                  transaction of the change; an engine journals them and takes them out
--
-- The engine reads hashes; admins and auditors read everything but these; changes go through functions, for admins.
--
-- Crash argument: a change, its number and its outbox row are one transaction.  An outbox row that was journaled and not
-- yet taken out is journaled again with the same event_id, which the log recognises.

DO $$ BEGIN PERFORM set_config('verbatim.caller', current_setting('role'), true); END $$;
SET LOCAL ROLE verbatim_owner;

CREATE TABLE verbatim.api_key (
    key_id            uuid        PRIMARY KEY,
    name              text        NOT NULL CHECK (name ~ '^[[:alnum:]][[:alnum:]._@-]{0,62}$'),
    scopes            text[]      NOT NULL CHECK (scopes <@ '{append,read,audit,admin}' AND cardinality(scopes) > 0),
    tenant_id         uuid,                 -- null: of all tenants
    secret_hash       bytea       CHECK (octet_length(secret_hash) = 32),
    certificate       bytea       CHECK (octet_length(certificate) = 32),
    events_per_second int8        CHECK (events_per_second > 0),
    bytes_per_second  int8        CHECK (bytes_per_second > 0),
    connections       int8        CHECK (connections > 0),
    inflight_bytes    int8        CHECK (inflight_bytes > 0),
    created_at        timestamptz NOT NULL DEFAULT verbatim.log_now(),
    created_by        name        NOT NULL DEFAULT session_user,
    expires_at        timestamptz,
    revoked_at        timestamptz,
    changed           int8        NOT NULL,
    CHECK (secret_hash IS NOT NULL OR certificate IS NOT NULL),
    CHECK (tenant_id IS NULL OR NOT 'admin' = ANY (scopes))
);
COMMENT ON TABLE verbatim.api_key IS
    'API keys: name, scopes, tenant (null: all), limits. secret_hash = SHA-256 of the secret, certificate = SHA-256 of a client certificate.';
CREATE INDEX api_key_changed ON verbatim.api_key (changed);
CREATE UNIQUE INDEX api_key_certificate ON verbatim.api_key (certificate) WHERE revoked_at IS NULL;

CREATE TABLE verbatim.tenant_limit (
    tenant_id         uuid PRIMARY KEY,
    events_per_second int8 CHECK (events_per_second > 0),
    bytes_per_second  int8 CHECK (bytes_per_second > 0),
    connections       int8 CHECK (connections > 0),
    inflight_bytes    int8 CHECK (inflight_bytes > 0),
    changed           int8 NOT NULL
);
COMMENT ON TABLE verbatim.tenant_limit IS 'What all keys of a tenant may do together; null: no limit but the engine''s own.';
CREATE INDEX tenant_limit_changed ON verbatim.tenant_limit (changed);

CREATE TABLE verbatim.api_key_stamp (changed int8 NOT NULL);
CREATE UNIQUE INDEX api_key_stamp_one_row ON verbatim.api_key_stamp ((true));
INSERT INTO verbatim.api_key_stamp VALUES (0);

CREATE TABLE verbatim.api_key_use (
    key_id  uuid        PRIMARY KEY,
    used_at timestamptz NOT NULL
);

CREATE TABLE verbatim.audit_outbox (
    id            uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    at            timestamptz NOT NULL DEFAULT verbatim.log_now(),
    actor         name        NOT NULL DEFAULT session_user,
    action        text        NOT NULL CHECK (length(action) <= 100),
    resource_type text        NOT NULL CHECK (length(resource_type) <= 100),
    resource_id   text        NOT NULL CHECK (length(resource_id) <= 255),
    tenant_id     uuid,
    scope         json        NOT NULL
);
COMMENT ON TABLE verbatim.audit_outbox IS
    'Changes of keys, limits and roles that are not yet events of the system tenant; an engine journals them.';

GRANT SELECT ON verbatim.api_key, verbatim.tenant_limit, verbatim.api_key_stamp, verbatim.api_key_use, verbatim.audit_outbox
    TO verbatim_engine;
GRANT SELECT (key_id, name, scopes, tenant_id, certificate, events_per_second, bytes_per_second, connections, inflight_bytes,
              created_at, created_by, expires_at, revoked_at) ON verbatim.api_key TO verbatim_admin, verbatim_auditor;
GRANT SELECT ON verbatim.tenant_limit, verbatim.api_key_use, verbatim.audit_outbox TO verbatim_admin, verbatim_auditor;

-- The next number; the row's lock is held until the caller's commit.
CREATE FUNCTION verbatim.next_key_change() RETURNS int8
    LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
    AS $$ UPDATE verbatim.api_key_stamp SET changed = changed + 1 RETURNING changed $$;

-- What of a key may stand in an event: no hash.
CREATE FUNCTION verbatim.describe_api_key(k verbatim.api_key) RETURNS json
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
    SELECT json_strip_nulls(json_build_object('name', k.name, 'scopes', k.scopes,
        'certificate', encode(k.certificate, 'hex'), 'expires_at', verbatim.canonical_time(k.expires_at),
        'revoked_at', verbatim.canonical_time(k.revoked_at), 'events_per_second', k.events_per_second,
        'bytes_per_second', k.bytes_per_second, 'connections', k.connections, 'inflight_bytes', k.inflight_bytes))
$$;

-- A new key; p_action says whether it is the first of its name ('api_key.created') or another ('api_key.rotated').
CREATE FUNCTION verbatim.make_api_key(p_id uuid, p_name text, p_scopes text[], p_tenant uuid, p_hash bytea, p_certificate bytea,
                                      p_expires timestamptz, p_limits int8[], p_action text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    k verbatim.api_key;
BEGIN
    INSERT INTO verbatim.api_key (key_id, name, scopes, tenant_id, secret_hash, certificate, events_per_second, bytes_per_second,
                                  connections, inflight_bytes, expires_at, changed)
        VALUES (p_id, p_name, p_scopes, p_tenant, p_hash, p_certificate, p_limits[1], p_limits[2], p_limits[3], p_limits[4],
                p_expires, verbatim.next_key_change())
        RETURNING * INTO k;
    INSERT INTO verbatim.audit_outbox (action, resource_type, resource_id, tenant_id, scope)
        VALUES (p_action, 'api_key', p_id::text, p_tenant, verbatim.describe_api_key(k));
END $$;

-- Ends these keys: now, or after p_grace when that comes before they expire by themselves.  Answers which.
CREATE FUNCTION verbatim.end_api_keys(p_ids uuid[], p_grace interval) RETURNS SETOF uuid
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    k verbatim.api_key;
BEGIN
    FOR k IN SELECT * FROM verbatim.api_key WHERE key_id = ANY (p_ids) AND revoked_at IS NULL ORDER BY key_id FOR UPDATE LOOP
        IF p_grace > interval '0' THEN
            UPDATE verbatim.api_key SET expires_at = least(expires_at, verbatim.log_now() + p_grace), changed = verbatim.next_key_change()
                WHERE key_id = k.key_id RETURNING * INTO k;
        ELSE
            UPDATE verbatim.api_key SET revoked_at = verbatim.log_now(), changed = verbatim.next_key_change()
                WHERE key_id = k.key_id RETURNING * INTO k;
        END IF;
        INSERT INTO verbatim.audit_outbox (action, resource_type, resource_id, tenant_id, scope)
            VALUES (CASE WHEN k.revoked_at IS NULL THEN 'api_key.expiry_set' ELSE 'api_key.revoked' END, 'api_key', k.key_id::text,
                    k.tenant_id, verbatim.describe_api_key(k));
        RETURN NEXT k.key_id;
    END LOOP;
END $$;

-- p_limits: events and bytes a second, connections, bytes in flight; null: no limit.
CREATE FUNCTION verbatim.set_tenant_limit(p_tenant uuid, p_limits int8[]) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    INSERT INTO verbatim.tenant_limit AS t VALUES (p_tenant, p_limits[1], p_limits[2], p_limits[3], p_limits[4], verbatim.next_key_change())
        ON CONFLICT (tenant_id) DO UPDATE SET events_per_second = excluded.events_per_second,
            bytes_per_second = excluded.bytes_per_second, connections = excluded.connections,
            inflight_bytes = excluded.inflight_bytes, changed = excluded.changed;
    INSERT INTO verbatim.audit_outbox (action, resource_type, resource_id, tenant_id, scope)
        VALUES ('tenant_limit.changed', 'tenant', p_tenant::text, p_tenant, json_strip_nulls(json_build_object(
            'events_per_second', p_limits[1], 'bytes_per_second', p_limits[2], 'connections', p_limits[3], 'inflight_bytes', p_limits[4])));
END $$;

-- The engine's: these keys are in use; these outbox rows are events now.
CREATE FUNCTION verbatim.use_api_keys(p_ids uuid[]) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
    INSERT INTO verbatim.api_key_use AS u SELECT DISTINCT i, date_trunc('minute', verbatim.log_now()) FROM unnest(p_ids) i ORDER BY i
        ON CONFLICT (key_id) DO UPDATE SET used_at = excluded.used_at WHERE u.used_at < excluded.used_at
$$;
CREATE FUNCTION verbatim.clear_audit_outbox(p_ids uuid[]) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$ DELETE FROM verbatim.audit_outbox WHERE id = ANY (p_ids) $$;

CREATE FUNCTION verbatim.note_role_change() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    INSERT INTO verbatim.audit_outbox (action, resource_type, resource_id, tenant_id, scope)
        VALUES (CASE NEW.change WHEN 'grant' THEN 'role.granted' ELSE 'role.revoked' END, 'role', NEW.role_name, NEW.tenant_id,
                json_strip_nulls(json_build_object('role', NEW.granted)));
    RETURN NULL;
END $$;
CREATE TRIGGER outbox AFTER INSERT ON verbatim.role_history FOR EACH ROW EXECUTE FUNCTION verbatim.note_role_change();

REVOKE ALL ON verbatim.api_key, verbatim.tenant_limit, verbatim.api_key_stamp, verbatim.api_key_use, verbatim.audit_outbox FROM PUBLIC;
REVOKE ALL ON FUNCTION verbatim.next_key_change(), verbatim.describe_api_key(verbatim.api_key),
    verbatim.make_api_key(uuid, text, text[], uuid, bytea, bytea, timestamptz, int8[], text),
    verbatim.end_api_keys(uuid[], interval), verbatim.set_tenant_limit(uuid, int8[]), verbatim.use_api_keys(uuid[]),
    verbatim.clear_audit_outbox(uuid[]), verbatim.note_role_change() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION verbatim.make_api_key(uuid, text, text[], uuid, bytea, bytea, timestamptz, int8[], text),
    verbatim.end_api_keys(uuid[], interval), verbatim.set_tenant_limit(uuid, int8[]) TO verbatim_admin;
GRANT EXECUTE ON FUNCTION verbatim.use_api_keys(uuid[]), verbatim.clear_audit_outbox(uuid[]) TO verbatim_engine;

DO $$ BEGIN PERFORM set_config('role', current_setting('verbatim.caller'), true); END $$;
