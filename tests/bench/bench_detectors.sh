#!/bin/bash
# The forest side by side with scikit-learn's in one run, one thread each, and what each detector costs in time and
# memory. With NIMBUSGUARD_DATA set, the forests' areas under the ROC curve on its labelled sets too.
#
# Usage: bench_detectors.sh [BUILD]
set -euo pipefail
cd "$(dirname "$0")/../.."

build=$(realpath "${1:-build}")
bench=$build/release/tests/bench/bench_forest
[ -x "$bench" ] || { echo "bench_detectors: $bench is missing: make bench-analyzers" >&2; exit 1; }

folder=$(mktemp -d "${TMPDIR:-/tmp}/bench-detectors.XXXXXX")
trap 'rm -rf "$folder"' EXIT
"$bench" "$folder" > "$folder/ours"
if ! tests/support/python.sh sklearn "$build/sklearn"; then
	echo "bench_detectors: no scikit-learn here, nothing beside it"
	cat "$folder/ours"
	exit 0
fi
OMP_NUM_THREADS=1 "$build/sklearn/python" tests/bench/detectors_sklearn.py "$folder" "$bench" "${NIMBUSGUARD_DATA:-}"
