#!/bin/bash
# Builds the Debian package out of an installation. Usage: build.sh ROOT FOLDER VERSION   ROOT is what
# `make install PREFIX=/usr DESTDIR=ROOT` made; FOLDER gets nimbusguard_VERSION_ARCHITECTURE.deb, whose bytes depend on
# ROOT's alone (and on SOURCE_DATE_EPOCH). The service is neither enabled nor started: that is a decision of people.
set -euo pipefail

root=$1 folder=$2 version=$3
here=$(cd "$(dirname "$0")" && pwd)
if ! command -v dpkg-shlibdeps >/dev/null; then
	echo "deb: needs dpkg-shlibdeps (apt-get install dpkg-dev)" >&2
	exit 1
fi
architecture=$(dpkg --print-architecture)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# dpkg-shlibdeps reads a debian/control; which versions of the libraries are needed follows from the symbols used.
mkdir -p "$work/debian"
printf 'Source: nimbusguard\nPackage: nimbusguard\nArchitecture: any\n' >"$work/debian/control"
program=$(cd "$root" && pwd)/usr/bin/nimbusguard
depends=$(cd "$work" && dpkg-shlibdeps -O --ignore-missing-info "$program" | sed -n 's/^shlibs:Depends=//p')

install -d -m 755 "$root/DEBIAN" "$root/etc/nimbusguard"
install -m 644 "$here/../nimbusguard.yml" "$root/etc/nimbusguard/nimbusguard.yml"
echo /etc/nimbusguard/nimbusguard.yml >"$root/DEBIAN/conffiles"
install -m 755 "$here/postinst" "$here/prerm" "$here/postrm" "$root/DEBIAN/"
size=$(du -k -s --apparent-size --exclude=DEBIAN "$root" | cut -f 1)
cat >"$root/DEBIAN/control" <<-END
	Package: nimbusguard
	Version: $version
	Architecture: $architecture
	Maintainer: The NimbusGuard authors <maintainers@nimbusguard.io>
	Installed-Size: $size
	Depends: $depends, tzdata
	Suggests: prometheus, prometheus-alertmanager
	Section: net
	Priority: optional
	Homepage: https://github.com/nimbusguard/nimbusguard
	Description: acts on what Prometheus sees
	 Receives Prometheus' remote-write stream and Alertmanager's webhooks, tells
	 what is unusual, and carries out remediation playbooks on Kubernetes behind
	 one guard. By default it decides and records, and changes nothing.
END
(cd "$root" && find . -type f -not -path './DEBIAN/*' -printf '%P\0' | sort -z | xargs -0 md5sum) >"$root/DEBIAN/md5sums"
mkdir -p "$folder"
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
dpkg-deb --root-owner-group -Zxz --build "$root" "$folder/nimbusguard_${version}_$architecture.deb" >/dev/null
sha256sum "$folder/nimbusguard_${version}_$architecture.deb"
