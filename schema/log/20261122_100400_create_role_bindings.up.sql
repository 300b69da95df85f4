-- Analysts, and the history of who may read what.
--
--   verbatim_analyst  reads the read models of the tenants that role_tenants gives it, without the columns that
--                     hold content or personal data; no event of the log
--   analyst           the schema of its views: analyst.messages is core.messages without what is withheld.  (A view
--                     with security_invoker asks for the right to all columns that it names, so the full one is
--                     closed to who may not read them all.)
--   open_columns()    lets analysts read these columns of a table and no others.  Which they are, the engine knows:
--                     from the catalog's marks and its own
--   role_history      every row that came into role_tenants or left it, and every role that bind_role() gave or
--                     unbind_role() took; insert-only
--   bind_role(), unbind_role()   what `verbatim role` calls: all or nothing, with the caller's own rights
--
-- Crash argument: definitions, and rows that are written in the transaction of what they tell of.

DO $$ BEGIN
    IF to_regrole('verbatim_analyst') IS NULL THEN
        BEGIN
            CREATE ROLE verbatim_analyst NOLOGIN;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;               -- another database's migration made it in this moment
        END;
    END IF;
END $$;

DO $$ BEGIN PERFORM set_config('verbatim.caller', current_setting('role'), true); END $$;
SET LOCAL ROLE verbatim_owner;

GRANT USAGE ON SCHEMA verbatim TO verbatim_analyst;
GRANT EXECUTE ON FUNCTION verbatim.reading_tenant() TO verbatim_analyst;
DO $$
DECLARE
    s text;
BEGIN
    FOREACH s IN ARRAY ARRAY['generations', 'core', 'ai', 'analytics', 'audit', 'integration', 'cache'] LOOP
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO verbatim_analyst', s);
    END LOOP;
END $$;
CREATE SCHEMA analyst AUTHORIZATION verbatim_owner;
COMMENT ON SCHEMA analyst IS
    'The read models without what people wrote and who they are; each view''s comment says what is withheld.';
GRANT USAGE ON SCHEMA analyst TO verbatim_analyst, verbatim_reader, verbatim_engine, verbatim_auditor, verbatim_admin;

CREATE OR REPLACE FUNCTION verbatim.guard_table(tab regclass) RETURNS void
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
    EXECUTE format('CREATE POLICY tenant ON %s FOR SELECT TO verbatim_reader, verbatim_analyst '
                   'USING (tenant_id = (SELECT verbatim.reading_tenant()))', tab);
    EXECUTE format('CREATE POLICY staff ON %s FOR SELECT TO verbatim_admin, verbatim_auditor USING (true)', tab);
    EXECUTE format('CREATE POLICY engine ON %s FOR ALL TO verbatim_engine USING (true) WITH CHECK (true)', tab);
    EXECUTE format('REVOKE ALL ON %s FROM PUBLIC', tab);
    EXECUTE format('GRANT SELECT ON %s TO verbatim_reader, verbatim_admin, verbatim_auditor', tab);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO verbatim_engine', tab);
END $$;

-- The read models that are there already.
SELECT verbatim.guard_table(c.oid) FROM pg_class c
    WHERE c.relnamespace = 'generations'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition;

-- To be repeated whenever the marks may have changed; costs nothing when they have not.
CREATE FUNCTION verbatim.open_columns(tab regclass, columns name[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF ARRAY(SELECT a.attname FROM pg_attribute a
             WHERE a.attrelid = tab AND a.attnum > 0 AND NOT a.attisdropped
               AND has_column_privilege('verbatim_analyst', tab, a.attnum, 'SELECT') ORDER BY a.attname)
       = ARRAY(SELECT c FROM unnest(columns) c ORDER BY c) THEN
        RETURN;
    END IF;
    EXECUTE format('REVOKE SELECT ON %s FROM verbatim_analyst', tab);   -- the columns' grants as well
    IF cardinality(columns) > 0 THEN
        EXECUTE format('GRANT SELECT (%s) ON %s TO verbatim_analyst',
                       (SELECT string_agg(format('%I', c), ', ') FROM unnest(columns) c), tab);
    END IF;
END $$;

-- role_name is not an oid: names are what a dump keeps.  A role that is dropped leaves its rows; see role_list.
CREATE TABLE verbatim.role_history (
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    changed_by name        NOT NULL DEFAULT session_user,
    change     text        NOT NULL CHECK (change IN ('grant', 'revoke')),
    role_name  name        NOT NULL,
    granted    name,
    tenant_id  uuid,
    CHECK ((granted IS NULL) <> (tenant_id IS NULL))
);
COMMENT ON TABLE verbatim.role_history IS
    'Who was given or lost one of the roles (granted) or a tenant (tenant_id), when, and by whom. Insert-only.';
SELECT verbatim.make_append_only('verbatim.role_history');
REVOKE ALL ON verbatim.role_history FROM PUBLIC;
GRANT SELECT ON verbatim.role_history TO verbatim_admin, verbatim_auditor;
-- Not the first two: nobody writes for another, or for another time.
GRANT INSERT (change, role_name, granted, tenant_id) ON verbatim.role_history TO verbatim_admin;

-- Also for who changes role_tenants by hand.
CREATE FUNCTION verbatim.note_role_tenants() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        INSERT INTO verbatim.role_history (change, role_name, tenant_id) VALUES ('revoke', OLD.role_name, OLD.tenant_id);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO verbatim.role_history (change, role_name, tenant_id) VALUES ('grant', NEW.role_name, NEW.tenant_id);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER history AFTER INSERT OR UPDATE OR DELETE ON verbatim.role_tenants
    FOR EACH ROW EXECUTE FUNCTION verbatim.note_role_tenants();

-- The five roles that a login may be given.
CREATE FUNCTION verbatim.grantable_roles() RETURNS name[]
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT ARRAY['verbatim_reader', 'verbatim_analyst', 'verbatim_auditor', 'verbatim_engine', 'verbatim_admin']::name[] $$;

-- The roles, and login roles in them, directly (via is null) or through others; and whoever has rows in role_tenants.
CREATE VIEW verbatim.role_list WITH (security_invoker = true) AS
    WITH RECURSIVE member (granted, oid, via) AS (
        SELECT r.oid, m.member, NULL::oid FROM pg_catalog.pg_roles r JOIN pg_catalog.pg_auth_members m ON m.roleid = r.oid
            WHERE r.rolname = ANY (verbatim.grantable_roles())
        UNION
        SELECT u.granted, m.member, coalesce(u.via, u.oid) FROM member u JOIN pg_catalog.pg_auth_members m ON m.roleid = u.oid
    ),
    named (role_name) AS (
        SELECT r.rolname FROM member u JOIN pg_catalog.pg_roles r ON r.oid = u.oid
        UNION
        SELECT t.role_name FROM verbatim.role_tenants t
    )
    SELECT n.role_name, r.oid IS NOT NULL AS is_there, coalesce(r.rolcanlogin, false) AS can_login,
           coalesce(r.rolsuper OR r.rolbypassrls, false) AS unbound,
           ARRAY(SELECT DISTINCT g.rolname FROM member u JOIN pg_catalog.pg_roles g ON g.oid = u.granted
                 WHERE u.oid = r.oid AND u.via IS NULL ORDER BY 1) AS granted,
           ARRAY(SELECT DISTINCT g.rolname FROM member u JOIN pg_catalog.pg_roles g ON g.oid = u.granted
                 WHERE u.oid = r.oid AND u.via IS NOT NULL ORDER BY 1) AS inherited,
           ARRAY(SELECT t.tenant_id FROM verbatim.role_tenants t WHERE t.role_name = n.role_name ORDER BY 1) AS tenants
    FROM named n LEFT JOIN pg_catalog.pg_roles r ON r.rolname = n.role_name
    WHERE n.role_name NOT IN ('verbatim_owner') AND NOT n.role_name = ANY (verbatim.grantable_roles());
COMMENT ON VIEW verbatim.role_list IS
    'Who is in one of the roles, directly (granted) or through another role (inherited), and which tenants each may name.';
REVOKE ALL ON verbatim.role_list FROM PUBLIC;
GRANT SELECT ON verbatim.role_list TO verbatim_admin, verbatim_auditor, verbatim_engine;

-- Gives p_role one of the roles (p_granted; null: none) and tenants; makes it first where p_create says so and it is
-- not there, with a password (a verifier, as the client computed it) or none.  Answers what it changed.
CREATE FUNCTION verbatim.bind_role(p_role name, p_granted name, p_tenants uuid[], p_create bool, p_verifier text)
    RETURNS TABLE (change text, what text)
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    t uuid;
BEGIN
    IF NOT p_granted = ANY (verbatim.grantable_roles()) THEN
        RAISE EXCEPTION 'role "%" is not for granting here', p_granted USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF p_create AND to_regrole(quote_ident(p_role)) IS NULL THEN
        EXECUTE format('CREATE ROLE %I LOGIN PASSWORD %L', p_role, p_verifier);
        RETURN QUERY SELECT 'create', p_role::text;
    END IF;
    IF p_granted IS NOT NULL AND NOT EXISTS (SELECT FROM pg_auth_members m WHERE m.roleid = p_granted::regrole
                                             AND m.member = quote_ident(p_role)::regrole) THEN
        EXECUTE format('GRANT %I TO %I', p_granted, p_role);
        INSERT INTO verbatim.role_history (change, role_name, granted) VALUES ('grant', p_role, p_granted);
        RETURN QUERY SELECT 'grant', p_granted::text;
    END IF;
    FOREACH t IN ARRAY coalesce(p_tenants, '{}') LOOP
        INSERT INTO verbatim.role_tenants (role_name, tenant_id) VALUES (p_role, t) ON CONFLICT DO NOTHING;
        IF FOUND THEN
            RETURN QUERY SELECT 'grant', t::text;
        END IF;
    END LOOP;
END $$;

-- Takes p_granted (null: none of the roles) and these tenants (null: all it has) from p_role, which may be gone already.
CREATE FUNCTION verbatim.unbind_role(p_role name, p_granted name[], p_tenants uuid[]) RETURNS TABLE (change text, what text)
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    g name;
    t uuid;
BEGIN
    FOR g IN SELECT r.rolname FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.roleid
             WHERE m.member = to_regrole(quote_ident(p_role))
               AND r.rolname = ANY (p_granted) AND r.rolname = ANY (verbatim.grantable_roles()) ORDER BY 1 LOOP
        EXECUTE format('REVOKE %I FROM %I', g, p_role);
        INSERT INTO verbatim.role_history (change, role_name, granted) VALUES ('revoke', p_role, g);
        RETURN QUERY SELECT 'revoke', g::text;
    END LOOP;
    FOR t IN DELETE FROM verbatim.role_tenants d
             WHERE d.role_name = p_role AND (p_tenants IS NULL OR d.tenant_id = ANY (p_tenants)) RETURNING d.tenant_id LOOP
        RETURN QUERY SELECT 'revoke', t::text;
    END LOOP;
END $$;

REVOKE ALL ON FUNCTION verbatim.open_columns(regclass, name[]), verbatim.note_role_tenants(), verbatim.grantable_roles(),
    verbatim.bind_role(name, name, uuid[], bool, text), verbatim.unbind_role(name, name[], uuid[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION verbatim.grantable_roles() TO verbatim_admin, verbatim_auditor, verbatim_engine;
GRANT EXECUTE ON FUNCTION verbatim.bind_role(name, name, uuid[], bool, text), verbatim.unbind_role(name, name[], uuid[])
    TO verbatim_admin;

DO $$ BEGIN PERFORM set_config('role', current_setting('verbatim.caller'), true); END $$;
