#!/bin/bash
# What real series take: Debian's Prometheus scrapes real exporters every 15 s (node-exporter with its usual collectors
# and with nearly all of them, cAdvisor with its own timestamps and with the scrape's, and the two servers themselves)
# for MINUTES and sends everything on to NimbusGuard. Printed: what NimbusGuard's own metrics say of bytes, series and
# samples, what Prometheus' chunks take for the same, and bytes a sample by job and kind (bench_real_series.c). cAdvisor
# is built from its Go module and left out where there is no Go. The machine should be doing something meanwhile: an
# idle one has constants only.
#
# Usage: bench_real_series.sh [BUILD]     environment: MINUTES=20, KEEP=FILE (where the dump of all samples is kept),
#   WORST=N (the series that take most)
set -euo pipefail
cd "$(dirname "$0")/../.."

build=$(realpath "${1:-build}")
minutes=${MINUTES:-20}
nimbusguard=$build/release/nimbusguard
reader=$build/release/tests/bench/bench_real_series
servers=$build/servers/usr/bin
exporters=$build/exporters
for program in "$nimbusguard" "$reader"; do
	[ -x "$program" ] || { echo "bench_real_series: $program is missing: make bench TESTS=bench_real_series" >&2; exit 1; }
done
tests/support/servers.sh "$build/servers" >&2
tests/support/servers.sh "$exporters" prometheus-node-exporter >&2
if command -v go >/dev/null; then
	(cd tests/bench/cadvisor && GOTOOLCHAIN=local GOFLAGS=-mod=readonly go build -o "$exporters/cadvisor" .) >&2 ||
		echo "bench_real_series: cAdvisor could not be built and is left out" >&2
else
	echo "bench_real_series: no Go toolchain, cAdvisor is left out" >&2
fi

folder=$(mktemp -d "${TMPDIR:-/tmp}/bench-real.XXXXXX")
running=()
# The last one first: whoever sends ends before who receives.
stop_all() {
	for ((i = ${#running[@]} - 1; i >= 0; i--)); do
		if kill "${running[i]}" 2>/dev/null; then wait "${running[i]}" 2>/dev/null || true; fi
	done
	running=()
}
trap 'stop_all; rm -rf "$folder"' EXIT
trap 'exit 130' INT TERM

start() { # name program argument...
	"${@:2}" >"$folder/$1.log" 2>&1 &
	running+=("$!")
}

answers() { # url
	for _ in $(seq 200); do
		curl -sf --noproxy '*' -o "$folder/answer" "$1" && return
		sleep 0.1
	done
	echo "bench_real_series: nothing answers at $1" >&2
	tail -n 5 "$folder"/*.log >&2
	return 1
}

free_port() {
	python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

few=$(free_port) many=$(free_port) containers=$(free_port) ours=$(free_port) theirs=$(free_port)
start few "$exporters/usr/bin/prometheus-node-exporter" --web.listen-address="127.0.0.1:$few"
# Those left out ask other machines, or systemd, or take privileges.
start many "$exporters/usr/bin/prometheus-node-exporter" --web.listen-address="127.0.0.1:$many" --collector.buddyinfo \
	--collector.cgroups --collector.ethtool --collector.interrupts --collector.ksmd --collector.lnstat \
	--collector.meminfo_numa --collector.mountstats --collector.network_route --collector.processes \
	--collector.slabinfo --collector.sysctl --collector.tcpstat --collector.zoneinfo
cadvisor=
if [ -x "$exporters/cadvisor" ]; then
	start cadvisor "$exporters/cadvisor" "127.0.0.1:$containers"
	cadvisor="
- job_name: cadvisor
  static_configs: [{targets: ['127.0.0.1:$containers']}]
- job_name: cadvisor-scrape-time
  honor_timestamps: false
  static_configs: [{targets: ['127.0.0.1:$containers']}]"
fi
start nimbusguard "$nimbusguard" serve --web.listen-address="127.0.0.1:$ours" --storage.path="$folder/nimbusguard"
cat >"$folder/prometheus.yml" <<-END
	global: {scrape_interval: 15s, external_labels: {cluster: bench}}
	remote_write:
	- url: http://127.0.0.1:$ours/api/v1/write
	scrape_configs:
	- job_name: node
	  static_configs: [{targets: ['127.0.0.1:$few']}]
	- job_name: node-all
	  static_configs: [{targets: ['127.0.0.1:$many']}]
	- job_name: prometheus
	  static_configs: [{targets: ['127.0.0.1:$theirs']}]
	- job_name: nimbusguard
	  static_configs: [{targets: ['127.0.0.1:$ours']}]$cadvisor
END
start prometheus "$servers/prometheus" --config.file="$folder/prometheus.yml" --storage.tsdb.path="$folder/tsdb" \
	--web.listen-address="127.0.0.1:$theirs" --web.enable-admin-api --log.level=warn
answers "http://127.0.0.1:$few/metrics"
answers "http://127.0.0.1:$ours/-/ready"
answers "http://127.0.0.1:$theirs/-/ready"
answers "http://127.0.0.1:$many/metrics"
echo "bench_real_series: $minutes minutes from $(date +%H:%M:%S) on" >&2
sleep $((minutes * 60))

metric() { # name
	awk -v name="$1" '$1 == name { print $2 }' "$folder/page"
}
curl -sf --noproxy '*' -o "$folder/page" "http://127.0.0.1:$ours/metrics"
curl -sf --noproxy '*' -X POST -o "$folder/answer" "http://127.0.0.1:$theirs/api/v1/admin/tsdb/snapshot"
stop_all
snapshot=$(echo "$folder"/tsdb/snapshots/*)
mkdir "$snapshot/wal" # without one promtool does not read it
"$servers/promtool" tsdb dump "$snapshot" >"$folder/dump"

echo "$minutes minutes at 15 s, load average $(cut -d' ' -f1-3 /proc/loadavg)"
awk -v bytes="$(metric nimbusguard_store_memory_bytes)" -v series="$(metric nimbusguard_store_series)" \
	-v samples="$(metric nimbusguard_store_samples)" 'BEGIN {
	printf "NimbusGuard: %.0f series, %.0f samples; %.0f bytes a series in all, %.2f a sample\n", series, samples,
		bytes / series, bytes / samples }'
# Each chunk of Prometheus has a header of some bytes, and the index stands in a file of its own.
cat "$snapshot"/*/meta.json | awk -v bytes="$(cat "$snapshot"/*/chunks/* | wc -c)" -F '[:,]' '
	/"numSamples"/ { samples += $2 } /"numSeries"/ { series += $2 } /"numChunks"/ { chunks += $2 }
	END { printf "Prometheus: %.0f series, %.0f samples, %.0f chunks; its chunks take %.2f bytes a sample\n", series, samples,
		chunks, bytes / samples }'
for job in node node-all cadvisor cadvisor-scrape-time prometheus nimbusguard; do
	grep -F "job=\"$job\"" "$folder/dump" >"$folder/job" || continue
	echo
	echo "$job"
	"$reader" "$folder/job"
done
echo
echo "all"
"$reader" "$folder/dump" ${WORST:+"--worst=$WORST"}
[ -z "${KEEP:-}" ] || cp "$folder/dump" "$KEEP"
