#!/bin/bash
# Relative links of Markdown files that lead nowhere, and paths of somebody's machine in any file given.
# Usage: documents.sh FILE...
set -euo pipefail

for file in "$@"; do
	case $file in *.md) ;; *) continue ;; esac
	{ grep -noE '\]\([^) ]+' "$file" || true; } | sed 's/](//' | while IFS=: read -r line target; do
		case $target in http:* | https:* | mailto:* | '#'*) continue ;; esac
		path=$(dirname "$file")/${target%%#*}
		[ -e "$path" ] || echo "$file:$line: nothing at $target"
	done
done

grep -nIE '(^|[^A-Za-z0-9_.~-])/(w[o]rk|farm|root|Users|home/[a-z]+)/' "$@" /dev/null || true
