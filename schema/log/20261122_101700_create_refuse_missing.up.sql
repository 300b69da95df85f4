-- What stops a worker whose read model somebody has changed by hand.
--
-- A worker updates rows that it has read or written itself.  Its statement counts how many of them it has found
-- and calls this when some are missing: the transaction ends with VB005, rows and checkpoint stay as they were,
-- and the worker stops instead of going on from rows that are not there.

DO $$ BEGIN PERFORM set_config('verbatim.caller', current_setting('role'), true); END $$;
SET LOCAL ROLE verbatim_owner;

CREATE FUNCTION verbatim.refuse_missing(p_read_model text, p_sent int8, p_found int8) RETURNS int8
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    RAISE EXCEPTION 'the read model was changed by hand: rebuild it (%: % of % rows to update are not there)',
        p_read_model, p_sent - p_found, p_sent USING ERRCODE = 'VB005';
END $$;

REVOKE ALL ON FUNCTION verbatim.refuse_missing(text, int8, int8) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION verbatim.refuse_missing(text, int8, int8) TO verbatim_engine;

DO $$ BEGIN PERFORM set_config('role', current_setting('verbatim.caller'), true); END $$;
