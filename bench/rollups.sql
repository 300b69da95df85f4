-- A year of twenty tenants in the roll-ups, made up: each day and, of the tenant that is asked about, each quarter of an
-- hour; its rows of the whole have histograms of two hundred classes a day and of twelve a quarter of an hour.
CREATE FUNCTION pg_temp.fill(target regclass, asked uuid, others int, buckets int, step interval, classes int, zone text)
    RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    names   text;
    amounts text;
BEGIN
    SELECT string_agg(quote_ident(attname), ', '), string_agg('1 + (b + n) % 7', ', ') INTO names, amounts
    FROM pg_attribute
    WHERE attrelid = target AND attnum > 0 AND attnotnull AND atttypid IN ('int4'::regtype, 'numeric'::regtype);
    EXECUTE format(
        'INSERT INTO %s (tenant_id, id, last_position, bucket_at, dimensions, channel, agent_id, first_response_histogram, %s %s)'
        ' SELECT t, gen_random_uuid(), 1, ''2025-01-01Z''::timestamptz + b * $4, s, CASE s WHEN ''channel'' THEN ''c'' || n END,'
        ' CASE s WHEN ''agent'' THEN (''00000000-0000-4000-8000-'' || lpad(n::text, 12, ''0''))::uuid END,'
        ' CASE WHEN t = $1 AND s = ''all'' THEN (SELECT jsonb_object_agg((900 + (b * 7 + k * 3) %% 400)::text, 1 + k %% 5)'
        ' FROM generate_series(1, $5) k) END, %s %s'
        ' FROM generate_series(0, $3 - 1) b,'
        ' (SELECT $1 UNION ALL SELECT gen_random_uuid() FROM generate_series(1, $2)) tenants (t),'
        ' (SELECT ''all'', 1 UNION ALL SELECT ''channel'', g FROM generate_series(1, 6) g'
        ' UNION ALL SELECT ''agent'', g FROM generate_series(1, 20) g WHERE $2 > 0) sets (s, n)',
        target, CASE WHEN zone IS NOT NULL THEN 'time_zone,' END, names, CASE WHEN zone IS NOT NULL THEN quote_literal(zone) || ',' END,
        amounts)
    USING asked, others, buckets, step, classes;
    EXECUTE format('ANALYZE %s', target);
END $$;

SELECT pg_temp.fill(('generations.' || table_name)::regclass, '0b000000-0000-4000-8000-00000000000b', 19, 366, '1 day', 200, 'UTC')
FROM verbatim.generation WHERE projection = 'analytics.rollup_day' AND active;
SELECT pg_temp.fill(('generations.' || table_name)::regclass, '0b000000-0000-4000-8000-00000000000b', 0, 366 * 96, '15 minutes', 12, NULL)
FROM verbatim.generation WHERE projection = 'analytics.rollup_15m' AND active;

CREATE ROLE bench_reader LOGIN IN ROLE verbatim_reader;
INSERT INTO verbatim.role_tenants VALUES ('bench_reader', '0b000000-0000-4000-8000-00000000000b');
