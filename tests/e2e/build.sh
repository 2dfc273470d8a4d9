#!/bin/bash
# Builds what the end-to-end tests need and Debian does not have: a current Prometheus, from its Go module. The folder
# given gets the programs; what is there and up to date is left alone. Without a Go toolchain nothing is built, and the
# tests say that they skip.
set -euo pipefail

dest=$1
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$dest"
dest=$(cd "$dest" && pwd)

if ! command -v go >/dev/null; then
	echo "e2e: no Go toolchain, a current Prometheus is not built"
	exit 0
fi
if [ ! -x "$dest/prometheus" ] || [ "$here/prometheus/go.sum" -nt "$dest/prometheus" ]; then
	echo "e2e: building Prometheus $(awk '$1 == "github.com/prometheus/prometheus" { print $2 }' "$here/prometheus/go.mod")"
	(cd "$here/prometheus" &&
		GOFLAGS=-mod=readonly go build -o "$dest/prometheus" github.com/prometheus/prometheus/cmd/prometheus)
fi
