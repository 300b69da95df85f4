#!/bin/sh
# layers - which folder may include what (README, "Layout"); a TAP test.
set -u
cd "$(dirname "$0")/.." || exit 1
n=0
fail=0

# check NAME FOLDER PATTERN...: no file of FOLDER includes what matches PATTERN
check() {
	name=$1 folder=$2 pattern=$3
	n=$((n + 1))
	hits=$(grep -rnE "^#include [<\"]($pattern)" "$folder" --include='*.c' --include='*.h' --include='*.def' 2>/dev/null)
	if [ -z "$hits" ]; then
		echo "ok $n - $name"
	else
		echo "not ok $n - $name"
		echo "$hits" | sed 's/^/# /'
		fail=1
	fi
}

loop='uv\.h'
db='libpq-fe\.h'
io='sys/socket\.h|netinet/|poll\.h|sys/epoll\.h|fcntl\.h'
check 'core/base knows nothing above it' core/base "event/|rules/|fold/|engine/|cmd/|client/|store/|projections/|msgpack|$loop|$db"
check 'core/event uses base, msgpack-c and libcrypto only' core/event "rules/|fold/|engine/|cmd/|client/|store/|projections/|$loop|$db|$io"
check 'core/offline uses base and event only' core/offline "rules/|fold/|engine/|cmd/|client/|store/|projections/|$loop|$db"
check 'core/rules uses base and event only' core/rules "fold/|engine/|cmd/|client/|store/|projections/|$loop|$db|$io"
check 'core/fold uses base, event and rules only' core/fold "engine/|cmd/|client/|store/|$loop|$db|$io"
check 'projections are pure: base, event, rules, fold' projections "engine/|cmd/|client/|store/|$loop|$db|$io|time\.h|sys/|unistd|stdio"
check 'core/engine does not know libpq' core/engine "$db|cmd/"
check 'core/cmd does not know libpq' core/cmd "$db"
check 'core/client is a plain client' core/client "engine/|cmd/|store/|projections/|$loop|$db"
check 'store uses base, event, fold, libpq, libuv' store "engine/|cmd/|client/|projections/"

n=$((n + 1))
only=$(grep -rlE '^#include <libpq-fe\.h>' core projections 2>/dev/null)
if [ -z "$only" ]; then echo "ok $n - libpq is named below store/ alone"; else echo "not ok $n - libpq is named below store/ alone"; fail=1; fi

n=$((n + 1))
extra=$(git ls-files 2>/dev/null | grep -vE '^(Makefile|README\.md|LICENSE|\.[^/]+(/.*)?|(core|store|projections|schema|bench|test)/.*)$')
if [ -z "$extra" ]; then
	echo "ok $n - nothing else stands at the top level"
else
	echo "not ok $n - nothing else stands at the top level"
	echo "$extra" | sed 's/^/# /'
	fail=1
fi
echo "1..$n"
exit $fail
