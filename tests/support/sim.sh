#!/bin/bash
# The engine's simulation over seeds of today. Usage: sim.sh PROGRAM [FIRST] [COUNT]   Without FIRST it is made from the
# clock; it is printed, so that `make sim SEED=first SEEDS=count` does the same again. One process a processor.
set -uo pipefail

program=$1
first=${2:-$(date +%s)000000}
count=${3:-100000}
parts=$(nproc 2>/dev/null || echo 2)
output=$(mktemp -d)
trap 'rm -rf "$output"' EXIT

echo "seeds $first to $((first + count - 1)), in $parts parts; again: make sim SEED=$first SEEDS=$count"
pids=()
for ((part = 1; part <= parts; part++)); do
	SIM_FIRST=$first SIM_SEEDS=$count "$program" "$part/$parts" >"$output/$part" 2>&1 &
	pids+=($!)
done
failed=0
for pid in "${pids[@]}"; do
	wait "$pid" || failed=1
done
cat "$output"/*
exit $failed
