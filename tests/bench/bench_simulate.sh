#!/bin/bash
# The HPA at 50, 60, 70 and 80 % on the traces at NIMBUSGUARD_DATA (skipped without it), last third of the days, three seeds, and
# the geometric mean of its pod-hours beside the reference figures of docs/simulation.md. FLAGS: further flags of simulate.
set -euo pipefail

traces=${NIMBUSGUARD_DATA:-}/traces
if [ ! -d "$traces" ]; then
	echo "no traces at NIMBUSGUARD_DATA: skipped"
	exit 0
fi
nimbusguard=${NIMBUSGUARD_BIN:-build/release/nimbusguard}
flags=${FLAGS:---hpa-fractions}
out=$(mktemp)
trap 'rm -f "$out"' EXIT

printf '%-12s %8s %8s %8s %8s %8s %10s\n' trace policy 'v %' 'b %' c events/d pod-hours
for file in "$traces"/*.csv.gz; do
	days=$(($(zcat "$file" | tail -n 1 | cut -d , -f 1) / 1440 + 1))
	history=$(((2 * days + 1) / 3))
	# shellcheck disable=SC2086
	"$nimbusguard" simulate --trace="$file" --keep-odd --history="${history}d" --policy=hpa:50,hpa:60,hpa:70,hpa:80,static \
		--no-advice --format=json $flags |
		jq -r --arg trace "$(basename "$file" .csv.gz)" '.policies[] | [$trace, .policy, .violated_percent.mean, .bad_percent.mean,
			.cost.mean, .events_a_day.mean, .pod_hours.mean] | @tsv'
done | tee "$out" | awk -F '\t' '{ printf "%-12s %8s %8.2f %8.2f %8.3f %8.0f %10.1f\n", $1, $2, $3, $4, $5, $6, $7 }'
awk -F '\t' '{ sum[$2] += log($5); count[$2]++ }
	END {
		split("hpa:50 1.84 hpa:60 1.52 hpa:70 1.30 hpa:80 1.12 static 2.27", reference, " ")
		for (i = 1; i < 10; i += 2)
			printf "geometric mean of c, %-7s %6.3f   reference, 12 traces: %s\n", reference[i],
				exp(sum[reference[i]] / count[reference[i]]), reference[i + 1]
	}' "$out"
