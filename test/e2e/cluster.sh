#!/bin/sh
# cluster - the embedded PostgreSQL: made once, started, stopped, taken over, and what kills do to it.
. "$(dirname "$0")/common.sh"

# ---- the first start ----
exits 65 'looking makes nothing' "$BIN" psql --data "$T/a" -- -c 'SELECT 1'
like "$OUT" 'verbatim init --data' 'and says what does'
is "$(ls "$T")" '' 'no folder is left'
exits 0 'init makes a log' "$BIN" init --data "$T/a" --shards 3
like "$OUT" '^log [0-9a-f-]{36} is made in .*: epoch 1, 3 shards$' 'and says which'
is "$(postmaster "$T/a")" '' 'the server is stopped behind a command'
first=$OUT
exits 0 'init again' "$BIN" init --data "$T/a"
is "${OUT#log }" "$(printf '%s' "${first#log }" | sed 's/is made in/stands in/')" 'changes nothing'
exits 65 'another number of shards is refused' "$BIN" init --data "$T/a" --shards 4
like "$OUT" 'has 3 shards, not 4' 'by name'

is "$(sql "$T/a" -c 'SHOW listen_addresses')" '' 'no TCP'
is "$(sql "$T/a" -c 'SHOW fsync')$(sql "$T/a" -c 'SHOW full_page_writes')$(sql "$T/a" -c 'SHOW synchronous_commit')" 'ononon' 'durable'
is "$(sql "$T/a" -c 'SHOW data_checksums')" 'on' 'with checksums'
is "$(sql "$T/a" -c 'SHOW server_encoding')" 'UTF8' 'in UTF-8'
sql "$T/a" -c "DO \$\$ BEGIN RAISE WARNING 'w'; END \$\$; CREATE TABLE t (a text CHECK (a <> 'the secret'))" >/dev/null 2>&1
sql "$T/a" -c "INSERT INTO t VALUES ('the secret')" >/dev/null 2>&1
sql "$T/a" -c "SELECT 'the secret' / 1" >/dev/null 2>&1
is "$(grep -c 'new row for relation' "$T/a/pg.log")" '1' 'errors are logged'
is "$(sed 's/for type integer.*//;s/invalid input syntax.*//' "$T/a/pg.log" | grep -c 'the secret')" '0' 'without statement and row'
sql "$T/a" -c 'DROP TABLE t'
PGHOST=nowhere PGPORT=1 PGDATABASE=x PGUSER=y PGHOSTADDR=10.0.0.1 PGOPTIONS='-c fsync=off' exits 0 'PG* variables do not bend it' \
	"$BIN" migrate status --data "$T/a"
exits 3 "psql's exit status is the command's" sql "$T/a" -f /dev/stdin <<-'END'
	SELECT 1/0;
END

# ---- one engine a folder ----
serve "$T/a"
like "$(cat "$T/serve.out")" "^verbatim .* is ready: tcp 127\.0\.0\.1:[0-9]+; psql: verbatim psql --data $T/a\$" 'one line says where'
like "$(cat "$T/a/engine.json")" '"addresses": \["tcp 127\.0\.0\.1:[1-9][0-9]*"\]' 'engine.json has the real port'
is "$(stat -c %a "$(cat "$T/a/pg.socket")")" '700' 'the folder of the socket is private'
exits 75 'a second engine is refused' "$BIN" serve --data "$T/a" --listen 127.0.0.1:0
like "$OUT" "pid $ENGINE" 'naming the first'
server=$(postmaster "$T/a")
is "$(sql "$T/a" -c 'SELECT 1')" '1' 'psql beside the engine'
is "$(postmaster "$T/a")" "$server" 'leaves the server alone'
stop
is "$?" '0' 'SIGTERM ends the engine with status 0'
is "$(postmaster "$T/a")" '' 'and its server'
is "$([ -e "$T/a/engine.json" ] && echo there)" '' 'and takes engine.json away'
is "$([ -e "$(cat "$T/a/pg.socket")" ] && echo there)" '' 'and the folder of the socket'

# ---- psql outlives the engine ----
serve "$T/a"
sql "$T/a" -c 'SELECT pg_sleep(3); SELECT 7' >"$T/sleep.out" 2>&1 &
sleeper=$!
until_true 10 sh -c "'$BIN' psql --data '$T/a' -- -XAtc \"SELECT 1 FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'\" | grep -q 1"
stop
like "$(postmaster "$T/a")" '^[0-9]+$' 'the server stays while psql uses it'
wait "$sleeper"
is "$(tail -n 1 "$T/sleep.out")" '7' 'psql comes to its end'
is "$(postmaster "$T/a")" '' 'and stops the server as the last user'

# ---- the engine killed ----
serve "$T/a"
server=$(postmaster "$T/a")
kill -KILL "$ENGINE"
wait "$ENGINE" 2>/dev/null
is "$(postmaster "$T/a")" "$server" 'a killed engine leaves the server behind'
exits 69 'status knows' "$BIN" status --data "$T/a"
like "$OUT" 'verbatim serve --data' 'and says what to do'
serve "$T/a"
is "$(postmaster "$T/a")" "$server" 'the next engine takes the same server over'

# ---- the server killed under the engine ----
kill -KILL "$server"
until_true 60 sh -c "p=\$(head -n 1 '$T/a/pg/postmaster.pid') && [ \"\$p\" != '$server' ] && '$BIN' status --data '$T/a'" &&
	pass 'a killed server is started again' || fail 'a killed server is started again' "$(tail -n 5 "$T/serve.err")"
stop
is "$?" '0' 'and the engine ends in order'

# ---- both killed ----
serve "$T/a"
server=$(postmaster "$T/a")
kill -KILL "$ENGINE" "$server"
wait "$ENGINE" 2>/dev/null
is "$(sql "$T/a" -c 'SELECT 1')" '1' 'recovered after both were killed'

# ---- a pid of old in postmaster.pid ----
is "$(sql "$T/a" -c 'SELECT 1'; postmaster "$T/a")" '1' 'stopped'
sleep 60 &
stranger=$!
printf '%s\n%s\n1\n5432\n%s\n\n  5432001    999999\nready   \n' "$stranger" "$T/a/pg" "$(cat "$T/a/pg.socket")" >"$T/a/pg/postmaster.pid"
[ "$(id -u)" -eq 0 ] && chown postgres "$T/a/pg/postmaster.pid"
is "$(sql "$T/a" -c 'SELECT 2')" '2' 'a pid that belongs to a stranger by now is no server'
kill -0 "$stranger" && pass 'and the stranger lives'
kill "$stranger"

# ---- the socket's folder cleaned away ----
serve "$T/a"
kill -KILL "$ENGINE"
wait "$ENGINE" 2>/dev/null
rm -rf "$(cat "$T/a/pg.socket")"
is "$(sql "$T/a" -c 'SELECT 3')" '3' 'a socket that was cleaned away comes back'
rm -rf "$(cat "$T/a/pg.socket")"
mkdir -m 755 "$(cat "$T/a/pg.socket")"
old=$(cat "$T/a/pg.socket")
is "$(sql "$T/a" -c 'SELECT 4')" '4' "a folder of that name which is not private"
[ "$(cat "$T/a/pg.socket")" != "$old" ] && pass 'is not used'
rmdir "$old"

# ---- killed in the middle of the first start ----
for ms in 02 05 1 2 4 6 8; do
	"$BIN" init --data "$T/b" >/dev/null 2>&1 &
	victim=$!
	sleep "0.$ms"
	kill -KILL "$victim" 2>/dev/null
	wait "$victim" 2>/dev/null
done
exits 0 'after first starts that were killed, one goes through' "$BIN" init --data "$T/b"
is "$(ls -d "$T"/b/pg.tmp-* 2>/dev/null)" '' 'and nothing half-made is left'
is "$(sql "$T/b" -c 'SELECT count(*) FROM verbatim.log_identity')" '1' 'with one log'

# ---- two first starts at once ----
"$BIN" init --data "$T/c" >"$T/c1" 2>&1 &
one=$!
"$BIN" init --data "$T/c" >"$T/c2" 2>&1
two=$?
wait "$one"
is "$?$two" '00' 'two first starts at once'
is "$(cut -d ' ' -f 2 "$T/c1")" "$(cut -d ' ' -f 2 "$T/c2")" 'make one log'

# ---- root and other users ----
if [ "$(id -u)" -eq 0 ]; then
	is "$(stat -c %U "$T/a/pg")" 'postgres' 'as root the cluster is of user postgres'
	mkdir -m 700 "$T/closed"
	exits 0 'a folder that postgres cannot enter' "$BIN" init --data "$T/closed/d"
	like "$OUT" "user 'postgres' cannot enter '$T/closed'" 'is told'
	elsewhere=$(cat "$T/closed/d/pg.path")
	like "$elsewhere" '^/var/lib/verbatim/d-' 'with the folder that is used instead'
	is "$(sql "$T/closed/d" -c 'SELECT 1')" '1' 'and found again'
	rm -rf "$elsewhere"
	exits 78 'when that is gone' "$BIN" init --data "$T/closed/d"
	like "$OUT" 'is not there' 'no empty log takes its place'
	rmdir /var/lib/verbatim 2>/dev/null
	if id nobody >/dev/null 2>&1 && su nobody -s /bin/sh -c "[ -x '$BIN' ]"; then
		mkdir "$T/nobody"
		chown nobody "$T/nobody"
		exits 0 'as another user' su nobody -s /bin/sh -c "'$BIN' init --data '$T/nobody/d'"
		is "$(stat -c %U "$T/nobody/d/pg")" 'nobody' 'the cluster is of that user'
		is "$(sql "$T/nobody/d" -c 'SELECT 1')" '1' 'root may use it'
		is "$(find "$T/nobody" ! -user nobody ! -name 'pg.log*')" '' 'and leaves it as it was'
		exits 77 'the other way round it is refused' su nobody -s /bin/sh -c "'$BIN' init --data '$T/a'"
	fi
fi

# ---- what is said when something is missing ----
mkdir -p "$T/odd/pg"
[ "$(id -u)" -eq 0 ] && chown postgres "$T/odd/pg"
exits 78 'a folder pg that is no cluster is not touched' "$BIN" init --data "$T/odd"
exits 64 '--data and --db' "$BIN" init --data "$T/a" --db dbname=x
exits 78 'a port for everybody without TLS' "$BIN" serve --data "$T/a" --listen 0.0.0.0:0
exits 69 'a database that is not there' "$BIN" init --db "host=$T dbname=x"
finish
