#!/bin/bash
# Runs fuzzers for a while. Usage: fuzz.sh BUILD SECONDS NAME...   Two run at a time. New inputs are collected in
# BUILD/corpus/NAME, the committed ones in tests/fuzz/corpus/NAME are read only. A finding stays in BUILD/findings.
set -uo pipefail

build=$1 seconds=$2
shift 2

if [ "${1:-}" = --one ]; then
	name=$2
	mkdir -p "$build/corpus/$name" "$build/findings"
	corpora=("$build/corpus/$name")
	[ ! -d "tests/fuzz/corpus/$name" ] || corpora+=("tests/fuzz/corpus/$name")
	options=(-max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1
		-artifact_prefix="$build/findings/$name-")
	[ ! -e "tests/fuzz/$name.dict" ] || options+=(-dict="tests/fuzz/$name.dict")
	log=$build/$name.log
	if "$build/tests/fuzz/fuzz_$name" "${options[@]}" "${corpora[@]}" >"$log" 2>&1; then
		runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
		echo "ok     fuzz_$name: $runs runs in $seconds s"
		exit 0
	fi
	echo "FAILED fuzz_$name, see $log"
	grep -v '^#[0-9]' "$log" | tail -n 60 | sed 's/^/    /'
	exit 1
fi

if [ $# -eq 0 ]; then
	echo "fuzz: tests/fuzz/ holds no fuzzer of that name" >&2
	exit 1
fi
printf '%s\0' "$@" | xargs -0 -n 1 -P 2 "$0" "$build" "$seconds" --one
