#!/bin/sh
# append, generate and status on a real engine with a private PostgreSQL: what goes in, what is refused, what is told.
#
#   BUILD=build sh test/e2e/append.sh      (TAP; needs initdb, python3 for JSON)

BUILD=${BUILD:-build}
for v in $(env | sed -n 's/^\(VERBATIM_[A-Z_]*\|PG[A-Z]*\)=.*/\1/p'); do unset "$v"; done
V=$BUILD/verbatim
PYTHON=${PYTHON:-/usr/bin/python3}
DIR=$(mktemp -d /tmp/verbatim-append-XXXXXX) || exit 1
chmod 755 "$DIR"
ENGINE=
n=0
failed=0

stop_engine() {
	[ -n "$ENGINE" ] || return 0
	kill -TERM "$ENGINE" 2>/dev/null
	wait "$ENGINE" 2>/dev/null
	ENGINE=
}

finish() {
	stop_engine
	rm -rf "$DIR"
}
trap finish EXIT
trap 'exit 1' INT TERM

# ok STATUS NAME
ok() {
	n=$((n + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $n - $2"
	else
		echo "not ok $n - $2"
		failed=1
	fi
}

is() {
	[ "$1" = "$2" ]
	ok $? "$3"
	[ "$1" = "$2" ] || printf '# got  %s\n# want %s\n' "$1" "$2"
}

# A field of the last line of a file of NDJSON.
field() {
	tail -n 1 "$1" | "$PYTHON" -c 'import json, sys; print(json.load(sys.stdin)["'"$2"'"])'
}

start_engine() {
	"$V" serve --data "$DIR/data" --listen "$1" --log warn >"$DIR/serve.out" 2>>"$DIR/serve.err" &
	ENGINE=$!
	for _ in $(seq 300); do
		"$V" status --data "$DIR/data" >/dev/null 2>&1 && return 0
		kill -0 "$ENGINE" 2>/dev/null || break
		sleep 0.2
	done
	sed 's/^/# /' "$DIR/serve.err"
	return 1
}

sql() {
	"$V" psql --data "$DIR/data" -- -AtXqc "$1"
}

# ---- without an engine ----

# What time decided meanwhile is the engine's own.
SENT="NOT (event_type IN ('sla.warning', 'sla.breached') OR event_type = 'sla_policy.reapply' AND causation_id IS NOT NULL)"

"$V" append --data "$DIR/nothing" "$DIR/no-such-file" 2>"$DIR/err"
is $? 66 "a file that is not there is exit status 66"
echo '{}' >"$DIR/one"
"$V" append --data "$DIR/nothing" "$DIR/one" 2>"$DIR/err"
is $? 69 "no engine is exit status 69"
grep -q 'verbatim serve' "$DIR/err"
ok $? "and the message says how to start one"
"$V" append --to nonsense "$DIR/one" 2>"$DIR/err"
is $? 78 "an address that is none is exit status 78"
"$V" status --data "$DIR/nothing" --json >"$DIR/out" 2>/dev/null
is $? 69 "status without an engine is exit status 69"
is "$(field "$DIR/out" ready)" False "and says so in JSON"
END=$(date -u +%Y-%m-%dT%H:%M:00Z)
"$V" generate --seed 5 --end "$END" --conversations 300 --tenants 5 --quiet >"$DIR/a" &&
	"$V" generate --seed 5 --end "$END" --conversations 300 --tenants 5 --quiet >"$DIR/b"
cmp -s "$DIR/a" "$DIR/b"
ok $? "generate is deterministic"
LINES=$(wc -l <"$DIR/a")
IDS=$(cut -c1-52 "$DIR/a" | sort -u | wc -l)
TALKS=$(grep '"event_type":"conversation.created"' "$DIR/a" | cut -c1-52 | sort -u | wc -l)
ok "$([ "$IDS" -lt "$LINES" ] && [ "$LINES" -gt 3000 ]; echo $?)" "$LINES events, $IDS different"

# ---- with one ----

start_engine 127.0.0.1:0 || { echo "Bail out! the engine does not start"; exit 1; }
"$V" append --data "$DIR/data" --wait --json --quiet "$DIR/a" >"$DIR/out" 2>"$DIR/err"
is $? 0 "all is in"
is "$(field "$DIR/out" stored)" "$IDS" "each event is stored once"
is "$(field "$DIR/out" duplicates)" "$((LINES - IDS))" "what came twice is recognised"
is "$(sql "SELECT count(*) FROM verbatim.event_log WHERE shard > 0 AND $SENT")" "$IDS" "the log says the same"
is "$(sql 'SELECT count(*) FROM core.conversations')" "$TALKS" "after --wait the read models show every conversation"

gzip -c "$DIR/a" >"$DIR/a.gz"
"$V" append --data "$DIR/data" --json --quiet "$DIR/a.gz" >"$DIR/out" 2>"$DIR/err"
is "$? $(field "$DIR/out" stored) $(field "$DIR/out" duplicates)" "0 0 $LINES" "the same again, packed: all duplicates"
is "$(sql "SELECT count(*) FROM verbatim.event_log WHERE shard > 0 AND $SENT")" "$IDS" "and nothing is doubled"

# Each tenant's events stand in the order of the file.
"$PYTHON" - "$DIR/a" >"$DIR/want" <<'PY'
import json, sys
seen, order = set(), {}
for line in open(sys.argv[1]):
    e = json.loads(line)
    if e["event_id"] not in seen:
        seen.add(e["event_id"])
        order.setdefault(e["tenant_id"], []).append(e["event_id"])
for tenant in sorted(order):
    for i in order[tenant]:
        print(tenant + "|" + i)
PY
sql "SELECT tenant_id, event_id FROM verbatim.event_log WHERE shard > 0 AND $SENT ORDER BY tenant_id::text, position" >"$DIR/got"
cmp -s "$DIR/want" "$DIR/got"
ok $? "each tenant's order is the file's"

# ---- refusals ----

"$V" generate --seed 6 --conversations 5 --tenants 1 --duplicates 0 --late 0 --quiet >"$DIR/good"
GOOD=$(wc -l <"$DIR/good")
{
	head -n 10 "$DIR/good"
	echo 'this is no JSON'
	sed -n 11p "$DIR/good" | sed 's/"event_type":"[a-z_.]*"/"event_type":"message.eaten"/'
	sed -n 12p "$DIR/good" | sed 's/"payload":{/"payload":{"colour":"green",/'
	echo
	tail -n +13 "$DIR/good"
} >"$DIR/mixed"
"$V" append --data "$DIR/data" --quiet "$DIR/mixed" >"$DIR/out" 2>"$DIR/err"
is $? 65 "refused events are exit status 65"
grep -q "mixed:11: " "$DIR/err"
ok $? "the line that is no JSON is named"
grep -q "mixed:12: .*event_type" "$DIR/err"
ok $? "the unknown type is named with line and field"
grep -q "mixed:13: .*payload.colour" "$DIR/err"
ok $? "the unknown field is named with line and path"
grep -q "^$((GOOD - 2)) stored, 0 duplicate, 3 refused" "$DIR/out"
ok $? "the others are stored"

head -n 1 "$DIR/good" | sed 's/"occurred_at":"20\([0-9]*\)-/"occurred_at":"19\1-/' >"$DIR/conflict"
tail -n +2 "$DIR/good" >>"$DIR/conflict"
"$V" append --data "$DIR/data" --json --quiet "$DIR/conflict" >"$DIR/out" 2>"$DIR/err"
is $? 65 "an event_id with other content is refused"
grep -q '"line":1,.*"code":"conflict"' "$DIR/out"
ok $? "as a conflict, with its line"

# ---- standard input, signals, an engine that goes away ----

"$V" generate --seed 7 --conversations 40 --tenants 2 --duplicates 0 --quiet | "$V" append - --data "$DIR/data" --json --quiet >"$DIR/out" 2>"$DIR/err"
is "$? $(field "$DIR/out" complete)" "0 True" "a pipe goes in"

mkfifo "$DIR/fifo"
"$V" generate --seed 11 --conversations 5 --tenants 1 --duplicates 0 --quiet >"$DIR/piped"
cat "$DIR/piped" >"$DIR/fifo" &
timeout 60 "$V" append "$DIR/fifo" --data "$DIR/data" --json --quiet >"$DIR/out" 2>"$DIR/err"
is "$? $(field "$DIR/out" stored)" "0 $(wc -l <"$DIR/piped")" "what one writer puts into a named pipe goes in, to its end"
"$V" append "$DIR/fifo" --data "$DIR/data" --json --quiet >"$DIR/out" 2>"$DIR/err" &
APPEND=$!
exec 3>"$DIR/fifo"
"$V" generate --seed 8 --conversations 5 --tenants 1 --duplicates 0 --quiet >"$DIR/slow"
cat "$DIR/slow" >&3
TENANT=$(head -n 1 "$DIR/slow" | sed 's/.*"tenant_id":"\([^"]*\)".*/\1/')
for _ in $(seq 50); do
	[ "$(sql "SELECT count(*) FROM verbatim.event_log WHERE tenant_id = '$TENANT' AND $SENT")" = "$(wc -l <"$DIR/slow")" ] && break
	sleep 0.1
done
is "$(sql "SELECT count(*) FROM verbatim.event_log WHERE tenant_id = '$TENANT' AND $SENT")" "$(wc -l <"$DIR/slow")" "what a writer has written goes in while it pauses"
kill -INT "$APPEND"
wait "$APPEND"
is $? 75 "^C is exit status 75"
exec 3>&-
is "$(field "$DIR/out" complete)" False "with a summary"

export VERBATIM_API_KEY_FILE="$DIR/data/local.key"
ADDRESS=$(sed -n 's/.*tcp \([0-9.:]*\).*/\1/p' "$DIR/serve.out" | head -n 1)
"$V" generate --seed 9 --conversations 1500 --tenants 6 --duplicates 0 --quiet >"$DIR/long"
"$V" append "$DIR/long" --to "$ADDRESS" --give-up 60s --json --quiet --wait >"$DIR/out" 2>"$DIR/err" &
APPEND=$!
sleep 0.7
kill -KILL "$ENGINE"
wait "$ENGINE" 2>/dev/null
start_engine "$ADDRESS"
wait "$APPEND"
is $? 0 "the engine is killed and started again: append goes on and all is in"
TENANTS=$(sed 's/.*"tenant_id":"\([^"]*\)".*/\1/' "$DIR/long" | sort -u | sed "s/.*/'&'/" | paste -sd,)
is "$(sql "SELECT count(*) FROM verbatim.event_log WHERE tenant_id IN ($TENANTS) AND $SENT")" "$(wc -l <"$DIR/long")" "once each"

"$V" status --data "$DIR/data" >"$DIR/out"
is $? 0 "status is 0 when ready"
"$V" status --data "$DIR/data" --json >"$DIR/out"
is "$(field "$DIR/out" ready)" True "and says so in JSON"

stop_engine
"$V" append "$DIR/good" --to "$ADDRESS" --give-up 500ms --quiet 2>"$DIR/err" >/dev/null
is $? 69 "an engine that does not come back is exit status 69"

echo "1..$n"
exit $failed
