#!/bin/bash
# Builds what the end-to-end tests need and Debian does not have, from Go modules: Kubernetes' control plane and a
# current Prometheus. Usage: build.sh FOLDER TEST...   The folder gets the programs that the named tests need; what is
# there and up to date is left alone. Without a Go toolchain nothing is built, and the tests say that they skip.
set -euo pipefail

dest=$1
tests="${*:2}"
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$dest"
dest=$(cd "$dest" && pwd)

if ! command -v go >/dev/null; then
	echo "e2e: no Go toolchain, Kubernetes and a current Prometheus are not built"
	exit 0
fi

# version_of NAME MODULE: by the go.mod in the folder NAME.
version_of() {
	awk -v module="$2" '{ sub(/^require /, "") } $1 == module && $2 ~ /^v/ { print $2; exit }' "$here/$1/go.mod"
}

# build NAME WHAT PACKAGE FLAG...
build() {
	local name=$1 what=$2 package=$3 began=$SECONDS
	if [ -x "$dest/$name" ] && [ -z "$(find "$here/$name" -newer "$dest/$name" -print -quit)" ]; then
		return
	fi
	echo "e2e: building $what"
	(cd "$here/$name" && GOTOOLCHAIN=local GOFLAGS=-mod=readonly go build "${@:4}" -o "$dest/$name" "$package")
	echo "e2e: $what built in $((SECONDS - began)) s"
}

case $tests in
*kubernetes*)
	version=$(version_of kubernetes k8s.io/kubernetes)
	minor=${version#v*.}
	symbols=k8s.io/component-base/version
	CGO_ENABLED=0 build kubernetes "Kubernetes $version" . -buildvcs=false -trimpath -ldflags "-s -w \
		-X $symbols.gitVersion=$version -X $symbols.gitMajor=1 -X $symbols.gitMinor=${minor%%.*}"
	;;
esac
case $tests in
*prometheus*)
	module=github.com/prometheus/prometheus
	build prometheus "Prometheus $(version_of prometheus $module)" $module/cmd/prometheus
	;;
esac
