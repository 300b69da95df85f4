# common - what the end-to-end scripts share: TAP, a private folder, the binary.  Sourced, not run.
set -u
cd "$(dirname "$0")/../.." || exit 1
BIN=$(realpath "${VERBATIM_BIN:-build/verbatim}")
[ -x "$BIN" ] || { echo "1..0 # SKIP no binary at $BIN; run make"; exit 0; }
for v in $(env | sed -n 's/^\(VERBATIM_[A-Z_]*\|PG[A-Z]*\)=.*/\1/p'); do unset "$v"; done

T=$(mktemp -d "${TMPDIR:-/tmp}/verbatim-test-XXXXXX") || exit 1
chmod 755 "$T"
tap_n=0
tap_bad=0

pass() {
	tap_n=$((tap_n + 1))
	echo "ok $tap_n - $1"
}

fail() {
	tap_n=$((tap_n + 1))
	tap_bad=$((tap_bad + 1))
	echo "not ok $tap_n - $1"
	[ $# -lt 2 ] || printf '%s\n' "$2" | sed 's/^/# /'
}

# is GOT WANT NAME
is() {
	if [ "$1" = "$2" ]; then pass "$3"; else fail "$3" "got '$1', want '$2'"; fi
}

# like TEXT PATTERN NAME: PATTERN as of grep -E
like() {
	if printf '%s\n' "$1" | grep -qE -- "$2"; then pass "$3"; else fail "$3" "'$1' is not like '$2'"; fi
}

# exits STATUS NAME COMMAND...: its output is in $OUT, both streams
exits() {
	want=$1 name=$2
	shift 2
	OUT=$("$@" 2>&1)
	got=$?
	if [ "$got" = "$want" ]; then pass "$name"; else fail "$name" "exit status $got, want $want: $OUT"; fi
}

# until_true SECONDS COMMAND...
until_true() {
	tries=$(($1 * 20))
	shift
	while ! "$@" >/dev/null 2>&1; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || return 1
		sleep 0.05
	done
}

# The pid of the postmaster below a data folder; nothing when none lives.
postmaster() {
	pid=$(head -n 1 "$1/pg/postmaster.pid" 2>/dev/null) && kill -0 "$pid" 2>/dev/null && echo "$pid"
}

# serve DATA [OPTION]...: starts an engine and waits until it is ready; its pid is in $ENGINE
serve() {
	data=$1
	shift
	rm -f "$T/serve.out"
	"$BIN" serve --data "$data" --listen 127.0.0.1:0 "$@" >"$T/serve.out" 2>"$T/serve.err" &
	ENGINE=$!
	until_true 60 test -s "$T/serve.out" || { fail "the engine starts" "$(cat "$T/serve.err")"; return 1; }
}

stop() {
	kill -TERM "$ENGINE" 2>/dev/null
	wait "$ENGINE"
}

sql() {
	data=$1
	shift
	"$BIN" psql --data "$data" -- -X -Atq -v ON_ERROR_STOP=1 "$@"
}

# Ends what still runs below the private folder, by the pids written there, and takes it away.
clean_up() {
	for f in "$T"/*/pg/postmaster.pid "$T"/*/*/pg/postmaster.pid; do
		[ -f "$f" ] || continue
		pid=$(head -n 1 "$f")
		[ "$(readlink "/proc/$pid/cwd" 2>/dev/null)" = "$(dirname "$f")" ] && kill -QUIT "$pid"
	done
	for f in "$T"/*/pg.socket "$T"/*/*/pg.socket; do
		[ -f "$f" ] && rm -rf "$(cat "$f")"
	done
	rm -rf "$T"
}
trap clean_up EXIT

finish() {
	echo "1..$tap_n"
	[ $tap_bad -eq 0 ]
	exit
}
