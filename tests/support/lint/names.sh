#!/bin/bash
# Names that cross from one kind of file to another: metrics and recorded series. Prints a line for each that has no source.
set -euo pipefail
shopt -s globstar nullglob

table=base/metric_table.h
excepted() {
	awk '$1 == "metric" && NF > 3 { print $3 }' tests/support/lint/exceptions
}
# "file:line:name" of each name of the given form in the given files.
mentions() {
	local form=$1
	shift
	[ $# -eq 0 ] || grep -HonE "$form" "$@" || true
}

if [ -e "$table" ]; then
	known=$(grep -oE '"nimbusguard_[a-z0-9_]+"' "$table" | tr -d '"')
	documents=(rules/**/*.y*ml dashboards/**/*.json README.md docs/*.md)
	mentions '\bnimbusguard_[a-z0-9_]+' "${documents[@]}" |
		awk -F : -v known="$known $(excepted)" '
			BEGIN { n = split(known, list, /[ \n]+/); for (i = 1; i <= n; i++) name[list[i]] = 1 }
			# nimbusguard_scaler_* in a text: all that begin so.
			$1 ~ /[.]md$/ && $3 ~ /_$/ { if (index(" " known, $3)) next }
			{
				base = $3
				sub(/_(bucket|sum|count)$/, "", base)
				if (!($3 in name) && !(base in name))
					print $1 ":" $2 ": no metric " $3 " in base/metric_table.h"
			}'
	if [ -e docs/metrics.md ]; then
		for metric in $known; do
			grep -qw "$metric" docs/metrics.md || echo "docs/metrics.md: $metric is missing"
		done
	fi
fi

rules=(rules/prometheus/*.yml)
recorded=
[ ${#rules[@]} -eq 0 ] || recorded=$(sed -nE 's/^[- ]*record: *"?([a-zA-Z_:0-9]+)"?.*/\1/p' "${rules[@]}")
mentions '\bnimbusguard:[a-z0-9_:]+' rules/*.yaml rules/**/*.yaml dashboards/**/*.json | sort -u |
	awk -F : -v recorded="$recorded" '
		BEGIN { n = split(recorded, list, "\n"); for (i = 1; i <= n; i++) name[list[i]] = 1 }
		{
			series = substr($0, length($1) + length($2) + 3)
			if (!(series in name))
				print $1 ":" $2 ": no rule records " series
		}'
