#!/bin/sh
# headers - each header compiles alone; a TAP test.
set -u
cd "$(dirname "$0")/.." || exit 1
flags="-std=c11 -D_GNU_SOURCE -I. -Icore $(pkg-config --cflags libpq libuv msgpack libxxhash libssl libcrypto)"
n=0
fail=0
for h in $(find core store projections -name '*.h' | sort); do
	n=$((n + 1))
	# shellcheck disable=SC2086
	if echo "#include \"$h\"" | ${CC:-cc} $flags -Wall -Werror -fsyntax-only -x c -; then
		echo "ok $n - $h"
	else
		echo "not ok $n - $h"
		fail=1
	fi
done
echo "1..$n"
exit $fail
