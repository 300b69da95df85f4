#!/bin/sh
# migrate - up, down and up again; what is refused, and why; a server named with --db.
. "$(dirname "$0")/common.sh"
D=$T/d

exits 0 'init' "$BIN" init --data "$D"
log_id=$(sql "$D" -c 'SELECT log_id FROM verbatim.log_identity')
all=$(sql "$D" -c 'SELECT count(*) FROM verbatim.schema_migrations')
shape() { # every relation, column, function, trigger and right of the log, as sorted text
	sql "$D" <<-'END' | sort
		SELECT c.oid::regclass, relkind, relacl, pg_get_userbyid(relowner) FROM pg_class c
			WHERE relnamespace = 'verbatim'::regnamespace AND relname !~ '^event_log_y';
		SELECT attrelid::regclass, attname, atttypid::regtype, attnotnull FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
			WHERE attnum > 0 AND relnamespace = 'verbatim'::regnamespace AND relname !~ '^event_log_y';
		SELECT oid::regprocedure, md5(prosrc), proacl, prosecdef FROM pg_proc WHERE pronamespace = 'verbatim'::regnamespace;
		SELECT tgrelid::regclass, tgname, tgenabled FROM pg_trigger WHERE NOT tgisinternal AND tgrelid::regclass::text !~ 'event_log_y';
		SELECT polrelid::regclass, polname, polcmd FROM pg_policy WHERE polrelid::regclass::text !~ 'event_log_y';
		SELECT c.oid::regclass, relkind, pg_get_userbyid(relowner) FROM pg_class c
			WHERE relnamespace::regnamespace::text IN ('core', 'ai', 'analytics', 'audit', 'integration', 'cache', 'generations');
	END
}
exits 0 'status is 0 when all is applied' "$BIN" migrate status --data "$D"
exits 0 'as JSON too' "$BIN" migrate status --data "$D" --json
like "$OUT" "\"log_id\": \"$log_id\"" 'which names the log'
exits 0 'up has nothing to do' "$BIN" migrate up --data "$D"
like "$OUT" '^nothing to do' 'and says so'
shape >"$T/before"

# ---- down and up again, one by one and all at once ----
exits 0 'down by one' "$BIN" migrate down --data "$D"
is "$(printf '%s\n' "$OUT" | wc -l)" '1' 'takes one back'
exits 70 'status shows it as pending' "$BIN" migrate status --data "$D"
exits 0 'up again' "$BIN" migrate up --data "$D"
exits 0 'down to nothing' "$BIN" migrate down --to 0 --data "$D"
is "$(printf '%s\n' "$OUT" | grep -c '^down')" "$all" 'takes all back'
is "$(sql "$D" -c "SELECT string_agg(relname, ' ') FROM pg_class WHERE relnamespace = 'verbatim'::regnamespace AND relkind IN ('r', 'p', 'v')")" \
	'schema_migrations' 'and leaves the bookkeeping only'
is "$(sql "$D" -c "SELECT count(*) FROM pg_namespace WHERE nspname IN ('core', 'ai', 'analytics', 'audit', 'integration', 'cache', 'generations')")" \
	'0' 'no schema of the read models'
exits 0 'and up again' "$BIN" migrate up --data "$D"
exits 0 'with a log' "$BIN" init --data "$D"
shape >"$T/after"
is "$(diff "$T/before" "$T/after")" '' 'the same schema as before'
[ -s "$T/before" ] || fail 'there is a schema to compare'
[ "$(sql "$D" -c 'SELECT log_id FROM verbatim.log_identity')" != "$log_id" ] && pass 'but another log' || fail 'but another log'
exits 64 'an unknown version' "$BIN" migrate down --to 19990101_000000 --data "$D"

# ---- a log that holds events ----
log_id=$(sql "$D" -c 'SELECT log_id FROM verbatim.log_identity')
oldest=$(sql "$D" -c 'SELECT min(version) FROM verbatim.schema_migrations')
sql "$D" -c "INSERT INTO verbatim.event_log (position, recorded_at, occurred_at, event_version, shard, silent, event_id, tenant_id,
	entity_id, event_type, entity_type, actor_type, leaf_hash, payload)
	SELECT 1, now(), now(), 1, 1, false, gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'x.y', 'x', 'system', '\x00', '{}'"
exits 0 'what stands behind the log may go' "$BIN" migrate down --to "$oldest" --data "$D"
exits 64 'the log may not' "$BIN" migrate down --data "$D"
like "$OUT" "--destroy-log $log_id" 'and the refusal says what it takes'
exits 64 'another log_id does not do' "$BIN" migrate down --data "$D" --destroy-log 00000000-0000-0000-0000-000000000000
is "$(sql "$D" -c 'SELECT count(*) FROM verbatim.event_log')" '1' 'the event is there'
exits 0 'its own does' "$BIN" migrate down --data "$D" --destroy-log "$log_id"
exits 0 'and all can begin anew' "$BIN" init --data "$D"

# ---- what was changed behind our back ----
sql "$D" -c "UPDATE verbatim.schema_migrations SET checksum = sha256('x') WHERE version = '$oldest'"
exits 70 'a changed migration is refused' "$BIN" migrate up --data "$D"
like "$OUT" "$oldest" 'by name'
exits 70 'by the engine as well' "$BIN" serve --data "$D" --listen 127.0.0.1:0
exits 70 'and by down' "$BIN" migrate down --data "$D"
exits 0 'init anew' "$BIN" init --data "$T/e"
sql "$T/e" -c "INSERT INTO verbatim.schema_migrations VALUES ('29990101_000000', 'future', sha256('x'))"
exits 70 'a migration that this binary does not know' "$BIN" migrate up --data "$T/e"
like "$OUT" 'newer verbatim' 'is a newer one'"'"'s'
sql "$T/e" -c "DELETE FROM verbatim.schema_migrations WHERE version = '29990101_000000'"

# ---- an adopted log ----
exits 64 'adopting needs who and why' "$BIN" init --adopt --data "$T/e"
exits 64 'and a range that is one' "$BIN" init --adopt --who Ada --why restored --lost 2:9-5 --data "$T/e"
exits 0 'adopt' "$BIN" init --adopt --who Ada --why "restored; it's Tuesday's" --lost 1:5-9 --lost 2:7-7 --data "$T/e"
like "$OUT" 'epoch 2$' 'counts the epoch up'
is "$(sql "$T/e" -c "SELECT who || '|' || why || '|' || lost FROM verbatim.log_epoch WHERE epoch = 2")" \
	"Ada|restored; it's Tuesday's|[{\"last\": 9, \"first\": 5, \"shard\": 1}, {\"last\": 7, \"first\": 7, \"shard\": 2}]" 'and is written down'

# ---- under an engine ----
serve "$T/e"
exits 75 'no down under an engine' "$BIN" migrate down --data "$T/e"
exits 0 'status is fine' "$BIN" migrate status --data "$T/e"

# ---- a server that is named: the engine's own, as if it were a stranger's ----
S=$(cat "$T/e/pg.socket")
sql "$T/e" -c 'CREATE DATABASE other' -c "CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0" \
	-c 'CREATE ROLE plain LOGIN' -c 'CREATE ROLE migrator LOGIN'
exits 78 'an encoding that cannot hold every text' "$BIN" init --db "host=$S dbname=latin user=postgres"
like "$OUT" 'LATIN1.*UTF8' 'is named, with the remedy'
exits 77 'a user who may not migrate' "$BIN" migrate up --db "host=$S dbname=other user=plain"
exits 70 'nor serve before it is done' "$BIN" serve --db "host=$S dbname=other user=plain" --listen 127.0.0.1:0
like "$OUT" 'verbatim migrate up' 'and is told what to run'
exits 77 'an unknown user' "$BIN" migrate status --db "host=$S dbname=other user=stranger"
exits 65 'an unknown database' "$BIN" migrate status --db "host=$S dbname=nothing user=postgres"
exits 78 'no connection string' "$BIN" migrate status --db 'hots=x'

sql "$T/e" -c 'GRANT verbatim_owner TO migrator' -c 'GRANT CREATE ON DATABASE other TO verbatim_owner'
"$BIN" init --db "host=$S dbname=other user=migrator" >"$T/o1" 2>&1 &
one=$!
"$BIN" init --db "postgresql://migrator@/other?host=$S" >"$T/o2" 2>&1
two=$?
wait "$one"
is "$?$two" '00' "a member of verbatim_owner migrates, twice at once ($(cat "$T/o1" "$T/o2" | grep -v '^log'))"
is "$(cut -d ' ' -f 2 "$T/o1")" "$(cut -d ' ' -f 2 "$T/o2")" 'and makes one log'
is "$(PGHOST=$S PGUSER=postgres PGDATABASE=other VERBATIM_DB='application_name=x' "$BIN" psql -- -XAtc "SELECT count(DISTINCT version) = count(*) AND count(*) = $all FROM verbatim.schema_migrations")" \
	't' 'each migration once; PG* variables fill in what --db leaves out'
is "$("$BIN" psql --db "host=$S dbname=other user=postgres" -- -XAtc "SELECT string_agg(DISTINCT pg_get_userbyid(relowner), ' ') FROM pg_class
	WHERE relnamespace IN ('verbatim'::regnamespace, 'generations'::regnamespace)")" 'verbatim_owner' 'everything belongs to verbatim_owner'
sql "$T/e" -c 'GRANT verbatim_engine TO plain'
"$BIN" serve --db "host=$S dbname=other user=plain" --listen 127.0.0.1:0 >"$T/plain.out" 2>"$T/plain.err" &
plain=$!
until_true 30 test -s "$T/plain.out" && pass "an engine that may not migrate runs behind one who did" ||
	fail "an engine that may not migrate runs behind one who did" "$(cat "$T/plain.err")"
(umask 077; "$BIN" key create --db "host=$S dbname=other user=postgres" --name watch --scope admin >"$T/watch.key" 2>/dev/null)
until_true 30 "$BIN" status --db "host=$S dbname=other user=postgres" --api-key-file "$T/watch.key"
exits 0 'and is found by its database' "$BIN" status --db "host=$S dbname=other user=postgres" --api-key-file "$T/watch.key"
exits 77 'but since it may not make a key either, commands bring one' "$BIN" status --db "host=$S dbname=other user=postgres"
exits 75 'no down under it, from wherever' "$BIN" migrate down --db "host=$S dbname=other user=postgres"
kill -TERM "$plain" 2>/dev/null
wait "$plain"
is "$?" '0' 'it stops in order'

sql "$T/e" -c 'ALTER SYSTEM SET fsync = off' -c 'SELECT pg_reload_conf()' >/dev/null
sleep 0.3
exits 78 'a server without fsync' "$BIN" migrate status --db "host=$S dbname=other user=postgres"
like "$OUT" 'ALTER SYSTEM SET fsync = on' 'with the remedy'
sql "$T/e" -c 'ALTER SYSTEM RESET fsync' -c 'SELECT pg_reload_conf()' >/dev/null
stop
finish
