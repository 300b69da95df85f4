-- Refused while there are checkpoints, unless the log itself may be lost: they are what proves it.

DO $$ BEGIN PERFORM set_config('verbatim.caller', current_setting('role'), true); END $$;
SET LOCAL ROLE verbatim_owner;

DO $$
DECLARE
    log text := (SELECT log_id::text FROM verbatim.log_identity);
BEGIN
    IF EXISTS (SELECT FROM verbatim.log_checkpoint)
       AND lower(coalesce(current_setting('verbatim.destroy_log', true), '')) IS DISTINCT FROM log THEN
        RAISE EXCEPTION 'the log''s signed checkpoints would be destroyed'
            USING ERRCODE = 'VB004', DETAIL = format('log_id %s', log),
                  HINT = format('verbatim migrate down --destroy-log %s does it all the same', log);
    END IF;
END $$;

DROP TABLE verbatim.log_checkpoint;
DROP TABLE verbatim.log_key;

DO $$ BEGIN PERFORM set_config('role', current_setting('verbatim.caller'), true); END $$;
