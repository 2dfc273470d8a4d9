#!/bin/sh
# Playbooks, rules and runbooks belong together: `range` and `for` of a bundled playbook, from which its verification
# window follows, are at least those of the alerting rules that it answers, and each playbook and each alert has its
# runbook section.
set -u

cd "$NIMBUSGUARD_SOURCE" || exit 1
status=0
fail() {
	echo "$1" >&2
	status=1
}

# Lines "alert for-seconds largest-range-seconds" of all rules.
awk '
	function seconds(text,  total, number) {
		total = 0
		while (match(text, /^[0-9]+[smhd]/)) {
			number = substr(text, 1, RLENGTH - 1) + 0
			total += number * (index("s", substr(text, RLENGTH, 1)) ? 1 : index("m", substr(text, RLENGTH, 1)) ? 60 : \
				index("h", substr(text, RLENGTH, 1)) ? 3600 : 86400)
			text = substr(text, RLENGTH + 1)
		}
		return total
	}
	function flush() { if (alert != "") print alert, wait, range; alert = "" }
	/^ *- (alert|record): / { flush(); wait = 0; range = 0 }
	/^ *- alert: / { alert = $3 }
	/^ *for: / { wait = seconds($2) }
	{
		text = $0
		while (match(text, /\[[0-9]+[smhd]\]/)) {
			window = substr(text, RSTART + 1, RLENGTH - 2)
			text = substr(text, RSTART + RLENGTH)
			size = seconds(window)
			if (size > range) range = size
		}
	}
	END { flush() }' rules/prometheus/*.rules.yml >"$TMPDIR/rules"

seconds() {
	case $1 in
	*h) echo $((${1%h} * 3600)) ;;
	*m) echo $((${1%m} * 60)) ;;
	*s) echo "${1%s}" ;;
	*) echo 0 ;;
	esac
}

answered=0
while read -r alert wait range; do
	grep -q "^## $alert\$" docs/runbooks.md || fail "docs/runbooks.md has no section $alert"
	for playbook in rules/playbooks/*.yaml; do
		case $playbook in *_test.yaml) continue ;; esac
		grep -E "^  alert:" "$playbook" | grep -Eq "[\"|(]${alert}[\"|)]" || continue
		answered=$((answered + 1))
		own_wait=$(seconds "$(sed -n 's/^  for: *\([^ ]*\).*/\1/p' "$playbook")")
		own_range=$(seconds "$(sed -n 's/^  range: *\([^ ]*\).*/\1/p' "$playbook")")
		# The default of range is 5m.
		grep -q '^  range:' "$playbook" || own_range=300
		[ "$own_wait" -ge "$wait" ] || fail "$playbook: for is shorter than that of $alert"
		[ "$own_range" -ge "$range" ] || fail "$playbook: range is shorter than that of $alert"
	done
done <"$TMPDIR/rules"
[ "$answered" -ge 12 ] || fail "only $answered alerts of the rules are answered by a playbook of their own"

for playbook in rules/playbooks/*.yaml; do
	anchor=$(sed -n 's/^runbook: .*runbooks.md#//p' "$playbook")
	[ -z "$anchor" ] || grep '^## ' docs/runbooks.md | tr '[:upper:]' '[:lower:]' | sed 's/^## //; s/ /-/g' |
		grep -qx "$anchor" || fail "$playbook: docs/runbooks.md has no section #$anchor"
done
exit $status
