#!/bin/sh
# Writes the generated tables into docs/configuration.md and docs/metrics.md; the text above them stays.
set -eu
program=$1
for name in configuration metrics; do
	file=docs/$name.md
	{
		sed '/^|/,$d' "$file"
		"$program" check --docs="$name"
	} >"$file.new"
	mv "$file.new" "$file"
done
