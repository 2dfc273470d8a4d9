#!/bin/bash
# Fetches the servers that the tests talk to (Prometheus, promtool, Alertmanager) as Debian packages and unpacks them
# under the given folder. Nothing is installed and no root is needed.
#
# Usage: servers.sh FOLDER [PACKAGE[:PROGRAM]...]    other packages, each with a program: /usr/bin/ and its name, or what is given
set -euo pipefail

dest=$1
packages=(prometheus prometheus-alertmanager)
programs=("${packages[@]/#/usr/bin/}" usr/bin/promtool)
if [ $# -gt 1 ]; then
	packages=("${@:2}")
	for i in "${!packages[@]}"; do
		programs[i]=usr/bin/${packages[i]}
		[[ ${packages[i]} != *:* ]] || programs[i]=${packages[i]#*:}
		packages[i]=${packages[i]%%:*}
	done
fi
stamp=$dest/.unpacked

# Debian's Alertmanager looks for its templates under /usr/share, where it is not installed. The same path with one slash
# moved is as long and relative: started in the folder where it was unpacked, it finds them.
relocate() {
	local program=$1/usr/bin/prometheus-alertmanager
	if [ -e "$program" ] && LC_ALL=C grep -q /usr/share/prometheus/alertmanager "$program"; then
		LC_ALL=C sed -i 's|/usr/share/prometheus/alertmanager|usr/share//prometheus/alertmanager|g' "$program"
	fi
}
if [ -e "$stamp" ]; then
	relocate "$dest"
	exit 0
fi

mkdir -p "$dest"
dest=$(cd "$dest" && pwd)
stamp=$dest/.unpacked
fetched=$(mktemp -d "$dest/fetch.XXXXXX")
trap 'rm -rf "$fetched"' EXIT

# An ordinary user cannot refresh the system's package lists, but can keep lists of his own.
own_lists=(-o "Dir::State::Lists=$dest/apt/lists" -o "Dir::Cache=$dest/apt/cache" -o Debug::NoLocking=true)
options=(-q -o "APT::Sandbox::User=$(id -un)")

download() {
	(cd "$fetched" && rm -f ./*.deb && apt-get "${options[@]}" "$@" download "${packages[@]}")
}

echo "servers: fetching ${packages[*]}"
if ! download >"$fetched/log" 2>&1; then
	mkdir -p "$dest/apt/lists/partial" "$dest/apt/cache/archives/partial"
	if ! { apt-get "${options[@]}" "${own_lists[@]}" update && download "${own_lists[@]}"; } >>"$fetched/log" 2>&1; then
		cat "$fetched/log" >&2
		echo "servers: the Debian packages ${packages[*]} could not be fetched" >&2
		exit 1
	fi
fi
for deb in "$fetched"/*.deb; do
	dpkg-deb -x "$deb" "$dest"
done
rm -rf "$dest/apt" "$dest/usr/share/doc"
relocate "$dest"

for program in "${programs[@]}"; do
	if ! "$dest/$program" --version >"$fetched/version" 2>&1; then
		cat "$fetched/version" >&2
		ldd "$dest/$program" >&2 || true
		echo "servers: $program does not run here" >&2
		exit 1
	fi
	head -n 1 "$fetched/version"
done
touch "$stamp"
