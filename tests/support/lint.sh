#!/bin/bash
# All checks of the source that need no run. Usage: lint.sh BUILD FLAGS WARNINGS TEST_FLAGS   (flags as the shell splits them)
# Every check runs, whatever an earlier one found. LINT=word runs only the checks whose name contains the word.
set -uo pipefail
shopt -s nullglob

build=$1 flags=() warnings=() test_flags=()
eval "flags=($2)"
eval "warnings=($3)"
eval "test_flags=($4)"
lint=tests/support/lint
rooms=(base store remote_write receiver analyzers remediations demo daemon)
jobs=$(nproc)
mkdir -p "$build/lint/cppcheck"

find_files() {
	find "$@" -type f -not -path './build*' 2>/dev/null | sed 's|^\./||' | sort
}
mapfile -t product < <(find_files "${rooms[@]}" -name '*.c')
mapfile -t product_headers < <(find_files "${rooms[@]}" -name '*.h')
mapfile -t tests < <(find_files tests -name '*.c')
mapfile -t test_headers < <(find_files tests -name '*.h')
mapfile -t scripts < <(find_files . -name '*.sh' && find_files .ci -name run)
mapfile -t documents < <(
	git ls-files -co --exclude-standard 2>/dev/null | grep -v -e '^\.ci/' -e '^deploy/helm/nimbusguard/files/' || find_files . -name '*.md'
)
code=("${product[@]}" "${product_headers[@]}" "${tests[@]}" "${test_headers[@]}")

print0() {
	[ $# -eq 0 ] || printf '%s\0' "$@"
}
# Runs a command over the files on standard input, so many to a call, as many calls at a time as there are processors.
spread() {
	local per_call=$1
	shift
	xargs -0 -r -P "$jobs" -n "$per_call" "$@"
}

compiles() {
	local compiler=("$1" -fsyntax-only -Werror "${flags[@]}" "${warnings[@]}")
	print0 "${product[@]}" | spread 8 "${compiler[@]}"
	print0 "${tests[@]}" | spread 8 "${compiler[@]}" "${test_flags[@]}"
}
check_gcc() { compiles gcc; }
check_clang() { compiles clang; }

check_headers_alone() {
	# shellcheck disable=SC2016
	print0 "${product_headers[@]}" "${test_headers[@]}" | spread 1 bash -c '
		header=${!#}
		printf "#include \"%s\"\n" "$header" | gcc "${@:1:$#-1}" -x c -fsyntax-only -Wall -Werror -' _ "${flags[@]}" "${test_flags[@]}"
}

check_includes() {
	awk -f "$lint/strip.awk" "${code[@]}" | awk -v exceptions="$lint/exceptions" -f "$lint/includes.awk"
}
check_banned_calls() {
	awk -f "$lint/strip.awk" "${code[@]}" | awk -v exceptions="$lint/exceptions" -f "$lint/banned.awk"
}
check_lengths() {
	awk -f "$lint/strip.awk" "${code[@]}" | awk -f "$lint/lengths.awk"
}
# Only what a test happens to link would tell of it: of an archive the linker takes the member that it finds first.
check_symbols() {
	nm -g --defined-only -P "$build/release/libnimbusguard.a" | awk '
		/^[^ ]*\[.*\]:$/ { sub(/^[^\[]*\[/, ""); sub(/\]:$/, ""); member = $0; next }
		NF < 2 || $2 ~ /^[VW]$/ { next }
		{ count++ }
		$1 in first { print $1 ": defined in " first[$1] " and in " member; next }
		{ first[$1] = member }
		END { if (count < 1000) print "only " count + 0 " symbols: the library was not read" }'
}
check_names() { "$lint/names.sh"; }
check_documents() { "$lint/documents.sh" "${documents[@]}"; }
# What is committed is what `make docs` makes of dashboards/panels.txt.
check_dashboards() {
	local made file
	made=$(mktemp -d)
	awk -f tests/support/dashboards.awk -v dest="$made" dashboards/panels.txt
	for file in dashboards/*.json "$made"/*.json; do
		cmp -s "dashboards/${file##*/}" "$made/${file##*/}" || echo "dashboards/${file##*/}: run make docs"
	done
	rm -rf "$made"
}
check_shell() { shellcheck -x "${scripts[@]}"; }
check_format() {
	# shellcheck disable=SC2016
	print0 "${code[@]}" | spread 8 bash -c '
		for file; do
			clang-format "$file" | cmp -s - "$file" || echo "$file: make format would lay it out otherwise"
		done' _
}

check_clang_tidy() {
	# shellcheck disable=SC2016
	print0 "${product[@]}" | spread 1 bash -c '"$1" "$2" "${!#}" "${@:3:$#-3}"' _ "$lint/tidy.sh" "$build/lint/tidy" "${flags[@]}"
}

check_cppcheck() {
	local definitions=() flag
	for flag in "${flags[@]}" "${test_flags[@]}"; do
		case $flag in -D* | -I*) definitions+=("$flag") ;; esac
	done
	cppcheck -q -j "$jobs" --std=c11 --language=c --enable=warning,performance,portability --inline-suppr \
		--error-exitcode=1 --cppcheck-build-dir="$build/lint/cppcheck" --suppressions-list="$lint/cppcheck" \
		--include="$lint/cppcheck.h" \
		"${definitions[@]}" "${product[@]}" "${tests[@]}"
}

checks=0
failed=()
run_check() {
	local name=$1 needs=$2 began=$SECONDS output status verdict=ok
	[[ $name == *"${LINT:-}"* ]] || return 0
	[ "$needs" -gt 0 ] || return 0
	checks=$((checks + 1))
	output=$("check_$name" 2>&1)
	status=$?
	if [ "$status" -ne 0 ] || grep -qv '^note: ' <<<"${output:-note: }"; then
		verdict=FAILED
		failed+=("$name")
	fi
	printf '%-6s %s, %d s\n' "$verdict" "$name" $((SECONDS - began))
	[ -z "$output" ] || printf '    %s\n' "${output//$'\n'/$'\n'    }"
}

run_check gcc "${#product[@]}"
run_check clang "${#product[@]}"
run_check headers_alone "${#product_headers[@]}"
run_check includes "${#code[@]}"
run_check banned_calls "${#code[@]}"
run_check lengths "${#code[@]}"
run_check names 1
run_check symbols 1
run_check documents 1
run_check dashboards 1
run_check shell "${#scripts[@]}"
run_check format "${#code[@]}"
run_check cppcheck "${#product[@]}"
run_check clang_tidy "${#product[@]}"

if [ ${#failed[@]} -gt 0 ]; then
	echo "lint: ${#failed[@]} of $checks checks found something: ${failed[*]}"
	exit 1
fi
echo "lint: $checks checks, nothing found"
