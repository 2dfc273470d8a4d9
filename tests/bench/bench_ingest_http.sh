#!/bin/bash
# What the stream costs end to end: NimbusGuard and Debian's Prometheus receiver, each started fresh for each case, take
# the same load over HTTP from `nimbusguard loadgen` one after the other. At the end stands the floor: what the single
# steps cost in one process on such bodies (bench_ingest). Nothing is written but into a temporary folder.
#
# A case: round 0 makes the series, which is a figure of its own (memory touched for the first time, labels read); then
# rounds as fast as they are taken (CPU, samples/s, latency at saturation); then rounds at 70 % of that rate (latency).
# CPU is user and system time of the server's process, from /proc. Each case is run REPEATS times and the median printed.
# The load generator runs on the same machine, so samples/s is what is left beside it.
#
# Usage: bench_ingest_http.sh [BUILD]     environment: REPEATS=3, BENCH_LARGE=1 (one million series, too), CASES="10k 100k"
set -euo pipefail
cd "$(dirname "$0")/../.."

build=$(realpath "${1:-build}")
nimbusguard=$build/release/nimbusguard
prometheus=$build/servers/usr/bin/prometheus
repeats=${REPEATS:-3}
connections=2

for program in "$nimbusguard" "$build/release/tests/bench/bench_ingest"; do
	[ -x "$program" ] || { echo "bench_ingest_http: $program is missing: make bench-ingest" >&2; exit 1; }
done
tests/support/servers.sh "$build/servers" >&2

folder=$(mktemp -d "${TMPDIR:-/tmp}/bench-ingest.XXXXXX")
results=$folder/results # lines: case server measure value
server=0
stop_server() {
	[ "$server" -eq 0 ] || { kill "$server" 2>/dev/null && wait "$server" 2>/dev/null; } || true
	server=0
}
trap 'stop_server; rm -rf "$folder"' EXIT
trap 'exit 130' INT TERM

fail() {
	echo "bench_ingest_http: $*" >&2
	tail -n 5 "$folder/log" >&2 || true
	exit 1
}

wait_ready() { # port
	for _ in $(seq 200); do
		curl -sf --noproxy '*' -o "$folder/ready" "http://127.0.0.1:$1/-/ready" && return
		kill -0 "$server" 2>/dev/null || return 1
		sleep 0.05
	done
	return 1
}

start_nimbusguard() {
	"$nimbusguard" serve --web.listen-address=127.0.0.1:0 --storage.path="$folder/nimbusguard" \
		--storage.memory-max="$memory" --storage.series-max=4000000 >"$folder/log" 2>&1 &
	server=$!
	port=
	for _ in $(seq 200); do
		port=$(sed -n 's/.*msg="listening".* port=\([0-9]*\).*/\1/p' "$folder/log" | head -n 1)
		[ -z "$port" ] || break
		sleep 0.05
	done
	if [ -z "$port" ] || ! wait_ready "$port"; then
		fail "NimbusGuard does not start"
	fi
}

start_prometheus() {
	echo 'global: {}' >"$folder/prometheus.yml"
	for _ in 1 2 3 4 5; do
		port=$((20000 + RANDOM % 10000))
		rm -rf "$folder/prometheus"
		"$prometheus" --config.file="$folder/prometheus.yml" --storage.tsdb.path="$folder/prometheus" \
			--web.listen-address="127.0.0.1:$port" --web.enable-remote-write-receiver \
			--log.level=warn >"$folder/log" 2>&1 &
		server=$!
		wait_ready "$port" && return
		stop_server
	done
	fail "Prometheus does not start"
}

# CPU nanoseconds of all threads so far; the ticks of /proc/PID/stat where the kernel does not count finer.
cpu_ns() {
	cat "/proc/$server/task"/*/schedstat 2>/dev/null | awk '{ sum += $1 } END { printf "%.0f\n", sum }' |
		grep -v '^0$' || awk -v hz="$(getconf CLK_TCK)" '{ sub(/^.*\) /, ""); printf "%.0f\n", ($12 + $13) * 1e9 / hz }' \
		"/proc/$server/stat"
}

# The part of it in the kernel, which is only counted in ticks.
kernel_ns() {
	awk -v hz="$(getconf CLK_TCK)" '{ sub(/^.*\) /, ""); printf "%.0f\n", $13 * 1e9 / hz }' "/proc/$server/stat"
}

resident_bytes() {
	awk '/^VmRSS:/ { print $2 * 1024 }' "/proc/$server/status"
}

# A number out of the JSON of the load generator: path of at most two names.
number() {
	if [ $# -eq 2 ]; then
		sed -E "s/.*\"$1\":\{[^}]*\"$2\":([-0-9.e+]+).*/\1/" "$folder/load"
	else
		sed -E "s/.*\"$1\":([-0-9.e+]+).*/\1/" "$folder/load"
	fi
}

load() {
	if ! "$nimbusguard" loadgen --url="http://127.0.0.1:$port/api/v1/write" --connections=$connections \
		--start="$start" --body-memory=2GiB --json "$@" >"$folder/load" 2>"$folder/load.log"; then
		cat "$folder/load.log" "$folder/load" >&2
		fail "the load was not taken whole: $*"
	fi
}

page_value() {
	curl -sf --noproxy '*' "http://127.0.0.1:$port/metrics" | awk -v name="$1" '$1 == name { print $2 }'
}

keep() { # measure expression
	awk -v head="$case_name $kind $1" "BEGIN { printf \"%s %.9g\\n\", head, $2 }" >>"$results"
}

run_case() { # kind name series rounds flags...
	local series=$3 rounds=$4 rest=$4 rss_start rss_made rss_end cpu_start cpu_made cpu_end rate samples
	local kernel_start kernel_made kernel_end
	kind=$1 case_name=$2
	shift 4
	echo "$kind, $case_name" >&2
	start=$(($(date +%s) - 86400))
	"start_$kind"
	rss_start=$(resident_bytes) cpu_start=$(cpu_ns) kernel_start=$(kernel_ns)
	load --series="$series" --rounds=1 "$@"
	cpu_made=$(cpu_ns) rss_made=$(resident_bytes) kernel_made=$(kernel_ns)
	load --series="$series" --first-round=1 --rounds="$rounds" "$@"
	cpu_end=$(cpu_ns) rss_end=$(resident_bytes) kernel_end=$(kernel_ns)
	rate=$(number samples_per_second) samples=$(number samples)
	keep cpu "($cpu_end - $cpu_made) / 1e3 / $samples"
	keep kernel "($kernel_end - $kernel_made) / 1e3 / $samples"
	keep rate "$rate"
	keep first_kernel "($kernel_made - $kernel_start) / 1e3 / $series"
	keep first "($cpu_made - $cpu_start) / 1e3 / $series"
	keep wire "$(number bytes) / $samples"
	keep p50 "$(number latency_ms p50)"
	keep p99 "$(number latency_ms p99)"
	keep series_bytes "($rss_end - $rss_start) / $series"
	keep sample_bytes "($rss_end - $rss_made) / $samples"
	if [ "$kind" = nimbusguard ]; then
		keep held_bytes "$(page_value nimbusguard_store_memory_bytes) / $(page_value nimbusguard_store_samples)"
	fi
	load --series="$series" --first-round=$((rest + 1)) --duration=3 --rate="$(awk "BEGIN { printf \"%.0f\", 0.7 * $rate }")" "$@"
	keep p50_paced "$(number latency_ms p50)"
	keep p99_paced "$(number latency_ms p99)"
	keep p99_due "$(number due_ms p99)"
	stop_server
	rm -rf "$folder/nimbusguard" "$folder/prometheus"
}

# Prometheus gets fewer rounds where rounds are all alike: it needs a hundred times as long for them.
run_all() { # name
	case $1 in
	10k) run_case nimbusguard 10k 10000 240; run_case prometheus 10k 10000 60 ;;
	100k) run_case nimbusguard 100k 100000 40; run_case prometheus 100k 100000 10 ;;
	churn) for kind in nimbusguard prometheus; do run_case $kind churn 100000 10 --churn=10; done ;;
	shuffled) run_case nimbusguard shuffled 100000 20 --shuffle; run_case prometheus shuffled 100000 10 --shuffle ;;
	1M) run_case nimbusguard 1M 1000000 20; run_case prometheus 1M 1000000 4 ;;
	*) fail "no case $1" ;;
	esac
}

median() { # case server measure
	awk -v key="$1 $2 $3" '$1 " " $2 " " $3 == key { print $4 }' "$results" | sort -g |
		awk '{ v[NR] = $1 } END { if (NR) print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2; else print "-" }'
}

row() { # title server measure format
	local c
	printf '%-34s' "$1"
	for c in $cases; do
		# shellcheck disable=SC2059
		printf " %12s" "$(median "$c" "$2" "$3" | awk -v f="$4" '$1 == "-" { print; next } { printf f, $1 }')"
	done
	echo
}

ratio() { # title measure turned(0|1)
	local c
	printf '%-34s' "$1"
	for c in $cases; do
		printf ' %12s' "$(awk -v n="$(median "$c" nimbusguard "$2")" -v p="$(median "$c" prometheus "$2")" \
			-v turned="$3" 'BEGIN { if (n == 0 || p == 0) print "-"; else printf "%.0fx", turned ? n / p : p / n }')"
	done
	echo
}

both() { # title measure format turned
	echo
	echo "$1"
	row '  NimbusGuard' nimbusguard "$2" "$3"
	row '  Prometheus' prometheus "$2" "$3"
	[ -z "${4:-}" ] || ratio '  better by' "$2" "$4"
}

# What a new series costs in a running stream: a tenth of the churn column's samples are of new ones.
new_series() {
	local server
	case " $cases " in *' churn '*) ;; *) return 0 ;; esac
	case " $cases " in *' 100k '*) ;; *) return 0 ;; esac
	echo
	for server in nimbusguard prometheus; do
		awk -v s="$server" -v churn="$(median churn "$server" cpu)" -v steady="$(median 100k "$server" cpu)" \
			'BEGIN { printf "CPU us of a new series, %s: %.2f (churn less 100k, tenfold)\n", s, (churn - steady) * 10 }'
	done
}

cases=${CASES:-10k 100k churn shuffled}
[ -z "${BENCH_LARGE:-}" ] || cases="$cases 1M"
case " $cases " in *' 1M '*) memory=6GiB ;; *) memory=2GiB ;; esac
for ((i = 1; i <= repeats; i++)); do
	echo "run $i of $repeats" >&2
	for name in $cases; do run_all "$name"; done
done

echo "$(nproc) cores, $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), load average $(cut -d' ' -f1-3 /proc/loadavg)"
"$prometheus" --version 2>&1 | head -n 1 | cut -d' ' -f1-3
echo "medians of $repeats runs, $connections connections, requests of 2000 series with one sample each, 10 labels"
echo
printf '%-34s' 'series'
# shellcheck disable=SC2086
printf ' %12s' $cases
echo
row 'bytes of snappy a sample' nimbusguard wire %.1f
both 'CPU seconds per million samples' cpu %.3f 0
both 'of that in the kernel' kernel %.3f
both 'samples a second' rate %.0f 1
both 'CPU us of the round that makes the series, each' first %.2f 0
both 'of that in the kernel' first_kernel %.2f
new_series
both 'resident bytes a series, all rounds' series_bytes %.0f 0
both 'resident bytes a sample of growth' sample_bytes %.1f
row '  NimbusGuard, store alone, of all' nimbusguard held_bytes %.1f
both 'ms of a request at saturation, p50' p50 %.2f 0
both 'ms of a request at saturation, p99' p99 %.2f 0
both 'ms of a request at 70 %, p50' p50_paced %.2f 0
both 'ms of a request at 70 %, p99' p99_paced %.2f 0
both 'the same from when it was due, p99' p99_due %.2f 0
echo
echo "floor, in one process:"
"$build/release/tests/bench/bench_ingest"
[ -z "${BENCH_LARGE:-}" ] || "$build/release/tests/bench/bench_ingest" 1000000 10
