#!/bin/bash
# clang-tidy on one file, remembered by the hash of what the compiler sees. Usage: tidy.sh CACHE FILE FLAG...
set -uo pipefail

cache=$1 file=$2
shift 2
[ "$file" = base/error.c ] || set -- "$@" -include tests/support/lint/analyzer.h
# A third of the analyzer's usual bound on one function: it takes a quarter of the time.
set -- "$@" -Xclang -analyzer-config -Xclang max-nodes=75000
mkdir -p "$cache"
key=$({ clang-tidy --version && cat .clang-tidy && clang "$@" -E -C "$file"; } 2>&1 | sha256sum | cut -d ' ' -f 1)
[ ! -e "$cache/$key" ] || exit 0
if output=$(clang-tidy --quiet --warnings-as-errors='*' "$file" -- "$@" 2>&1); then
	touch "$cache/$key"
else
	printf '%s\n' "$output" | grep -v '^[0-9]* warnings\? generated\|^Suppressed \|^Use -header-filter'
	exit 1
fi
