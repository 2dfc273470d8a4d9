#!/bin/sh
# What nimbusguard evaluate measures on the small data sets in tests/golden/evaluate (made up, none is recorded), held
# against what was written once and read by a person; for scores and forecasts that are plain arithmetic, and without
# alarms and intervals, whose settings are their own matter. GOLDEN_WRITE=1 writes the files anew.
set -u

here=$NIMBUSGUARD_SOURCE/tests/golden/evaluate
cd "$here" || exit 1
status=0
fail() {
	echo "$1" >&2
	status=1
}

without_settings() {
	sed -E -e '/"of":"default alarms"/d' -e 's/"(alarm_rate|point_precision|event_[a-z]+|delay_minutes|(coverage|width)[0-9]+_[a-z]+)":[^,}]*,//g'
}

# golden NAME ARGUMENT...: the output is that of NAME.
golden() {
	name=$1.json
	shift
	"$NIMBUSGUARD_TEST_BIN" evaluate --format=json "$@" >"$TMPDIR/out" 2>&1 || fail "evaluate $* failed"
	without_settings <"$TMPDIR/out" >"$TMPDIR/$name"
	[ -z "${GOLDEN_WRITE:-}" ] || cp "$TMPDIR/$name" "$here/$name"
	diff -u "$here/$name" "$TMPDIR/$name" || fail "$name is not as it was"
}
# refuses STATUS WORDS ARGUMENT...
refuses() {
	wanted=$1 words=$2
	shift 2
	"$NIMBUSGUARD_TEST_BIN" evaluate "$@" >"$TMPDIR/out" 2>&1
	[ $? -eq "$wanted" ] || fail "evaluate $* is not exit status $wanted: $(cat "$TMPDIR/out")"
	grep -q -- "$words" "$TMPDIR/out" || fail "no \"$words\": $(cat "$TMPDIR/out")"
}

golden smd --dataset=smd --path=pairs --detector=mean_z --point-adjusted --seeds=2
golden asd --dataset=asd --path=pairs --entity=beta --detector=mean_z
golden nab --dataset=nab --path=nab --detector=mean_z
golden nezha --dataset=nezha --path=nezha --detector=mean_z
golden traces --dataset=traces --path=traces --forecaster=naive
golden seasonal --dataset=traces --path=traces/shop.csv --forecaster=seasonal_naive --horizons=10,30 --part=settings
golden own --dataset=csv --path=own --detector=mean_z --fit-part=0.6
golden own_forecast --dataset=csv --path=own --forecaster=naive

refuses 2 'say which data set' --path=pairs
refuses 2 'did you mean smd' --dataset=smb --path=pairs
refuses 2 'say where the data set is' --dataset=smd
refuses 2 'seeds is a number from 1' --dataset=smd --path=pairs --seeds=0
refuses 2 'part is report or settings' --dataset=smd --path=pairs --part=test
refuses 2 'fit-part is a part' --dataset=csv --path=own --fit-part=1
refuses 2 'weights is bf16 or fp32' --dataset=traces --path=traces --weights=fp8
refuses 2 'horizons is two numbers' --dataset=traces --path=traces --horizons=5
refuses 1 'horizons: two, rising' --dataset=traces --path=traces --horizons=5,5
refuses 1 'no files of kind smd' --dataset=smd --path=traces
refuses 1 'did you mean mean_z' --dataset=smd --path=pairs --detector=mean_y
refuses 1 'did you mean naive' --dataset=traces --path=traces --forecaster=naiv
refuses 1 'has no labels' --dataset=traces --path=traces --detector=mean_z
refuses 1 'none: No such file' --dataset=smd --path=none

"$NIMBUSGUARD_TEST_BIN" evaluate --dataset=smd --path=pairs --detector=mean_z --forecaster=naive --report="$TMPDIR/report.html" \
	--scores="$TMPDIR/scores" >/dev/null || fail "no report"
[ "$(grep -c '<svg' "$TMPDIR/report.html")" -ge 3 ] || fail "the report has no drawings"
! grep -qE '(src|href)=|https?://|<script' "$TMPDIR/report.html" || fail "the report needs something from elsewhere"
[ "$(wc -l <"$TMPDIR/scores/mean_z_alpha.csv")" -eq 301 ] || fail "not one row of scores for each row of the test part"
exit $status
