#!/bin/sh
# Installs the Debian packages of the named groups (build, test, fuzz, lint, coverage) that are not there yet.
# With nothing missing it says nothing, needs no root and asks no network.
set -eu

packages_of() {
	case $1 in
	build)
		echo gcc libc6-dev make pkg-config libmicrohttpd-dev libgnutls28-dev libjansson-dev \
			libcurl4-openssl-dev libssl-dev libsnappy-dev libsqlite3-dev libpcre2-dev \
			libxxhash-dev libyaml-dev zlib1g-dev libcrypt-dev
		;;
	test) echo libcmocka-dev libprotobuf-c-dev protobuf-c-compiler curl jq sqlite3 ;;
	e2e) echo dpkg-dev buildah mmdebstrap iproute2 iptables ;;
	fuzz) echo clang libclang-rt-14-dev llvm ;;
	lint) echo clang clang-tidy clang-format cppcheck shellcheck ;;
	coverage) echo gcovr ;;
	*)
		echo "deps: no group named '$1'" >&2
		exit 2
		;;
	esac
}

is_installed() {
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

wanted=
for group in "$@"; do
	wanted="$wanted $(packages_of "$group")"
done

if ! command -v dpkg-query >/dev/null; then
	echo "deps: not a Debian system; if the build stops, install the counterparts of:$wanted" >&2
	exit 0
fi

missing=
for package in $wanted; do
	is_installed "$package" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -eq 0 ]; then
	as_root=
elif command -v sudo >/dev/null; then
	as_root=sudo
else
	echo "deps: these Debian packages are missing and need root to install:" >&2
	echo "  apt-get install$missing" >&2
	exit 1
fi

echo "deps: installing$missing"
apt() {
	$as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 "$@"
}
apt update
# The list is split on purpose: one word per package.
# shellcheck disable=SC2086
apt install -y --no-install-recommends $missing
