#!/bin/bash
# dashboards/*.json by the types that Grafana publishes (@grafana/schema from npm, tests/e2e/grafana/schema.ts, build.sh): every dashboard fits,
# and one of a panel type, an option or a variable that Grafana does not know does not.
set -euo pipefail

packages=$NIMBUSGUARD_TEST_E2E/grafana
if [ ! -e "$packages/.installed" ] || ! command -v node >/dev/null; then
	echo "skipped: needs @grafana/schema from npm"
	exit 77
fi
cd "$TMPDIR"
ln -s "$packages/node_modules" node_modules
cp "$NIMBUSGUARD_SOURCE/tests/e2e/grafana/schema.ts" .

fail() {
	echo "failed: $*" >&2
	exit 1
}

# A dashboard as an object that is written out, so that the compiler tells of members that are not known.
# lay_out NAME [FILTER]: changed by a filter of jq.
lay_out() {
	{
		echo "import type { OurDashboard } from './schema';"
		echo "export const dashboard: OurDashboard ="
		jq "${2:-.}" "$NIMBUSGUARD_SOURCE/dashboards/$1.json"
		echo ";"
	} >"$1.ts"
}
compiles() {
	node node_modules/typescript/bin/tsc --noEmit --strict --skipLibCheck --moduleResolution bundler --module esnext --target esnext "$@" \
		>compiler.log
}

files=()
for path in "$NIMBUSGUARD_SOURCE"/dashboards/*.json; do
	name=$(basename "$path" .json)
	lay_out "$name"
	files+=("$name.ts")
done
[ ${#files[@]} -ge 5 ] || fail "only ${#files[@]} dashboards"
compiles "${files[@]}" || fail "not as Grafana has it:
$(cut -c 1-600 compiler.log)"

# Each break is one error, so that they need one run.
broken() {
	lay_out "$1" "$2"
	compiles "$1.ts" && fail "taken all the same: $2"
	grep -q "$3" compiler.log || fail "$2 is refused for something else: $(cut -c 1-600 compiler.log)"
}
first='first(.panels[] | select(.type == "timeseries"))'
broken ingest "($first | .type) = \"timeserie\"" timeserie
broken ingest "($first | .options.legend.displaymode) = \"list\"" displaymode
broken ingest "($first | .options.tooltip.mode) = \"many\"" many
broken ingest '.templating.list[0].definitions = "x"' definitions
echo "${#files[@]} dashboards are as $(jq -r '"\(.name) \(.version)"' node_modules/@grafana/schema/package.json) has them"
