#!/bin/bash
# Runs tests and counts them. Usage: run_tests.sh BUILD SERVERS ITEM...   An item is one of
#   MODE:PROGRAM[:FOLDER]     a test program built in that mode, which speaks TAP; a folder is its argument
#   sh:MODE:SCRIPT            a script: exit status 0 is passed, 77 skipped, all else failed
#   promtool-check:FILE       a rule file
#   promtool-test:FILE        a promtool test of rules
#   playbook-test:MODE:FILE   a test of playbooks, by the program built in that mode
# TEST_JOBS items run at a time (default: one per processor), each with a TMPDIR of its own and a time limit. What fails
# is shown in full. The last line is "N passed, N failed, N skipped"; the status is 1 when one failed or nothing ran.
set -uo pipefail

here=$(cd "$(dirname "$0")" && pwd)
source_dir=$(cd "$here/../.." && pwd)

if [ "${1:-}" != --item ]; then
	build=$1 servers=$2
	shift 2
	results=$(mktemp -d)
	trap 'rm -rf "$results"' EXIT
	trap 'exit 130' INT TERM
	export RUN_BUILD=$build RUN_SERVERS=$servers RUN_RESULTS=$results
	if [ $# -gt 0 ]; then
		printf '%s\0' "$@" | xargs -0 -n 1 -P "${TEST_JOBS:-$(nproc)}" "$0" --item
	fi
	cat "$results"/*.tally 2>/dev/null | awk -v expected=$# '
		{ passed += $1; failed += $2; skipped += $3; items++ }
		END {
			failed += expected - items
			printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped
			exit failed > 0 || passed + skipped == 0
		}'
	exit
fi

# ---- one item ----

item=$2
IFS=: read -r kind first second <<<"$item"
output=$(mktemp "$RUN_RESULTS/XXXXXX.out")
scratch=$(mktemp -d)
pid=
# A program that ended may have left servers of its own behind: the whole process group goes.
# shellcheck disable=SC2317  # called by the trap
cleanup() {
	[ -z "$pid" ] || kill -KILL -- "-$pid" 2>/dev/null
	rm -rf "$scratch"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

mode=$kind
case $kind in sh | playbook-test) mode=$first ;; esac
export TMPDIR=$scratch
export NIMBUSGUARD_SOURCE=$source_dir
export NIMBUSGUARD_TEST_BIN=$RUN_BUILD/$mode/nimbusguard
export NIMBUSGUARD_TEST_SERVERS=$RUN_SERVERS/usr/bin
export NIMBUSGUARD_TEST_E2E=$RUN_BUILD/e2e
export CMOCKA_MESSAGE_OUTPUT=TAP
suppressions=$here/tsan.supp
[ -e "$suppressions" ] || suppressions=
# CMocka would catch what crashes; the sanitizer says where it was.
crashes=handle_segv=2:handle_sigbus=2:handle_sigfpe=2:handle_sigill=2
export ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1:$crashes
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
export TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1:$crashes${suppressions:+:suppressions=$suppressions}

promtool=$NIMBUSGUARD_TEST_SERVERS/promtool
command=()
limit=300
case $kind in
promtool-check) command=("$promtool" check rules "$first") name=$first ;;
promtool-test) command=("$promtool" test rules "$first") name=$first ;;
playbook-test) command=("$NIMBUSGUARD_TEST_BIN" test "$source_dir/$second") name=$second ;;
sh) command=("$source_dir/$second") name=$second ;;
*)
	name="${first##*"/$kind/"} ($kind)"
	command=("$first")
	[ -z "$second" ] || command+=("$second")
	# Some kernels spread mappings wider than gcc's ThreadSanitizer can follow.
	if [ "$kind" = tsan ] && setarch -R true 2>/dev/null; then
		command=(setarch -R "${command[@]}")
	fi
	;;
esac
case $item in
*/tests/integration/* | *:tests/integration/* | *tests/e2e/* | *tests/sim/*) limit=600 ;;
esac
[ "$kind" != tsan ] || limit=$((limit * 2))

began=$SECONDS
timeout -k 10 "$limit" "${command[@]}" >"$output" 2>&1 </dev/null &
pid=$!
wait "$pid"
status=$?
took=$((SECONDS - began))

# "passed failed skipped" from the output and the exit status.
judge_tap() {
	awk -v status="$status" '
		/^1\.\.[0-9]+/ { planned += substr($1, 4) }
		/^(not )?ok [0-9]+ .*# SKIP/ { skipped++; next }
		/^ok [0-9]+/ { passed++ }
		/^not ok [0-9]+/ { failed++ }
		/ERROR: (Address|Leak)Sanitizer|WARNING: ThreadSanitizer|: runtime error: / { reported = 1 }
		END {
			missing = planned - passed - failed - skipped
			# Tests that never reported, a bad exit or a sanitizer that no test owned up to: one more failure.
			if (failed == 0 && (missing > 0 || planned == 0 || status != 0 || reported))
				failed = 1
			else if (missing > 0)
				failed++
			print passed + 0, failed + 0, skipped + 0
		}' "$output"
}
judge_status() {
	case $status in
	0) echo 1 0 0 ;;
	77) echo 0 0 1 ;;
	*) echo 0 1 0 ;;
	esac
}
case $kind in
promtool-* | playbook-test | sh) tally=$(judge_status) ;;
*) tally=$(judge_tap) ;;
esac
echo "$tally" >"${output%.out}.tally"
read -r passed failed skipped <<<"$tally"

exec 9>"$RUN_RESULTS/print.lock"
flock 9
verdict=ok
[ "$failed" -eq 0 ] || verdict=FAILED
printf '%-6s %s: %d passed, %d failed, %d skipped, %d s\n' "$verdict" "$name" "$passed" "$failed" "$skipped" "$took"
if [ "$failed" -gt 0 ]; then
	sed 's/^/    /' "$output"
	if [ "$status" -eq 124 ] || [ "$status" -eq 137 ]; then
		echo "    stopped after $limit s"
	else
		echo "    exit status $status"
	fi
fi
exit 0
