#!/bin/sh
# The tables of docs/configuration.md and docs/metrics.md are what the program writes of itself.
# `make docs` writes them anew.
set -eu

status=0
for name in configuration metrics; do
	wanted=$TMPDIR/$name.wanted
	"$NIMBUSGUARD_TEST_BIN" check --docs="$name" >"$wanted"
	grep '^|' "$NIMBUSGUARD_SOURCE/docs/$name.md" >"$TMPDIR/$name.have"
	if ! diff -u "$TMPDIR/$name.have" "$wanted"; then
		echo "docs/$name.md is not what nimbusguard check --docs=$name writes: run make docs" >&2
		status=1
	fi
done
exit $status
