#!/bin/bash
# The scaler in the real program, on the demo's traffic at 120 times its speed: in shadow it says how many replicas it would have and why,
# beside an HPA and a static number; who asks for the number itself gets none as long as it does not serve.
set -u

"$NIMBUSGUARD_TEST_BIN" demo --duration=45 --speed=120 --no-color --web.listen-address=127.0.0.1:0 \
	--storage.path="$TMPDIR/state" \
	>"$TMPDIR/out" 2>"$TMPDIR/err" </dev/null &
demo=$!
port='' status=0

fail() {
	echo "$1" >&2
	status=1
}
# Prints the answer; nothing when the program is gone.
get() {
	{ exec 3<>"/dev/tcp/127.0.0.1/$port"; } 2>/dev/null || return 1
	printf 'GET %s HTTP/1.1\r\nHost: 127.0.0.1:%s\r\nConnection: close\r\n\r\n' "$1" "$port" >&3
	cat <&3
	exec 3>&-
}
# As long as the demo runs: until the answer to $1 has all of the further words.
await() {
	local path=$1 answer word missing
	shift
	while kill -0 "$demo" 2>/dev/null; do
		answer=$(get "$path") missing=''
		for word in "$@"; do
			grep -q -- "$word" <<<"$answer" || missing="$missing $word"
		done
		[ -n "$missing" ] || return 0
		sleep 0.2
	done
	fail "$path never had$missing: $answer"
}
while kill -0 "$demo" 2>/dev/null && [ -z "$port" ]; do
	port=$(sed -n 's|.*http://127.0.0.1:\([0-9]*\).*|\1|p' "$TMPDIR/out" | head -n 1)
	sleep 0.1
done
await /api/v1/scaler/shop/Deployment/web ' 503 ' 'it does not serve'
await /api/v1/scaler/shop/Deployment/nobody ' 404 '
await '/api/v1/scaler?namespace=shop&kind=Deployment&workload=web' '"state":"shadow"' '"load_signal":"request_rate"' \
	'"wanted":[1-9]' '"hpa":[1-9]' '"static":[1-9]' '"pod_rate":[1-9]' '"window_reward":0\.[0-9]'
await /metrics 'nimbusguard_scaler_wanted_replicas{.*workload="web",policy="ours"} [1-9]' \
	'nimbusguard_scaler_wanted_replicas{.*workload="web",policy="hpa"} [1-9]' 'nimbusguard_scaler_workloads{state="shadow"} 3'
await / 'Scaler <span class="soft">3' '<td class="">shop/Deployment/web</td><td class="num ">[1-9]'
wait "$demo" || fail "exit status $?"
grep -q 'the scaler, in shadow [0-9.]* pod-hours' "$TMPDIR/out" || fail "the story does not tell of it"
# Its accounts of each ten minutes are in the journal.
"$NIMBUSGUARD_TEST_BIN" audit export --storage.path="$TMPDIR/state" >"$TMPDIR/records" || fail 'the journal cannot be exported'
grep -q '"kind":"note".*"key":"scaler/.*"workload":"shop/Deployment/web".*"hpa":{"reward":0' "$TMPDIR/records" ||
	fail "no window is in the journal: $(grep -c . "$TMPDIR/records") records"
[ $status -eq 0 ] || cat "$TMPDIR/out" "$TMPDIR/err" >&2
exit $status
