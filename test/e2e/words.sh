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

# ---- help says nothing twice ----
for c in $("$BIN" help | sed -n 's/^  \([a-z][a-z]*\)  .*/\1/p'); do
	twice=$("$BIN" "$c" --help | tr -s ' \n' ' ' | grep -oE '([a-z]{2,} [a-z ]*[a-z]{2,})[;:] \1|([a-z]+(, [a-z]+)+ or [a-z]+)[^[]*: \2')
	[ -z "$twice" ] && pass "help of $c says nothing twice" || fail "help of $c says nothing twice" "$twice"
done

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

# ---- an address where somebody is: nothing is made ----
taken=$(sed -n 's/.*is ready: tcp \([0-9.:]*\);.*/\1/p' serve.out)
exits 78 'a second engine on the same port' ./vb serve --data other --listen "$taken"
like "$OUT" "another engine is there; stop it, or choose another port" 'is told so and what to do'
"${PYTHON:-python3}" -c 'import socket, time; s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen(); print(s.getsockname()[1], flush=True); time.sleep(60)' >port &
stranger=$!
until_true 10 test -s port
exits 78 'an engine on a stranger'\''s port' ./vb serve --data other --listen "127.0.0.1:$(cat port)"
like "$OUT" 'another program is there; choose another port' 'is told so'
exits 78 'figures on a stranger'\''s port' ./vb serve --data other --listen 127.0.0.1:0 --http "127.0.0.1:$(cat port)"
like "$OUT" 'another program is there; choose another port, or 0 for a free one, with --http' 'are refused by name'
kill "$stranger"
exits 78 'a port that is none' ./vb serve --data other --listen 127.0.0.1:70000
exits 78 'the same address twice' ./vb serve --data other --listen 127.0.0.1:7999 --listen 127.0.0.1:7999
exits 78 'a socket in a folder that is not there' ./vb serve --data other --listen unix:/nowhere/at/all/s
[ ! -e other ] && pass 'and nothing was made' || fail 'and nothing was made'
kill "$engine"
wait "$engine"

# The file of the engine before says that it is ready, too: it goes first.
rm serve.out
# A live socket is not taken away from who listens on it; a dead one is replaced.
./vb serve --data d --listen "unix:$T/v.sock" >serve.out 2>&1 &
engine=$!
until_true 60 grep -q 'is ready' serve.out || fail 'the first engine is ready' "$(cat serve.out)"
exits 78 'a second engine on the same socket' timeout 60 ./vb serve --data other --listen "unix:$T/v.sock"
like "$OUT" "the engine with process id $engine is there" 'leaves it to the first'
until_true 20 ./vb status --to "unix:$T/v.sock" >status.out 2>&1 && pass 'which still answers' || fail 'which still answers' "$(cat status.out)"
kill "$engine"
wait "$engine"
"${PYTHON:-python3}" -c "import socket; s = socket.socket(socket.AF_UNIX); s.bind('$T/v.sock')"
rm serve.out
./vb serve --data d --listen "unix:$T/v.sock" >serve.out 2>&1 &
engine=$!
until_true 30 grep -q 'is ready' serve.out && pass 'a socket that nobody listens on is replaced' || fail 'a socket that nobody listens on is replaced' "$(cat serve.out)"
kill "$engine"
wait "$engine"
finish
