#!/bin/bash
# What `make deb`, `make sbom` and `make dist` make: the package is the same for the same program, holds what an installation
# holds, its program finds its rules and takes its configuration, and where dpkg is it can be installed and removed; the bill
# of materials names the package of each library that is linked in; what is packed builds nothing that git does not have.
set -euo pipefail

for tool in dpkg-deb dpkg-shlibdeps jq; do
	if ! command -v "$tool" >/dev/null; then
		echo "skipped: needs $tool (apt-get install dpkg-dev jq)"
		exit 77
	fi
done

fail() {
	echo "failed: $*" >&2
	exit 1
}

cd "$NIMBUSGUARD_SOURCE"
version=$(cat VERSION)
package=build/dist/nimbusguard_${version}_$(dpkg --print-architecture).deb
export SOURCE_DATE_EPOCH=1700000000

make -s --no-print-directory deb >/dev/null
cp "$package" "$TMPDIR/first.deb"
sleep 1.1 # so that times of files differ
make -s --no-print-directory deb >/dev/null
cmp "$package" "$TMPDIR/first.deb" || fail "two packages of one program differ"

dpkg-deb -x "$package" "$TMPDIR/root"
dpkg-deb -e "$package" "$TMPDIR/control"
root=$TMPDIR/root
[ "$("$root/usr/bin/nimbusguard" version | head -n 1 | grep -c "$version")" = 1 ] || fail "not version $version"
for file in usr/share/nimbusguard/rules/signals.yaml usr/lib/systemd/system/nimbusguard.service \
	usr/share/nimbusguard/dashboards/overview.json usr/share/doc/nimbusguard/README.md \
	usr/share/nimbusguard/deploy/helm/nimbusguard/files/rules/alerts.rules.yml; do
	[ -s "$root/$file" ] || fail "no $file in the package"
done
grep -q '^ExecStart=/usr/bin/nimbusguard ' "$root/usr/lib/systemd/system/nimbusguard.service" || fail "another program is started"
if grep -rl /usr/local "$root" --include=*.service; then
	fail "a unit that names /usr/local"
fi
(cd "$TMPDIR" && "$root/usr/bin/nimbusguard" check --config.file="$root/etc/nimbusguard/nimbusguard.yml") ||
	fail "the package's configuration is not good"
grep -qx /etc/nimbusguard/nimbusguard.yml "$TMPDIR/control/conffiles" || fail "the configuration would be written over"
grep -q '^Depends: .*libmicrohttpd12 (>= ' "$TMPDIR/control/control" || fail "no Depends: $(cat "$TMPDIR/control/control")"
(cd "$root" && md5sum --quiet -c "$TMPDIR/control/md5sums") || fail "md5sums"
for script in postinst prerm postrm; do
	sh -n "$TMPDIR/control/$script"
done
if [ "$(id -u)" -eq 0 ]; then
	# Into a dpkg of its own, which knows no other package and runs no script in another root.
	mkdir -p "$TMPDIR/dpkg/updates" "$TMPDIR/dpkg/info" "$TMPDIR/dpkg/triggers" "$TMPDIR/installed"
	: >"$TMPDIR/dpkg/status"
	# The scripts' systemctl would be that of this machine.
	mkdir -p "$TMPDIR/bin"
	printf '#!/bin/sh\n' >"$TMPDIR/bin/systemctl"
	chmod +x "$TMPDIR/bin/systemctl"
	PATH=$TMPDIR/bin:$PATH
	dpkg --admindir="$TMPDIR/dpkg" --instdir="$TMPDIR/installed" --force-depends --force-script-chrootless \
		--force-not-root -i "$package" >"$TMPDIR/dpkg.log" 2>&1 || fail "$(cat "$TMPDIR/dpkg.log")"
	[ -x "$TMPDIR/installed/usr/bin/nimbusguard" ] || fail "not installed"
	echo changed >>"$TMPDIR/installed/etc/nimbusguard/nimbusguard.yml"
	dpkg --admindir="$TMPDIR/dpkg" --instdir="$TMPDIR/installed" --force-script-chrootless -r nimbusguard \
		>"$TMPDIR/dpkg.log" 2>&1 || fail "$(cat "$TMPDIR/dpkg.log")"
	[ ! -e "$TMPDIR/installed/usr/bin/nimbusguard" ] || fail "not removed"
	grep -qx changed "$TMPDIR/installed/etc/nimbusguard/nimbusguard.yml" || fail "the changed configuration is gone"
fi

make -s --no-print-directory sbom >/dev/null
bill=build/dist/nimbusguard-$version.cdx.json
[ "$(jq -r .bomFormat "$bill")" = CycloneDX ] || fail "$bill is no bill of materials"
ldd build/release/nimbusguard | awk '$3 ~ /^\// { print $3 }' | while read -r file; do
	real=$(readlink -f "$file")
	owner=$( (dpkg-query -S "$real" "${real#/usr}" 2>/dev/null || true) | head -n 1 | cut -d : -f 1)
	[ -z "$owner" ] || jq -e --arg name "$owner" 'any(.components[]; .name == $name)' "$bill" >/dev/null ||
		fail "$owner, of which $file is, is not in $bill"
done

if git rev-parse --git-dir >/dev/null 2>&1; then
	first=$(make -s --no-print-directory dist)
	[ "$first" = "$(make -s --no-print-directory dist)" ] || fail "two tarballs of one commit differ"
fi
