#!/bin/bash
# Every alert has a test of promtool in which it fires and one in which it does not, and a runbook that is there; every query
# of rules/queries begins with its question and stands in docs/queries.md.
set -euo pipefail
cd "$NIMBUSGUARD_SOURCE"
failures=0

complain() {
	echo "$1" >&2
	failures=$((failures + 1))
}

# "ALERT fires" and "ALERT silent", of each case of the tests.
cases=$(awk '
	/alertname:/ {
		name = $0
		sub(/.*alertname: */, "", name)
		sub(/[, }].*/, "", name)
	}
	/exp_alerts: *\[\]/ { print name " silent"; next }
	/exp_alerts: *(\[.+)?$/ { print name " fires" }
' rules/prometheus/tests/*_test.yml)
# As an address in a page that GitHub makes of the headings.
headings=$(sed -n 's/^#\{1,\} //p' docs/runbooks.md | tr 'A-Z ' 'a-z-')
alerts=0
while read -r alert; do
	alerts=$((alerts + 1))
	for case in fires silent; do
		grep -qx "$alert $case" <<<"$cases" || complain "$alert: no test in which it is $case"
	done
done < <(sed -n 's/^ *- alert: //p' rules/prometheus/*.rules.yml)
[ "$alerts" -gt 30 ] || complain "only $alerts alerts were found"
while IFS=: read -r file line url; do
	grep -qx "${url##*#}" <<<"$headings" || complain "$file:$line: no runbook at ${url##*#}"
done < <(grep -nH 'runbook_url:' rules/prometheus/*.rules.yml)
# As many runbooks as alerts: each has its own.
runbooks=$(grep -h 'runbook_url:' rules/prometheus/*.rules.yml | sort -u | wc -l)
[ "$runbooks" = "$alerts" ] || complain "$alerts alerts have $runbooks runbooks"

for query in rules/queries/*.promql; do
	question=$(head -n 1 "$query")
	[[ $question == '# '*[?.] ]] || complain "$query does not begin with its question"
	grep -qF "../$query" docs/queries.md || complain "$query is not in docs/queries.md"
	grep -qF -- "${question#\# }" docs/queries.md || complain "docs/queries.md has another question for $query"
done
[ "$failures" = 0 ]
