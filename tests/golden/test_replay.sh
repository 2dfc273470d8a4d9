#!/bin/sh
# What nimbusguard replay writes of the inputs in tests/golden/replay, held against what was written once and read by a
# person; that the same input gives the same output; and its exit status. GOLDEN_WRITE=1 writes the files anew.
set -u

here=$NIMBUSGUARD_SOURCE/tests/golden/replay
cd "$here" || exit 1
status=0
fail() {
	echo "$1" >&2
	status=1
}

# The playbooks are of this folder, so that a change of the bundled ones changes nothing here.
replay() {
	"$NIMBUSGUARD_TEST_BIN" replay --remediate.playbooks=playbooks "$@" 2>&1
}

# The guard's sentences are its own matter.
without_sentences() {
	sed -e 's/^\( \{26\}[a-z_]*\): .*/\1/' -e 's/"sentence":"[^"]*"/"sentence":""/' "$1"
}

# golden NAME ARGUMENT...: the output, twice, is that of NAME.
golden() {
	name=$1
	shift
	replay "$@" >"$TMPDIR/$name"
	replay "$@" >"$TMPDIR/$name.again"
	cmp -s "$TMPDIR/$name" "$TMPDIR/$name.again" || fail "$name: the second run wrote something else"
	without_sentences "$TMPDIR/$name" >"$TMPDIR/$name.plans"
	[ -z "${GOLDEN_WRITE:-}" ] || cp "$TMPDIR/$name.plans" "$here/$name"
	diff -u "$here/$name" "$TMPDIR/$name.plans" || fail "$name is not as it was"
}

golden series.txt samples.om
golden alerts.txt samples.om alerts.jsonl --cluster=cluster.yaml --fail-if='actions>10' --fail-if='refusals{reason="paused"}>0'
golden alerts.json samples.om alerts.jsonl --cluster=cluster.yaml --format=json
golden approve.txt samples.om alerts.jsonl --cluster=cluster.yaml --mode=approve
golden approved.txt samples.om alerts.jsonl --cluster=cluster.yaml --mode=approve --approve
# The second alert finds what the first one's plan would have left.
golden twice.txt twice.om twice.jsonl --cluster=cluster.yaml

# expect STATUS ARGUMENT...
expect() {
	wanted=$1
	shift
	replay "$@" >"$TMPDIR/out"
	[ $? -eq "$wanted" ] || fail "replay $*: not exit status $wanted: $(cat "$TMPDIR/out")"
}
said() {
	grep -qF -- "$1" "$TMPDIR/out" || fail "not said: $1: $(cat "$TMPDIR/out")"
}

expect 0 samples.om --fail-if='actions>10'
expect 1 samples.om --fail-if='actions>0'
said 'FAIL actions>0 (1)'
expect 1 samples.om --fail-if='actions{playbook="scale-out-on-saturation",namespace=~"sh.*"} >= 1'
expect 0 samples.om --fail-if='actions{playbook!="scale-out-on-saturation"} > 0' --fail-if='incidents{outcome="cured"}>0'
expect 2 samples.om --fail-if='actions>'
said "column 9: a whole number is expected"
expect 2 samples.om --fail-if='actons>1'
said 'column 1: "actons" is not counted, did you mean actions?'
expect 2 samples.om --fail-if='actions{playbok="x"}>1'
said 'column 9: there is no label "playbok", did you mean playbook?'
expect 2 samples.om --fail-if='actions{playbook="x>1'
said 'column 18: '
expect 2
expect 2 samples.om --format=xml
expect 1 no-such-file
said no-such-file
printf 'up{job="x"} 1\n' >"$TMPDIR/no-time.om"
expect 1 "$TMPDIR/no-time.om"
said 'no-time.om:1: a time is missing behind the value'
printf '{"version":"4","alerts":[]}\n' >"$TMPDIR/no-time.jsonl"
expect 1 "$TMPDIR/no-time.jsonl"
said 'no-time.jsonl:1: when the message came is not told'
printf '{"version":"4",\n"alerts":[}\n' >"$TMPDIR/broken.jsonl"
expect 1 "$TMPDIR/broken.jsonl"
said 'broken.jsonl:2: '
printf 'cluster:\n- kind: Deploymnt\n  metadata: {namespace: a, name: b}\n' >"$TMPDIR/cluster.yaml"
expect 1 samples.om --cluster="$TMPDIR/cluster.yaml"
said 'cluster.yaml:2:9: '
exit $status
