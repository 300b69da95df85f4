-- Takes the workers' bookkeeping and the read models' schemas away.  Read models are derived: the up
-- script and a rebuild bring all of it back.  A schema in which people keep objects of their own makes
-- the whole script fail, and nothing is lost.

DO $$ BEGIN PERFORM set_config('verbatim.caller', current_setting('role'), true); END $$;
SET LOCAL ROLE verbatim_owner;

DO $$
DECLARE
    schemas constant text[] := ARRAY['core', 'ai', 'analytics', 'audit', 'integration', 'cache', 'generations'];
    functions text;
    views  text;
    tables text;
    s      text;
BEGIN
    -- One DROP for all views and one for all tables: what depends on each other goes together, what
    -- somebody else built upon them refuses it.
    SELECT string_agg(c.oid::regclass::text, ', ') INTO views
        FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner
        WHERE c.relnamespace = ANY (SELECT oid FROM pg_namespace WHERE nspname = ANY (schemas))
          AND c.relkind = 'v' AND (r.rolname = 'verbatim_owner' OR r.rolsuper);
    IF views IS NOT NULL THEN
        EXECUTE 'DROP VIEW ' || views;
    END IF;
    SELECT string_agg(p.oid::regprocedure::text, ', ') INTO functions
        FROM pg_proc p JOIN pg_roles r ON r.oid = p.proowner
        WHERE p.pronamespace = ANY (SELECT oid FROM pg_namespace WHERE nspname = ANY (schemas))
          AND (r.rolname = 'verbatim_owner' OR r.rolsuper);
    IF functions IS NOT NULL THEN
        EXECUTE 'DROP ROUTINE ' || functions;
    END IF;
    SELECT string_agg(c.oid::regclass::text, ', ') INTO tables
        FROM pg_class c
        WHERE c.relnamespace = to_regnamespace('generations') AND c.relkind IN ('r', 'p') AND NOT c.relispartition;
    IF tables IS NOT NULL THEN
        EXECUTE 'DROP TABLE ' || tables;
    END IF;
    FOREACH s IN ARRAY schemas LOOP
        EXECUTE format('DROP SCHEMA %I', s);
    END LOOP;
END $$;

DROP VIEW verbatim.checkpoints;
DROP FUNCTION verbatim.project_fence(text, int4, int2, int4, int8, int8, bytea);
DROP FUNCTION verbatim.lease_take(text, int2, uuid, interval);
DROP FUNCTION verbatim.lease_give(text, int2, uuid);
DROP TABLE verbatim.projection_batch, verbatim.generation, verbatim.lease;

DO $$ BEGIN PERFORM set_config('role', current_setting('verbatim.caller'), true); END $$;
