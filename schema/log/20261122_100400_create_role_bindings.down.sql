-- Takes the analysts' views and rights away, and the history of bindings with its rows.  role_tenants stays, and so
-- do the roles: they belong to the cluster.  An object that somebody keeps in schema analyst, or has built upon its
-- views, makes the whole script fail, and nothing is lost.

DO $$ BEGIN PERFORM set_config('verbatim.caller', current_setting('role'), true); END $$;
SET LOCAL ROLE verbatim_owner;

DROP FUNCTION verbatim.unbind_role(name, name[], uuid[]);
DROP FUNCTION verbatim.bind_role(name, name, uuid[], bool, text);
DROP VIEW verbatim.role_list;
DROP FUNCTION verbatim.grantable_roles();
DROP TRIGGER history ON verbatim.role_tenants;
DROP FUNCTION verbatim.note_role_tenants();
DROP TABLE verbatim.role_history;
DROP FUNCTION verbatim.open_columns(regclass, name[]);

DO $$
DECLARE
    views text;
    s     text;
BEGIN
    SELECT string_agg(c.oid::regclass::text, ', ') INTO views
        FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner
        WHERE c.relnamespace = 'analyst'::regnamespace AND c.relkind = 'v' AND (r.rolname = 'verbatim_owner' OR r.rolsuper);
    IF views IS NOT NULL THEN
        EXECUTE 'DROP VIEW ' || views;
    END IF;
    DROP SCHEMA analyst;
    FOREACH s IN ARRAY ARRAY['generations', 'core', 'ai', 'analytics', 'audit', 'integration', 'cache'] LOOP
        EXECUTE format('REVOKE ALL ON ALL TABLES IN SCHEMA %I FROM verbatim_analyst', s);
        EXECUTE format('REVOKE ALL ON SCHEMA %I FROM verbatim_analyst', s);
    END LOOP;
END $$;

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
    EXECUTE format('CREATE POLICY tenant ON %s FOR SELECT TO verbatim_reader '
                   'USING (tenant_id = (SELECT verbatim.reading_tenant()))', tab);
    EXECUTE format('CREATE POLICY staff ON %s FOR SELECT TO verbatim_admin, verbatim_auditor USING (true)', tab);
    EXECUTE format('CREATE POLICY engine ON %s FOR ALL TO verbatim_engine USING (true) WITH CHECK (true)', tab);
    EXECUTE format('REVOKE ALL ON %s FROM PUBLIC', tab);
    EXECUTE format('GRANT SELECT ON %s TO verbatim_reader, verbatim_admin, verbatim_auditor', tab);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO verbatim_engine', tab);
END $$;
SELECT verbatim.guard_table(c.oid) FROM pg_class c
    WHERE c.relnamespace = 'generations'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition;

REVOKE EXECUTE ON FUNCTION verbatim.reading_tenant() FROM verbatim_analyst;
REVOKE USAGE ON SCHEMA verbatim FROM verbatim_analyst;

DO $$ BEGIN PERFORM set_config('role', current_setting('verbatim.caller'), true); END $$;
