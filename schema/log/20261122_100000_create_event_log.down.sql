-- Takes the log away: event_log with its leaves, and all that stands beside it.
--
-- Refused while the log holds an event, unless the setting verbatim.destroy_log names this very log by
-- its log_id.  Schema verbatim stays (the migrations' own table lives in it), and so do the roles (they
-- belong to the cluster).  One transaction: it is all gone, or nothing is.

DO $$ BEGIN PERFORM set_config('verbatim.caller', current_setting('role'), true); END $$;
SET LOCAL ROLE verbatim_owner;

-- Appends that are under way are waited for, later ones wait for us and find no table.
LOCK TABLE verbatim.log_batch, verbatim.event_log IN ACCESS EXCLUSIVE MODE;

DO $$
DECLARE
    log text := coalesce((SELECT log_id::text FROM verbatim.log_identity), 'unknown');
BEGIN
    IF EXISTS (SELECT FROM verbatim.event_log)
       AND lower(coalesce(current_setting('verbatim.destroy_log', true), '')) <> log THEN
        RAISE EXCEPTION 'the log holds events and would be destroyed'
            USING ERRCODE = 'VB004', DETAIL = format('log_id %s', log),
                  HINT = format('verbatim migrate down --destroy-log %s does it all the same', log);
    END IF;
END $$;

DROP FUNCTION verbatim.close_month(date);
DROP FUNCTION verbatim.make_leaf(date);
DROP FUNCTION verbatim.adopt(text, text, jsonb);
DROP FUNCTION verbatim.init_log(int2);
DROP TABLE verbatim.event_log, verbatim.log_batch, verbatim.log_month, verbatim.log_tile,
           verbatim.log_epoch, verbatim.log_identity;
DROP FUNCTION verbatim.make_append_only(regclass);
DROP FUNCTION verbatim.refuse_change();
DROP FUNCTION verbatim.month_start(timestamptz);
DROP FUNCTION verbatim.log_now();
REVOKE USAGE ON SCHEMA verbatim FROM verbatim_engine, verbatim_reader, verbatim_auditor, verbatim_admin;

DO $$ BEGIN PERFORM set_config('role', current_setting('verbatim.caller'), true); END $$;
