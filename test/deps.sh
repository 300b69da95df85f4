#!/bin/sh
# deps - installs the Debian packages named on the command line that are not there yet.
#
# With sudo when not root.  PostgreSQL's package would make and start a cluster of the system's; a setting beside
# it says not to, when we are the ones who install it.
set -eu
missing=''
for p in "$@"; do
	dpkg-query -W -f '${Status}\n' "$p" 2>/dev/null | grep -q '^install ok installed' || missing="$missing $p"
done
[ -n "$missing" ] || exit 0
as_root=''
if [ "$(id -u)" != 0 ]; then
	command -v sudo >/dev/null || {
		echo "make deps: these Debian packages are missing:$missing" >&2
		echo "make deps: install them as root: apt-get install$missing" >&2
		exit 1
	}
	as_root=sudo
fi
echo "Installing:$missing"
case "$missing" in
*postgresql*)
	if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
		$as_root mkdir -p /etc/postgresql-common
		printf 'create_main_cluster = false\nstart_conf = manual\n' |
			$as_root tee /etc/postgresql-common/createcluster.conf >/dev/null
	fi
	;;
esac
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086
$as_root apt-get install -y -qq --no-install-recommends -o Dpkg::Options::=--force-confold $missing >/dev/null 2>&1 || {
	$as_root apt-get update -qq
	$as_root apt-get install -y -qq --no-install-recommends -o Dpkg::Options::=--force-confold $missing >/dev/null
}
