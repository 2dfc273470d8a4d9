#!/bin/sh
# The demo as `make run` starts it: the story is told to its end, with a summary and exit status 0.
set -u

status=0
fail() {
	echo "$1" >&2
	status=1
}
"$NIMBUSGUARD_TEST_BIN" demo --duration=45 --speed=120 --no-color --web.listen-address=127.0.0.1:0 \
	>"$TMPDIR/out" 2>"$TMPDIR/err" </dev/null
result=$?
[ $result -eq 0 ] || fail "exit status $result"
for words in 'status page http://127.0.0.1:' 'FIRING NimbusGuardWorkloadSaturated' 'Cleared: replicas 3 -> ' \
	'Done: scale Deployment shop/web' 'FIRING NimbusGuardPodCrashLooping' 'FIRING NimbusGuardContainerOOMKilled' \
	'verified ' 'What happened in ' 'samples sent '; do
	grep -q -- "$words" "$TMPDIR/out" || fail "no \"$words\""
done
# What the demo sends has no credentials: it says so at once rather than show nothing.
printf 'secret-of-ann' >"$TMPDIR/token"
printf 'web:\n  tokens:\n  - {name: ann, role: read, file: %s}\n' "$TMPDIR/token" >"$TMPDIR/n.yml"
"$NIMBUSGUARD_TEST_BIN" demo --duration=5 --config.file="$TMPDIR/n.yml" --web.listen-address=127.0.0.1:0 \
	>"$TMPDIR/out2" 2>"$TMPDIR/err2" </dev/null
result=$?
[ $result -eq 2 ] || fail "with access control: exit status $result"
grep -q 'without credentials: leave out' "$TMPDIR/err2" || fail "with access control: $(cat "$TMPDIR/err2")"
[ $status -eq 0 ] || cat "$TMPDIR/out" "$TMPDIR/err" >&2
exit $status
