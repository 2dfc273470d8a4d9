#!/bin/sh
# explain-target on the command line: labels as words, alerts on standard input, exit status.
set -u

status=0
fail() {
	echo "$1" >&2
	status=1
}
expect() {
	wanted=$1 words=$2
	shift 2
	"$NIMBUSGUARD_TEST_BIN" explain-target "$@" >"$TMPDIR/out" 2>&1 </dev/null
	[ $? -eq "$wanted" ] || fail "explain-target $* is not exit status $wanted: $(cat "$TMPDIR/out")"
	grep -q -- "$words" "$TMPDIR/out" || fail "no \"$words\": $(cat "$TMPDIR/out")"
}
unset KUBERNETES_SERVICE_HOST
expect 0 'as Workload: shop/Deployment/web' --kind=Workload namespace=shop deployment=web
expect 1 'refused, target_missing' --kind=Pod pod=web-1
expect 0 'playbook scale-out-on-saturation answers it' alertname=NimbusGuardWorkloadSaturated namespace=shop deployment=web
expect 2 'is not LABEL=VALUE' namespace
expect 2 'did you mean Deployment' --kind=Deploiment a=b
expect 1 'standard input:1:' # an empty standard input
echo '[{"labels":{"node":"n1"}},{"labels":{"namespace":"shop","deployment":"web"}}]' |
	"$NIMBUSGUARD_TEST_BIN" explain-target --json >"$TMPDIR/out" 2>&1
[ "$(jq -r 'map(.answers[] | select(.resolved) | .target.name) | join(" ")' "$TMPDIR/out")" = "n1 web" ] ||
	fail "alerts on standard input: $(cat "$TMPDIR/out")"
exit $status
