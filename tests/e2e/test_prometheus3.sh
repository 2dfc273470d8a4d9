#!/bin/bash
# A current Prometheus scrapes itself and sends remote write 1.0 and 2.0 to NimbusGuard, one after the other: none is
# refused, and what its own query API has is in the rings, timestamp by timestamp and value by value.
set -euo pipefail

prometheus=$(cd "$NIMBUSGUARD_SOURCE" && pwd)/build/e2e/prometheus
if [ ! -x "$prometheus" ] || ! command -v curl >/dev/null || ! command -v jq >/dev/null; then
	echo "skipped: needs a Go toolchain, curl and jq"
	exit 77
fi
cd "$TMPDIR"
pids=()
stop_all() {
	[ ${#pids[@]} -eq 0 ] || kill "${pids[@]}" 2>/dev/null || true
	wait
}
trap stop_all EXIT

fail() {
	echo "failed: $*" >&2
	tail -n 20 ./*.log >&2
	exit 1
}

# wait_for SECONDS COMMAND...: until the command succeeds.
wait_for() {
	local tries=$(($1 * 5))
	shift
	until "$@" >/dev/null 2>&1; do
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || fail "waited in vain for: $*"
		sleep 0.2
	done
}

free_port() {
	local port
	while :; do
		port=$((20000 + RANDOM % 20000))
		(exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
	done
	echo "$port"
}

# Both give sorted lines "time value": NAME in the last so many seconds before TIME, and between START and END.
of_prometheus() {
	curl -sSfG "$1/api/v1/query" --data-urlencode "query=$2[$3s]" --data-urlencode "time=$4" |
		jq -r '.data.result[].values[] | "\(.[0]) \(.[1] | tonumber)"' | sort -u
}

of_nimbusguard() {
	curl -sSfG "$1/api/v1/query" --data-urlencode "match[]=$2" --data-urlencode "start=$3" --data-urlencode "end=$4" |
		jq -r '.data.result[].values[] | select(.[1] != "stale") | "\(.[0]) \(.[1] | tonumber)"' | sort -u
}

# scraped URL N: whether Prometheus has scraped itself N times. Its first scrape comes some seconds after its start.
scraped() {
	[ "$(curl -sSfG "$1/api/v1/query" --data-urlencode 'query=count_over_time(up[1m])' |
		jq -r '.data.result[0].value[1] // 0')" -ge "$2" ]
}

metric() {
	curl -sSf "$1/metrics" | awk -v name="$2" 'index($1, name) == 1 { sum += $2 } END { printf "%d\n", sum }'
}

run() {
	local version=$1 message=$2 port guard
	port=$(free_port)
	guard=http://127.0.0.1:$(free_port)
	"$NIMBUSGUARD_TEST_BIN" serve --web.listen-address="${guard#http://}" --storage.path="guard-$version" \
		2>"guard-$version.log" &
	pids+=($!)
	local guard_pid=$!
	cat >"prometheus-$version.yml" <<-YAML
		global: {scrape_interval: 1s}
		scrape_configs:
		- job_name: self
		  static_configs: [{targets: ["127.0.0.1:$port"]}]
		remote_write:
		- url: $guard/api/v1/write
		  protobuf_message: $message
		  queue_config: {batch_send_deadline: 1s}
	YAML
	wait_for 20 curl -sf "$guard/-/ready"
	"$prometheus" --config.file="prometheus-$version.yml" --web.listen-address="127.0.0.1:$port" \
		--storage.tsdb.path="tsdb-$version" >"prometheus-$version.log" 2>&1 &
	pids+=($!)
	local prometheus_pid=$!
	wait_for 60 curl -sf "http://127.0.0.1:$port/-/ready"
	wait_for 90 scraped "http://127.0.0.1:$port" 15
	local from to name
	to=$(($(date +%s) - 4))
	from=$((to - 8))
	for name in up scrape_samples_scraped prometheus_tsdb_head_series go_goroutines; do
		of_prometheus "http://127.0.0.1:$port" "$name" 8 "$to" >have
		of_nimbusguard "$guard" "$name" "$from" "$to" >got
		[ "$(wc -l <have)" -ge 6 ] || fail "$version: Prometheus has too few samples of $name"
		# A range selector leaves its left end out.
		awk -v from="$from" '$1 > from' got >got.open
		diff have got.open || fail "$version: $name differs (< Prometheus, > NimbusGuard)"
	done
	[ "$(metric "http://127.0.0.1:$port" prometheus_remote_storage_samples_failed_total)" = 0 ] ||
		fail "$version: Prometheus counts failed samples"
	[ "$(metric "$guard" nimbusguard_remote_write_invalid_total)" = 0 ] || fail "$version: series were refused"
	[ "$(metric "$guard" 'nimbusguard_remote_write_samples_total{result="stored"}')" -gt 1000 ] ||
		fail "$version: too few samples were stored"
	kill "$prometheus_pid"
	wait "$prometheus_pid" || true
	kill "$guard_pid"
	wait "$guard_pid" || fail "$version: NimbusGuard did not end with 0"
	echo "remote write $version: samples of a current Prometheus are in the rings"
}

run 1.0 prometheus.WriteRequest
run 2.0 io.prometheus.write.v2.Request
