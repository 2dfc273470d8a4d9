#!/bin/sh
# The tables of docs/configuration.md and docs/metrics.md are what the program writes of itself, and so are the roles in
# deploy/; the rules there are those of rules/prometheus.
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
"$NIMBUSGUARD_SOURCE/tests/support/manifests.sh" "$NIMBUSGUARD_TEST_BIN" "$TMPDIR/deploy"
for file in $(cd "$TMPDIR/deploy" && find . -type f); do
	if ! diff -u "$NIMBUSGUARD_SOURCE/deploy/$file" "$TMPDIR/deploy/$file"; then
		echo "deploy/${file#./} is not what tests/support/manifests.sh writes: run make docs" >&2
		status=1
	fi
done
exit $status
