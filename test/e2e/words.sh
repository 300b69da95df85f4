#!/bin/sh
# words - what commands say when they are called wrongly, and what they print at the end.
. "$(dirname "$0")/common.sh"
D=$T/d

# ---- words that mean nothing are not passed over ----
for c in 'status' 'version' 'migrate status' 'migrate up' 'migrate down'; do
	# shellcheck disable=SC2086
	exits 64 "$c takes no words" "$BIN" $c nonsense
	like "$OUT" 'takes no words' 'and says so'
done
[ ! -e "$D" ] && pass 'nothing was made' || fail 'nothing was made'

# ---- empty names ----
exits 64 'an empty --data' "$BIN" status --data ''
like "$OUT" '--data is empty: say DIR' 'is called empty'
exits 64 'an empty --data= to serve' "$BIN" serve --data=
like "$OUT" '--data is empty' 'is called empty'
exits 64 'a socket without a path' "$BIN" serve --data "$D" --listen unix:
like "$OUT" 'names no socket; say unix:PATH' 'is called that'
exits 64 'an empty address' "$BIN" serve --data "$D" --listen ''
[ ! -e "$D" ] && pass 'nothing was made' || fail 'nothing was made'

# ---- the demonstration that ends by itself ----
cd "$T" || exit 1
ln -s "$BIN" "$T/vb"
exits 0 'demo --once' ./vb demo --once --conversations 30 --listen 127.0.0.1:0 --data d
like "$OUT" 'The engine stops now; start it again' 'says that the engine is gone'
like "$OUT" '^  engine   \./vb serve --data d &$' 'how to have it back, by the name it was called by'
like "$OUT" '^  psql     \./vb psql --data d ' 'how to look at the data meanwhile'
like "$OUT" '^  \./vb status --data d$' 'and what to try then'
[ "$(printf '%s\n' "$OUT" | grep -cE '^  verbatim |\| verbatim ')" = 0 ] && pass 'nothing supposes it on the PATH' || fail 'nothing supposes it on the PATH' "$OUT"

# ---- append ends with all of it ----
./vb serve --data d --listen 127.0.0.1:0 >serve.out 2>&1 &
engine=$!
until_true 30 grep -q 'is ready' serve.out
./vb generate --conversations 3 --seed 5 >few.ndjson
exits 0 'append of a small file' ./vb append --data d few.ndjson
like "$OUT" '^append 100 %' 'ends at 100 %'
[ "$(printf '%s\n' "$OUT" | grep -c '^append *0 ')" = 0 ] && pass 'and never says 0 %' || fail 'and never says 0 %' "$OUT"
OUT=$(./vb append --data d - <few.ndjson 2>&1)
[ "$(printf '%s\n' "$OUT" | grep -c '^append 0 bytes')" = 0 ] && pass 'nor 0 bytes of a pipe' || fail 'nor 0 bytes of a pipe' "$OUT"
exits 0 'status' ./vb status --data d
like "$OUT" 'anomalies since start' 'tells since when it counts'
kill "$engine"
wait "$engine"
finish
