#!/bin/bash
# History at start: Debian's Prometheus holds six hours at 15 s of the workload signals (made by promtool), and
# NimbusGuard starts with empty rings. Printed: the time from the first answer to the end, CPU seconds of both programs
# (from /proc), samples and resident memory. Nothing is written but into a temporary folder.
#
# Usage: bench_backfill.sh [BUILD]     environment: SERIES=1000 HOURS=6 REPEATS=3
set -euo pipefail
cd "$(dirname "$0")/../.."

build=$(realpath "${1:-build}")
series=${SERIES:-1000} hours=${HOURS:-6} repeats=${REPEATS:-3}
nimbusguard=$build/release/nimbusguard
[ -x "$nimbusguard" ] || { echo "bench_backfill: $nimbusguard is missing: make release" >&2; exit 1; }
tests/support/servers.sh "$build/servers" >&2

folder=$(mktemp -d "${TMPDIR:-/tmp}/bench-backfill.XXXXXX")
running=()
stop_all() {
	for pid in "${running[@]}"; do
		if kill "$pid" 2>/dev/null; then wait "$pid" 2>/dev/null || true; fi
	done
	running=()
}
trap 'stop_all; rm -rf "$folder"' EXIT
trap 'exit 130' INT TERM

free_port() {
	python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}
cpu() { # pid
	awk -v hz="$(getconf CLK_TCK)" '{ printf "%.2f", ($14 + $15) / hz }' "/proc/$1/stat"
}

# Random walks with six digits, which is what a recording rule's quotients look like to the encoder.
awk -v series="$series" -v hours="$hours" -v now="$(date +%s)" 'BEGIN {
	split("workload_cpu_cores:sum workload_memory_bytes:sum workload_requests:rate workload_errors:ratio " \
		"workload_latency_seconds:p99", names, " ")
	for (n = 1; n <= 5; n++) {
		printf "# TYPE nimbusguard:%s gauge\n", names[n]
		for (w = 0; w < series / 5; w++) {
			value = 10 * rand()
			for (t = now - hours * 3600; t <= now; t += 15) {
				value += rand() / 5 - 0.1
				printf "nimbusguard:%s{namespace=\"ns-%d\",workload_kind=\"Deployment\",workload=\"app-%d\"} %.6g %d\n",
					names[n], w % 20, w, value < 0 ? -value : value, t
			}
		}
	}
	print "# EOF"
}' > "$folder/history.txt"
"$build/servers/usr/bin/promtool" tsdb create-blocks-from openmetrics "$folder/history.txt" "$folder/tsdb" > "$folder/promtool.log"
rm "$folder/history.txt"

printf 'global:\n  external_labels: {cluster: bench}\n' > "$folder/prometheus.yml"
port=$(free_port)
"$build/servers/usr/bin/prometheus" --config.file="$folder/prometheus.yml" --storage.tsdb.path="$folder/tsdb" \
	--web.listen-address="127.0.0.1:$port" 2> "$folder/prometheus.log" &
prometheus=$!
running+=("$prometheus")
for _ in $(seq 200); do
	curl -sf --noproxy '*' -o "$folder/ready" "http://127.0.0.1:$port/-/ready" && break
	sleep 0.1
done

for run in $(seq "$repeats"); do
	before=$(cpu "$prometheus")
	"$nimbusguard" serve --storage.path="$folder/state-$run" --web.listen-address=127.0.0.1:0 \
		--backfill.url="http://127.0.0.1:$port" 2> "$folder/log" &
	pid=$!
	running+=("$pid")
	for _ in $(seq 1200); do
		grep -q 'msg="history fetched"' "$folder/log" && break
		sleep 0.1
	done
	grep -o 'series=.*' "$folder/log" | grep seconds= || { tail -n 5 "$folder/log" >&2; exit 1; }
	awk -v ours="$(cpu "$pid")" -v before="$before" -v after="$(cpu "$prometheus")" \
		-v resident="$(awk '/^VmRSS/ { print $2 }' "/proc/$pid/status")" 'BEGIN {
		printf "CPU seconds: nimbusguard %.2f, prometheus %.2f; resident %.0f MiB\n", ours, after - before, resident / 1024 }'
	kill "$pid"
	wait "$pid" || true
done
