#!/bin/bash
# What the recording rules cost Debian's Prometheus: it scrapes every 15 s the series that they read, of a synthetic cluster
# (kube-state-metrics, cAdvisor, and HTTP requests of a third of the pods), and evaluates every shipped rule. Printed after some
# rounds: for each group the median and the longest of its last durations as Prometheus tells them, and what of a core all take
# together at their intervals; the cores are those of the whole Prometheus, with its scrapes. Nothing is written but into a temporary folder.
#
# Usage: bench_rules.sh [BUILD]     environment: NODES=1000 PODS=10 (a node) ROUNDS=6
set -euo pipefail
cd "$(dirname "$0")/../.."

build=$(realpath "${1:-build}")
nodes=${NODES:-1000} pods=${PODS:-10} rounds=${ROUNDS:-6}
tests/support/servers.sh "$build/servers" >&2

folder=$(mktemp -d "${TMPDIR:-/tmp}/bench-rules.XXXXXX")
running=()
stop_all() {
	for pid in "${running[@]}"; do
		if kill "$pid" 2>/dev/null; then wait "$pid" 2>/dev/null || true; fi
	done
	running=()
}
trap 'stop_all; rm -rf "$folder"' EXIT
trap 'exit 130' INT TERM

# Two pages, in which every counter stands differently: scraped in turn, each of them goes on (by a reset now and then).
# Ten pods make a Deployment.
for page in 1 2; do
	awk -v nodes="$nodes" -v pods="$pods" -v page="$page" 'BEGIN {
		count = nodes * pods
		for (w = 0; w < count / 10; w++) {
			where = "namespace=\"ns-" w % 50 "\""
			printf "kube_replicaset_owner{%s,replicaset=\"app-%d-a\",owner_kind=\"Deployment\",owner_name=\"app-%d\"} 1\n", where, w, w
			printf "kube_replicaset_created{%s,replicaset=\"app-%d-a\"} 1700000000\n", where, w
			printf "kube_deployment_status_replicas_ready{%s,deployment=\"app-%d\"} 10\n", where, w
			printf "kube_deployment_spec_replicas{%s,deployment=\"app-%d\"} 10\n", where, w
			printf "kube_deployment_status_condition{%s,deployment=\"app-%d\",condition=\"Progressing\",status=\"true\"} 1\n", where, w
		}
		for (p = 0; p < count; p++) {
			w = int(p / 10)
			pod = "namespace=\"ns-" w % 50 "\",pod=\"app-" w "-a-" p % 10 "\""
			box = pod ",container=\"app\""
			printf "kube_pod_owner{%s,owner_kind=\"ReplicaSet\",owner_name=\"app-%d-a\"} 1\n", pod, w
			printf "kube_pod_status_phase{%s,phase=\"Pending\"} 0\n", pod
			printf "kube_pod_info{%s,node=\"node-%d\"} 1\n", pod, p % nodes
			printf "kube_pod_container_resource_requests{%s,resource=\"cpu\"} 0.5\n", box
			printf "kube_pod_container_resource_requests{%s,resource=\"memory\"} 268435456\n", box
			printf "kube_pod_container_resource_limits{%s,resource=\"cpu\"} 1\n", box
			printf "kube_pod_container_resource_limits{%s,resource=\"memory\"} 536870912\n", box
			printf "kube_pod_container_status_restarts_total{%s} %d\n", box, p % 3
			printf "kube_pod_container_status_last_terminated_reason{%s,reason=\"%s\"} 1\n", box, p % 50 ? "Completed" : "OOMKilled"
			printf "container_cpu_usage_seconds_total{%s} %.3f\n", box, 1000 + p + 4 * page
			printf "container_memory_working_set_bytes{%s} %d\n", box, 200000000 + p
			printf "container_cpu_cfs_periods_total{%s} %d\n", box, 10000 + 150 * page
			printf "container_cpu_cfs_throttled_periods_total{%s} %d\n", box, 100 + 3 * page
			if (w % 3)
				continue
			printf "http_requests_total{%s,code=\"200\"} %d\n", pod, 5000 + 300 * page
			printf "http_requests_total{%s,code=\"500\"} %d\n", pod, 50 + page
			split("0.005 0.01 0.025 0.05 0.1 0.25 0.5 1 2.5 5 10 +Inf", bounds, " ")
			for (b = 1; b <= 12; b++)
				printf "http_request_duration_seconds_bucket{%s,le=\"%s\"} %d\n", pod, bounds[b], b * (400 + 25 * page)
			printf "http_request_duration_seconds_count{%s} %d\n", pod, 12 * (400 + 25 * page)
		}
	}' >"$folder/page$page"
done
series=$(wc -l <"$folder/page1")

cat >"$folder/target.py" <<'END'
import http.server
import sys

pages = [open(sys.argv[1] + "/page" + n, "rb").read() for n in "12"]
count = 0


class Target(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        global count
        count += 1
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(pages[count % 2])))
        self.end_headers()
        self.wfile.write(pages[count % 2])

    def log_message(self, *rest):
        pass


server = http.server.HTTPServer(("127.0.0.1", 0), Target)
with open(sys.argv[1] + "/port", "w") as out:
    out.write(str(server.server_port) + "\n")
server.serve_forever()
END
python3 "$folder/target.py" "$folder" &
running+=("$!")
until [ -s "$folder/port" ]; do sleep 0.1; done

cat >"$folder/prometheus.yml" <<-END
	global: {scrape_interval: 15s, scrape_timeout: 15s, evaluation_interval: 15s}
	rule_files: ["$PWD/rules/prometheus/*.rules.yml"]
	scrape_configs:
	- job_name: cluster
	  honor_labels: true
	  static_configs: [{targets: ["127.0.0.1:$(cat "$folder/port")"]}]
END
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
"$build/servers/usr/bin/prometheus" --config.file="$folder/prometheus.yml" --storage.tsdb.path="$folder/tsdb" \
	--web.listen-address="127.0.0.1:$port" 2>"$folder/prometheus.log" &
prometheus=$!
running+=("$prometheus")

cpu() {
	awk -v hz="$(getconf CLK_TCK)" '{ printf "%.2f", ($14 + $15) / hz }' "/proc/$prometheus/stat"
}

# The first rounds have no rates yet.
sleep 60
before=$(cpu) began=$(date +%s)
for _ in $(seq "$rounds"); do
	sleep 15
	curl -sf "http://127.0.0.1:$port/metrics" >"$folder/metrics"
	# name{rule_group="FILE;GROUP"} value
	grep -E '^prometheus_rule_group_(last_duration_seconds|last_evaluation_samples|interval_seconds)\{' "$folder/metrics" |
		sed -E 's/^prometheus_rule_group_([a-z_]*)\{rule_group="[^"]*;([^";]*)"\} /\1 \2 /' >>"$folder/rounds"
done
used=$(awk -v a="$before" -v b="$(cpu)" -v s="$(($(date +%s) - began))" 'BEGIN { printf "%.2f", (b - a) / s }')
memory=$(awk '/^VmRSS/ { printf "%.0f", $2 / 1024 }' "/proc/$prometheus/status")
missed=$(awk '/^prometheus_rule_group_iterations_missed_total\{/ { sum += $2 } END { print sum + 0 }' "$folder/metrics")
slow=$(curl -sf "http://127.0.0.1:$port/api/v1/query?query=scrape_duration_seconds" |
	python3 -c 'import json, sys; print("%.1f" % float(json.load(sys.stdin)["data"]["result"][0]["value"][1]))')

echo "$nodes nodes, $((nodes * pods)) pods, $series series scraped ($slow s a scrape), Prometheus $memory MiB and $used cores, $missed evaluations missed, load $(cut -d " " -f 1 /proc/loadavg)"
sort "$folder/rounds" | awk '
	$1 == "interval_seconds" { interval[$2] = $3 }
	$1 == "last_evaluation_samples" { samples[$2] = $3 }
	$1 == "last_duration_seconds" { time[$2, ++n[$2]] = $3 }
	END {
		printf "%-30s %8s %9s %9s %9s\n", "group", "series", "median s", "longest s", "% of core"
		for (group in n) {
			for (i = 2; i <= n[group]; i++)
				for (k = i; k > 1 && time[group, k] + 0 < time[group, k - 1] + 0; k--) {
					swap = time[group, k]; time[group, k] = time[group, k - 1]; time[group, k - 1] = swap
				}
			median = time[group, int((n[group] + 1) / 2)]
			share = 100 * median / interval[group]
			all += share
			printf "%-30s %8d %9.3f %9.3f %9.2f\n", group, samples[group], median, time[group, n[group]], share
		}
		printf "%-30s %38.2f\n", "all", all
	}'
