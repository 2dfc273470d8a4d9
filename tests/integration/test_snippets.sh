#!/bin/bash
# What deploy/ says to Prometheus and Alertmanager is taken by their own checkers, the compose file's and the values for
# kube-prometheus-stack too, and all of them send the same stream and the same alerts.
set -euo pipefail

bin=$NIMBUSGUARD_TEST_SERVERS
if [ ! -x "$bin/promtool" ] || [ ! -x "$bin/amtool" ]; then
	echo "skipped: needs promtool and amtool"
	exit 77
fi
cd "$NIMBUSGUARD_SOURCE/deploy"

fail() {
	echo "failed: $*" >&2
	exit 1
}

sed -e "s#/etc/prometheus/rules#$NIMBUSGUARD_SOURCE/rules/prometheus#" compose/prometheus.yml >"$TMPDIR/prometheus.yml"
"$bin/promtool" check config "$TMPDIR/prometheus.yml" || fail compose/prometheus.yml
"$bin/amtool" check-config compose/alertmanager.yml || fail compose/alertmanager.yml

# The rules that the operator gets are the rules.
for name in workloads alerts library; do
	sed -n '/^spec:$/,$ { /^spec:$/d; s/^  //; p }' "kubernetes/components/observability/rules-$name.yaml" >"$TMPDIR/$name.yml"
	"$bin/promtool" check rules "$TMPDIR/$name.yml" || fail "rules-$name.yaml"
done

# part FILE KEY: what stands below KEY, a line of its own, laid to the left.
part() {
	awk -v key="$2" '
		!on && $0 ~ "^ *" key ":$" { match($0, /^ */); depth = RLENGTH; on = 1; next }
		on { match($0, /^ */); if ($0 !~ /^ *-/ && RLENGTH <= depth || RLENGTH < depth) exit; print substr($0, depth + 1) }' "$1"
}

# The operator's words for it are Prometheus' own in another writing.
for file in values sidecar; do
	{
		echo remote_write:
		part kube-prometheus-stack/$file.yaml remoteWrite | sed -e 's/writeRelabelConfigs/write_relabel_configs/; s/sourceLabels/source_labels/
			s/queueConfig/queue_config/; s/maxShards/max_shards/; s/batchSendDeadline/batch_send_deadline/
			/authorization:/d; /credentials:/d'
	} >"$TMPDIR/$file.yml"
	grep -q 'url: http' "$TMPDIR/$file.yml" || fail "no URL in $file.yaml"
	"$bin/promtool" check config "$TMPDIR/$file.yml" || fail "kube-prometheus-stack/$file.yaml"
	grep -q 'regex: nimbusguard:\.+' "$TMPDIR/$file.yml" || fail "$file.yaml sends other series"
done
part kube-prometheus-stack/values.yaml config >"$TMPDIR/alertmanager.yml"
grep -q 'url: http' "$TMPDIR/alertmanager.yml" || fail "no URL in values.yaml"
"$bin/amtool" check-config "$TMPDIR/alertmanager.yml" || fail "Alertmanager's part of values.yaml"
for key in group_wait group_interval repeat_interval group_by send_resolved max_alerts; do
	for file in compose/alertmanager.yml kube-prometheus-stack/values.yaml; do
		[ "$(grep -h "$key:" alertmanager/receiver.yml | tr -d ' ')" = "$(grep -h "$key:" $file | tr -d ' ')" ] ||
			fail "$file has another $key than alertmanager/receiver.yml"
	done
done
