#!/bin/bash
# Line coverage per room from what the coverage build has run. Usage: coverage.sh BUILD MINIMUM ROOM...
# Fails when a room lies under the minimum (per cent). HTML goes to BUILD/html/.
set -euo pipefail

build=$1 minimum=$2
shift 2

mkdir -p "$build/html"
gcovr --root . --exclude-unreachable-branches --json "$build/lines.json" --exclude 'build/' --exclude 'tests/' "$build"
gcovr --root . -a "$build/lines.json" --html-details "$build/html/index.html" --html-title NimbusGuard

line_percent() {
	gcovr --root . -a "$build/lines.json" "$@" --json-summary-pretty |
		awk -F '[:,] *' '/"line_covered"/ { c = $2 } /"line_total"/ { t = $2 } END { printf "%.1f %d\n", t ? 100 * c / t : 0, t }'
}

status=0
filters=()
for room in "$@"; do
	filters+=(--filter "$room/")
	read -r percent lines < <(line_percent --filter "$room/")
	verdict=ok
	if awk -v p="$percent" -v m="$minimum" 'BEGIN { exit !(p < m) }'; then
		verdict="under $minimum %"
		status=1
	fi
	printf '%-14s %5s %% of %6s lines  %s\n' "$room/" "$percent" "$lines" "$verdict"
done
read -r percent lines < <(line_percent "${filters[@]}")
printf '%-14s %5s %% of %6s lines\n' "together" "$percent" "$lines"
read -r percent lines < <(line_percent)
printf '%-14s %5s %% of %6s lines\n' "all rooms" "$percent" "$lines"
echo "details: $build/html/index.html"
exit "$status"
