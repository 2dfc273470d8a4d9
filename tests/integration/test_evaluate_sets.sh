#!/bin/sh
# nimbusguard evaluate on the public data sets at NIMBUSGUARD_DATA (skipped without it): that every entity there is read and
# judged, and that scores of which the figures are known have them.
set -u

[ -d "${NIMBUSGUARD_DATA:-}" ] || exit 77
status=0
fail() {
	echo "$1" >&2
	status=1
}
evaluate() {
	set_name=$1
	shift
	"$NIMBUSGUARD_TEST_BIN" evaluate --dataset="$set_name" --path="$NIMBUSGUARD_DATA/$set_name" --format=json "$@" \
		>"$TMPDIR/out" 2>"$TMPDIR/errors" || fail "evaluate $set_name: $(cat "$TMPDIR/errors")"
}
# expect WORDS FILTER: the filter of jq says true.
expect() {
	[ "$(jq "$2" "$TMPDIR/out")" = true ] || fail "$set_name: $1: $(head -c 2000 "$TMPDIR/out")"
}
count() {
	find "$NIMBUSGUARD_DATA/$1" -name "$2" | wc -l
}

for set_name in smd asd jumpstarter; do
	[ -d "$NIMBUSGUARD_DATA/$set_name" ] || continue
	evaluate "$set_name" --detector=random --point-adjusted
	expect "entities are missing" "[.detectors[] | select(.kind == \"entity\")] | length == $(count "$set_name" '*test_label*')"
	expect "a random score is no coin" '.detectors[] | select(.kind == "mean") | .roc_auc > .45 and .roc_auc < .55'
	expect "point adjustment does not flatter" '.detectors[] | select(.kind == "mean") | .point_adjusted_f1 > 3 * .best_f1'
	expect "points without a score" 'all(.detectors[] | select(.kind == "entity"); .unjudged == 0)'
done
if [ -d "$NIMBUSGUARD_DATA/smd" ]; then
	evaluate smd --detector=mean_z
	expect "the mean z is no better than a coin" '.detectors[] | select(.kind == "mean") | .roc_auc > .6 and .average_precision > .2'
fi
if [ -d "$NIMBUSGUARD_DATA/nezha" ]; then
	evaluate nezha --detector=random
	expect "pods are missing" "[.detectors[] | select(.kind == \"entity\")] | length == $(count nezha '*_metric.csv*')"
	expect "faults are missing" '.detectors_faults[0] | .faults > 10 and .windows > 10 * .faults and .fault_auc > .2 and .fault_auc < .8'
fi
if [ -d "$NIMBUSGUARD_DATA/nab" ]; then
	evaluate nab --detector=random
	expect "files are missing" "[.detectors[] | select(.kind == \"entity\")] | length == $(count nab '*.csv*')"
	expect "a random score is worth something" '.nab[0] | .standard >= 0 and .standard < 30'
	evaluate nab --forecaster=naive
	expect "files are missing" '.forecasts | length > 20'
fi
for set_name in traces bitbrains; do
	[ -d "$NIMBUSGUARD_DATA/$set_name" ] || continue
	evaluate "$set_name" --forecaster=naive
	expect "the last value is not itself" 'all(.forecasts[] | select(.kind == "entity"); .relative_near == 1 and .relative_far == 1)'
	expect "a series has no scale" 'all(.forecasts[] | select(.kind == "entity"); .mase_near > 0)'
done
exit $status
