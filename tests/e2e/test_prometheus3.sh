#!/bin/bash
# A current Prometheus scrapes itself and sends remote write 1.0 and 2.0 to NimbusGuard, one after the other: none is
# refused, and what its own query API has is in the rings: samples by timestamp and value, native histograms bucket by
# bucket and quantile by quantile, exemplars by value and labels, and with 2.0 histograms of custom bounds, too. The other
# way NimbusGuard writes to it, in 2.0 where it takes that and in 1.0 where it does not, and finding that out loses nothing.
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

# Two lists of histograms of NAME as sorted lines "labels time count sum buckets", numbers as they are as doubles.
# shellcheck disable=SC2016 # the dollars are jq's
histogram_lines='
	def number: if . == "+Inf" then infinite elif . == "-Inf" then -infinite elif . == "NaN" then nan else tonumber end;
	.data.result[] | (.metric | del(.__name__) | tojson) as $labels | (.histograms // [])[] |
	select(.[1] != "stale") |
	[$labels, .[0], (.[1].count | number), (.[1].sum | number),
		((.[1].buckets // []) | map([.[0], (.[1] | number), (.[2] | number), (.[3] | number)]))] | tojson'
histograms_of_prometheus() {
	curl -sSfG "$1/api/v1/query" --data-urlencode "query=$2[$3s]" --data-urlencode "time=$4" |
		jq -r "$histogram_lines" | sort -u
}
histograms_of_nimbusguard() {
	curl -sSfG "$1/api/v1/query" --data-urlencode "match[]=$2" --data-urlencode "start=$3.001" \
		--data-urlencode "end=$4" --data-urlencode histograms=true | jq -r "$histogram_lines" | sort -u
}

# Sorted lines "labels quantile" of the observations within the same window.
quantiles_of_prometheus() {
	curl -sSfG "$1/api/v1/query" --data-urlencode "query=histogram_quantile($5, rate($2[$3s]))" \
		--data-urlencode "time=$4" |
		jq -r '.data.result[] | "\(.metric | del(.__name__) | tojson)\t\(.value[1])"' | sort
}
quantiles_of_nimbusguard() {
	curl -sSfG "$1/api/v1/query" --data-urlencode "match[]=$2" --data-urlencode "start=$3.001" \
		--data-urlencode "end=$4" --data-urlencode "quantile=$5" |
		jq -r '.data.result[] | select(.observed != null) |
			"\(.metric | del(.__name__) | tojson)\t\(.observed.quantiles[0][1])"' | sort
}

# check_quantiles VERSION: the lines of have and got, to 1e-9 of the value.
check_quantiles() {
	join -t $'\t' -a 1 -a 2 -e missing -o 0,1.2,2.2 have got |
		awk -F '\t' -v what="$1" '
			{ lines++; difference = $2 - $3; scale = $2 < 0 ? -$2 : $2 }
			$2 == $3 { next }
			$2 == "NaN" || $3 == "NaN" || $2 == "missing" || $3 == "missing" ||
				difference > scale * 1e-9 || -difference > scale * 1e-9 {
				printf "%s: %s is %s, not %s\n", what, $1, $3, $2; bad = 1 }
			END { exit bad || !lines }' || fail "$1: quantiles differ"
}

# check_histograms VERSION PROMETHEUS GUARD NAME FROM TO
check_histograms() {
	local q
	histograms_of_prometheus "$2" "$4" $(($6 - $5)) "$6" >have
	histograms_of_nimbusguard "$3" "$4" "$5" "$6" >got
	[ "$(wc -l <have)" -ge 6 ] || fail "$1: Prometheus has too few histograms of $4"
	# Bounds of buckets come from a table in one and from exp2() in the other: the last bit may differ.
	jq -en --slurpfile have have --slurpfile got got '
		def same($a; $b):
			if $a == $b then true
			elif ($a | type) == "number" and ($b | type) == "number" then
				($a - $b | fabs) <= ($a | fabs) * 1e-15
			elif ($a | type) == "array" and ($b | type) == "array" and ($a | length) == ($b | length) then
				all(range($a | length); . as $i | same($a[$i]; $b[$i]))
			else false end;
		same($have; $got)' >/dev/null || {
		diff have got
		fail "$1: $4 differs (< Prometheus, > NimbusGuard)"
	}
	# Where the rank falls between two buckets with empty ones in between, the rounding of rate() decides which of them
	# it is: these quantiles have no such rank but at the ends.
	for q in 0 0.0123 0.2519 0.5137 0.9017 0.9871 1; do
		quantiles_of_prometheus "$2" "$4" $(($6 - $5)) "$6" "$q" >have
		quantiles_of_nimbusguard "$3" "$4" "$5" "$6" "$q" >got
		check_quantiles "$1: quantile $q of $4"
	done
}

exemplars_of_prometheus() {
	curl -sSfG "$1/api/v1/query_exemplars" --data-urlencode "query=$2" --data-urlencode "start=$3" \
		--data-urlencode "end=$4" |
		jq -r '.data[].exemplars[] | "\(.labels | tojson) \(.value | tonumber) \(.timestamp)"' | sort -u
}
exemplars_of_nimbusguard() {
	curl -sSfG "$1/api/v1/query" --data-urlencode "match[]=$2" --data-urlencode "start=$3" \
		--data-urlencode "end=$4" --data-urlencode exemplars=true |
		jq -r '.data.result[].exemplars[] | "\(.labels | tojson) \(.value | tonumber) \(.timestamp)"' | sort -u
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
		--ingest.histograms='{__name__=~"prometheus_.+"}' --ingest.histograms-keep=200 \
		--ingest.exemplars='{job="page"}' --ingest.exemplars-keep=200 \
		2>"guard-$version.log" &
	pids+=($!)
	local guard_pid=$!
	cat >"prometheus-$version.yml" <<-YAML
		global: {scrape_interval: 1s}
		scrape_configs:
		- job_name: self
		  scrape_native_histograms: true
		  static_configs: [{targets: ["127.0.0.1:$port"]}]
		- job_name: classic
		  convert_classic_histograms_to_nhcb: true
		  static_configs: [{targets: ["127.0.0.1:$port"]}]
		- job_name: page
		  fallback_scrape_protocol: OpenMetricsText1.0.0
		  metrics_path: /consoles/page.html
		  static_configs: [{targets: ["127.0.0.1:$port"]}]
		remote_write:
		- url: $guard/api/v1/write
		  protobuf_message: $message
		  send_native_histograms: true
		  send_exemplars: true
		  queue_config: {batch_send_deadline: 1s}
	YAML
	wait_for 20 curl -sf "$guard/-/ready"
	"$prometheus" --config.file="prometheus-$version.yml" --web.listen-address="127.0.0.1:$port" \
		--enable-feature=exemplar-storage --web.console.templates="$TMPDIR/consoles" --storage.tsdb.path="tsdb-$version" >"prometheus-$version.log" 2>&1 &
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
	check_histograms "$version" "http://127.0.0.1:$port" "$guard" \
		'prometheus_http_request_duration_seconds{job="self"}' "$from" "$to"
	if [ "$version" = 2.0 ]; then
		check_histograms "$version" "http://127.0.0.1:$port" "$guard" \
			'prometheus_http_response_size_bytes{job="classic"}' "$from" "$to"
	fi
	exemplars_of_prometheus "http://127.0.0.1:$port" page_requests_total "$from" "$to" >have
	exemplars_of_nimbusguard "$guard" page_requests_total "$from" "$to" >got
	[ "$(wc -l <have)" -ge 6 ] || fail "$version: Prometheus has too few exemplars"
	diff have got || fail "$version: exemplars differ (< Prometheus, > NimbusGuard)"
	for name in samples histograms exemplars; do
		[ "$(metric "http://127.0.0.1:$port" "prometheus_remote_storage_${name}_failed_total")" = 0 ] ||
			fail "$version: Prometheus counts failed $name"
	done
	[ "$(metric "$guard" nimbusguard_remote_write_invalid_total)" = 0 ] || fail "$version: series were refused"
	[ "$(metric "$guard" 'nimbusguard_remote_write_samples_total{result="stored"}')" -gt 1000 ] ||
		fail "$version: too few samples were stored"
	kill "$prometheus_pid"
	wait "$prometheus_pid" || true
	kill "$guard_pid"
	wait "$guard_pid" || fail "$version: NimbusGuard did not end with 0"
	echo "remote write $version: samples, histograms and exemplars of a current Prometheus arrived as they are there"
}

# A page with exemplars, one a second, which Prometheus itself serves from a template of its consoles. The control
# character keeps the page from being taken for text of the older format.
mkdir consoles
cat >consoles/page.html <<PAGE
{{ \$now := query "time()" | first | value | printf "%.0f" }}# TYPE page_requests counter
# HELP page_requests $(printf '\001')
page_requests_total {{ \$now }} # {trace_id="trace-{{ \$now }}",span_id="a"} 0.25
# EOF
PAGE

run 1.0 prometheus.WriteRequest
run 2.0 io.prometheus.write.v2.Request

has_written() {
	[ "$(curl -sSfG "$1/api/v1/query" --data-urlencode 'query=count_over_time(nimbusguard_mlflow_queue{origin="out"}[5m])' |
		jq -r '.data.result[0].value[1] // 0')" -ge 3 ]
}

# take PROTOCOL MESSAGE...: a Prometheus that accepts these is written to in that protocol.
take() {
	local protocol=$1 message port guard accepted=()
	shift
	for message; do
		accepted+=("--web.remote-write-receiver.accepted-protobuf-messages=$message")
	done
	port=$(free_port)
	guard=http://127.0.0.1:$(free_port)
	echo 'global: {}' >"take-$protocol.yml"
	"$prometheus" --config.file="take-$protocol.yml" --web.listen-address="127.0.0.1:$port" --web.enable-remote-write-receiver \
		"${accepted[@]}" \
		--storage.tsdb.path="taken-$protocol" >"take-$protocol.log" 2>&1 &
	pids+=($!)
	local prometheus_pid=$!
	wait_for 60 curl -sf "http://127.0.0.1:$port/-/ready"
	"$NIMBUSGUARD_TEST_BIN" serve --web.listen-address="${guard#http://}" --storage.path="taker-$protocol" \
		--remote-write-out.url="http://127.0.0.1:$port/api/v1/write" --remote-write-out.interval=1s \
		--remote-write-out.metrics='nimbusguard_mlflow_queue,nimbusguard_remote_write_out_series' \
		--remote-write-out.external-labels=origin=out 2>"taker-$protocol.log" &
	pids+=($!)
	local guard_pid=$!
	wait_for 90 has_written "http://127.0.0.1:$port"
	grep -q "the receiver's protocol\" protocol=$protocol" "taker-$protocol.log" || fail "$protocol: another protocol was settled"
	[ "$(metric "$guard" 'nimbusguard_remote_write_out_samples_total{result="sent"}')" -ge 3 ] || fail "$protocol: nothing was sent"
	[ "$(metric "$guard" 'nimbusguard_remote_write_out_samples_total{result="refused"}')" = 0 ] || fail "$protocol: samples were refused"
	kill "$guard_pid"
	wait "$guard_pid" || fail "$protocol: NimbusGuard did not end with 0"
	kill "$prometheus_pid"
	wait "$prometheus_pid" || true
	echo "remote write $protocol out: taken by a current Prometheus"
}

take 2.0 prometheus.WriteRequest io.prometheus.write.v2.Request
take 1.0 prometheus.WriteRequest
