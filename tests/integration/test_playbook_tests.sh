#!/bin/sh
# Each bundled playbook has a file of tests beside it, with cases that act and cases that are refused; and the command
# that runs them says with its exit status what came out.
set -u

status=0
fail() {
	echo "$1" >&2
	status=1
}

folder=$NIMBUSGUARD_SOURCE/rules/playbooks
for playbook in "$folder"/*.yaml; do
	case $playbook in *_test.yaml) continue ;; esac
	tests=${playbook%.yaml}_test.yaml
	[ -e "$tests" ] || {
		fail "$playbook has no tests: $tests is not there"
		continue
	}
	grep -q "refused: " "$tests" || fail "$tests holds no case that is refused"
	acts="state: (watched|cured)|action: ticket"
	# One that only suggests ends as a suggestion; one that observes makes a dry run of it.
	! grep -q "^mode: suggest" "$playbook" || acts="outcome: suggested"
	! grep -q "^mode: observe" "$playbook" || acts="dry_run: true"
	grep -Eq "$acts" "$tests" || fail "$tests holds no case that acts"
	grep -q -- "- *$(basename "$playbook")\|\[$(basename "$playbook")" "$tests" || fail "$tests does not test $playbook"
done

# 0: as expected.
"$NIMBUSGUARD_TEST_BIN" test "$folder"/*_test.yaml >"$TMPDIR/out" 2>&1 || fail "a bundled test failed: $(cat "$TMPDIR/out")"
tail -n 1 "$TMPDIR/out" | grep -Eq '^[1-9][0-9]* passed, 0 failed in [1-9][0-9]* files$' ||
	fail "no summary: $(cat "$TMPDIR/out")"

# 1: not as expected, with the place of what was expected.
cat >"$TMPDIR/wrong_test.yaml" <<EOF
playbooks: [$folder/ticket-on-everything-else.yaml]
tests:
- name: wrong on purpose
  alerts: [{at: 1m, labels: {alertname: Other, severity: warning}}]
  checks: [{at: 2m, expect: {action: scale}}]
EOF
"$NIMBUSGUARD_TEST_BIN" test "$TMPDIR/wrong_test.yaml" >"$TMPDIR/out" 2>&1
[ $? -eq 1 ] || fail "a failing test is not exit status 1"
grep -q 'wrong_test.yaml:5:38: FAIL wrong on purpose, at 2m: expected action scale, got ticket' "$TMPDIR/out" ||
	fail "the failure is not told: $(cat "$TMPDIR/out")"

# 1: a file with an error, and the other one is still run.
echo 'tests: {' >"$TMPDIR/broken_test.yaml"
"$NIMBUSGUARD_TEST_BIN" test "$TMPDIR/broken_test.yaml" "$folder/ticket-on-everything-else_test.yaml" >"$TMPDIR/out" 2>&1
[ $? -eq 1 ] || fail "a broken file is not exit status 1"
grep -Eq '^[1-9][0-9]* passed, 0 failed in 2 files, 1 of them with errors' "$TMPDIR/out" ||
	fail "the other file was not run: $(cat "$TMPDIR/out")"

# 2: a wrong command line.
"$NIMBUSGUARD_TEST_BIN" test >/dev/null 2>&1
[ $? -eq 2 ] || fail "no file is not exit status 2"
"$NIMBUSGUARD_TEST_BIN" test --mode=auto x >/dev/null 2>&1
[ $? -eq 2 ] || fail "a setting as a flag is not exit status 2"

# The service itself takes the tests for no playbooks.
"$NIMBUSGUARD_TEST_BIN" check --strict --remediate.playbooks="$folder" >/dev/null 2>&1 || fail "check reads the tests"
exit $status
