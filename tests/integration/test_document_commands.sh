#!/bin/bash
# The commands that README.md and docs/ show. A fenced block says in its first line what is done with it:
#   ```sh                 each command is run here, beside a demo, and has to end with status 0
#   ```console            the same of what stands behind "$ ", which has to print the lines below it ("..." stands for anything)
#   ```sh cluster         run against a real API server by tests/e2e/test_kubernetes_deploy.c: `test_documents.sh cluster`
#   ```sh checked: WHY    not run
# Of all of them, and of what stands between backticks in the text, is checked: commands and flags of nimbusguard, targets and variables of
# make, files of the source, settings. `make` itself is never run, as it runs this. 127.0.0.1:9797, /var/lib/nimbusguard and ID are those of
# the demo; files that are named and not made by the commands before are laid out below.
set -euo pipefail
shopt -s extglob nullglob

source_dir=$NIMBUSGUARD_SOURCE
work=$TMPDIR/work
failures=0 ran=0 checked=0 spans=0 blocks=0 yaml=
declare -A why=()
mkdir -p "$work" "$TMPDIR/bin" "$TMPDIR/help"

complain() {
	echo "$1" >&2
	failures=$((failures + 1))
}

# ---- what there is ----

ln -s "$NIMBUSGUARD_TEST_BIN" "$TMPDIR/bin/nimbusguard"
# An answer of 400 and above is a failure, too.
printf '#!/bin/sh\nexec "%s" --fail "$@"\n' "$(command -v curl)" >"$TMPDIR/bin/curl"
chmod +x "$TMPDIR/bin/curl"
PATH=$TMPDIR/bin:$PATH
nimbusguard help | sed -n 's/^  \([a-z-]*\) .*/\1/p' >"$TMPDIR/commands"
# known: "COMMAND --flag", as the help of the command says them; those of serve are settings, which each command takes. " --flag": of any.
# verbs: "COMMAND WORD" of commands that do several things.
declare -A commands=() known=() verbs=() settings=()
read_help() {
	local name word
	while read -r name; do
		commands[$name]=1
		nimbusguard help "$name" >"$TMPDIR/help/$name"
		while read -r word; do
			known["$name $word"]=1
			known[" $word"]=1
		done < <(sed 's/--\[no-\]\([a-z0-9.-]*\)/--\1 --no-\1/g' "$TMPDIR/help/$name" | grep -oE -- '--[a-z][a-z0-9.-]*' | sed 's/[.-]*$//')
		while read -r word; do
			verbs["$name $word"]=1
		done < <(sed -nE "s/^(usage:)? *nimbusguard $name ([a-z]+).*/\2/p; s/^  ([a-z][a-z-]*) .*/\1/p" "$TMPDIR/help/$name")
	done < <(nimbusguard help | sed -n 's/^  \([a-z-]*\) .*/\1/p')
	while read -r word; do
		settings[$word]=1
	done < <({
		sed -n 's/^| .\([a-z_0-9.]*\). .*/\1/p' "$source_dir/docs/configuration.md"
		printf '%s\n' "${!known[@]}" | sed -n 's/^serve --//p' | tr - _
	} | awk -F . '{ whole = $1; print whole; for (i = 2; i <= NF; i++) print whole = whole "." $i }')
}

# ---- checks ----

# Of other programs that the documents tell of.
foreign_flag() {
	case $1 in
	--help | --version | --query.max-samples | --web.enable-* | --storage.tsdb.* | --tune | --serve-artifacts | --set) return 0 ;;
	esac
	return 1
}

# check_flag PLACE COMMAND FLAG: COMMAND is empty where the text does not say whose it is.
check_flag() {
	local flag=${3%%=*}
	flag=${flag%%[^a-z0-9.-]*}
	[[ $flag == --[a-z]* ]] || return 0
	[ -z "${known["$2 $flag"]:-}${known["serve $flag"]:-}" ] || return 0
	! foreign_flag "$flag" || return 0
	complain "$1: ${2:-no command of nimbusguard} has ${2:+no }$flag"
}

# check_nimbusguard PLACE WORD...: the words behind nimbusguard.
check_nimbusguard() {
	local place=$1 command=serve word
	shift
	if [ $# -gt 0 ] && [[ $1 == [a-z]* ]]; then
		command=$1
		shift
	fi
	if [ -z "${commands[$command]:-}" ]; then
		complain "$place: nimbusguard has no command $command"
		return
	fi
	case $command in
	help) [ $# -eq 0 ] || [[ $1 == [A-Z]* ]] || [ -n "${commands[$1]:-}" ] || complain "$place: nimbusguard help does not know $1" ;;
	actions | models | audit)
		[ $# -eq 0 ] || [[ $1 != [a-z]* ]] || [ -n "${verbs["$command $1"]:-}" ] || complain "$place: nimbusguard $command has no $1"
		;;
	esac
	for word; do
		[[ $word != [\|\>]* ]] || break
		check_flag "$place" "$command" "$word"
	done
}

makefile=$(<"$source_dir/Makefile")
# check_make PLACE WORD...
check_make() {
	local place=$1 word test
	shift
	for word; do
		case $word in
		[A-Z]*=*)
			[[ $makefile =~ [^A-Z_]${word%%=*}[^A-Z_] ]] || complain "$place: make knows no ${word%%=*}"
			[[ $word == TESTS=* ]] || continue
			for test in ${word#TESTS=}; do
				[[ $test != NAME ]] || continue
				compgen -G "$source_dir/tests/*/*${test}*" >/dev/null || complain "$place: no test has $test in its name"
			done
			;;
		[a-z]*) [[ $makefile == *$'\n'"$word:"* ]] || complain "$place: make has no $word" ;;
		*) return ;;
		esac
	done
}

# check_file PLACE WORD: a path of the source is there.
check_file() {
	local path=${2#--*=} one
	case $path in
	deploy/* | rules/* | dashboards/* | docs/* | tests/* | base/* | store/* | remote_write/* | receiver/* | analyzers/* | remediations/* | daemon/*) ;;
	*) return 0 ;;
	esac
	# Patterns and braces as the shell has them; what stands for something is passed over.
	[[ $path =~ ^[a-z0-9_./{},*-]*$ || -e $source_dir/$path ]] || return 0
	for one in $(eval "printf '%s\n' $path"); do
		compgen -G "$source_dir/$one" >/dev/null || complain "$1: there is no $one"
	done
}

# split TEXT: into words, as the shell does, but that nothing is expanded; the brackets of what may be left out go.
split() {
	local rest=$1 plain=''
	while [[ $rest =~ ^([^\"\']*)([\"\'])(.*)$ ]]; do
		plain+=${BASH_REMATCH[1]}
		local quote=${BASH_REMATCH[2]} behind=${BASH_REMATCH[3]} inner
		inner=${behind%%"$quote"*}
		plain+=${inner// /$'\1'}
		rest=${behind#"$inner"}
		rest=${rest#"$quote"}
	done
	plain+=$rest
	read -ra words <<<"${plain//[\[\]]/}"
	words=("${words[@]//$'\1'/ }")
}

check_command() {
	local place=$1 words=() i
	split "$2"
	case ${words[0]} in
	nimbusguard | make | kubectl | helm | docker | curl | sqlite3 | cp | mkdir | promtool | amtool | systemctl | tar) ;;
	*) [ "$3" = span ] || complain "$place: what is ${words[0]}?" ;;
	esac
	for i in "${!words[@]}"; do
		if [ "$i" -eq 0 ] || [ "${words[i - 1]}" = "|" ]; then
			case ${words[i]} in
			nimbusguard) check_nimbusguard "$place" "${words[@]:i+1}" ;;
			make) check_make "$place" "${words[@]:i+1}" ;;
			esac
		fi
		check_file "$place" "${words[i]}"
	done
}

# check_span PLACE TEXT: a command, a flag, a file or a setting between backticks.
check_span() {
	local first=${2%% *} word
	spans=$((spans + 1))
	case $2 in
	'nimbusguard '* | 'make '*) check_command "$1" "$2" span ;;
	--*) for word in $2; do check_flag "$1" "" "${word//[\[\]]/}"; done ;;
	*' --'*) [ -z "${commands[$first]:-}" ] || check_command "$1" "nimbusguard $2" span ;;
	*[a-z]/[a-z]*) check_file "$1" "$2" ;;
	test_*:*)
		grep -qs "\b${2#*:}\b" "$source_dir"/tests/*/"${2%%:*}.c" || complain "$1: ${2%%:*}.c has no test ${2#*:}"
		;;
	esac
	if [[ $2 =~ ^[a-z_]+\.[a-z_.0-9]+$ ]] && [ -n "${settings[${2%%.*}]:-}" ] && [ -z "${settings[$2]:-}" ]; then
		case $2 in
		web.tokens | web.user_roles) ;; # lists, which no flag sets
		*.sqlite | *.yml | *.json) ;;
		*) complain "$1: there is no setting $2" ;;
		esac
	fi
}

# check_yaml PLACE TEXT: a playbook, a test of playbooks, or settings. What other programs read is passed over.
check_yaml() {
	local said status=0
	printf '%s\n' "${2//\/etc\/nimbusguard/$work}" >"$TMPDIR/block.yaml"
	case $2 in
	playbook:*) said=$(nimbusguard check --remediate.playbooks="$TMPDIR/block.yaml" 2>&1) || status=$? ;;
	playbooks:*)
		cp "$TMPDIR/block.yaml" "$work/playbooks/block_test.yaml"
		said=$(nimbusguard test "$work/playbooks/block_test.yaml" 2>&1) || status=$?
		rm "$work/playbooks/block_test.yaml"
		;;
	'- '* | tls_server_config:* | remote_write:* | global:* | triggers:*) return ;;
	*)
		# Files that it names need not be here.
		said=$({ nimbusguard check --config.file="$TMPDIR/block.yaml" 2>&1 || true; } | grep ': error: ' | grep -v 'cannot open') && status=1
		;;
	esac
	blocks=$((blocks + 1))
	[ "$status" -eq 0 ] || complain "$1: not as the service has it: $said"
}

# ---- running ----

# Files that commands name, and that nobody made before.
lay_out() {
	local name
	for name in deploy rules dashboards docs; do
		ln -s "$source_dir/$name" "$work/$name"
	done
	for name in samples.om alerts.jsonl cluster.yaml; do
		cp "$source_dir/tests/golden/replay/$name" "$work/$name"
	done
	mkdir "$work/playbooks"
	cp "$source_dir"/rules/playbooks/scale-out-on-saturation*.yaml "$work/playbooks/"
	printf secret >"$work/oncall.token"
	printf secret >"$work/peer.token"
	# Two of a service's days, a row in five minutes.
	awk 'BEGIN { print "time,requests_per_second,cpu,memory,label"
		for (i = 0; i < 2 * 288; i++) {
			load = 100 + 60 * sin(i * 6.2831853 / 288) + i * 7919 % 97 / 10
			odd = i % 200 > 190
			printf "%d,%.2f,%.3f,%.0f,%d\n", 1767225600 + i * 300, load, load / 80 + odd, 4e8 + load * 1e6, odd
		} }' >"$work/all.csv"
	cut -d , -f 1,2 "$work/all.csv" >"$work/traffic.csv"
	cut -d , -f 1,3- "$work/all.csv" >"$work/signals.csv"
	cut -d , -f 1,3,4 "$work/all.csv" >"$work/web.csv"
}

demo='' port='' id=''
stop_demo() {
	[ -z "$demo" ] || kill "$demo" 2>/dev/null || true
	wait 2>/dev/null || true
}
# The demo, until it has added replicas; what the commands ask of is there then.
start_demo() {
	local tries=3000
	: >"$TMPDIR/demo.out" # read below, and the process that opens it may begin later
	nimbusguard demo --speed=120 --no-color --web.listen-address=127.0.0.1:0 --storage.path="$TMPDIR/state" \
		--recording.path="$work/recording" \
		>"$TMPDIR/demo.out" 2>&1 </dev/null &
	demo=$!
	trap stop_demo EXIT
	while [ $tries -gt 0 ] && kill -0 "$demo" 2>/dev/null; do
		tries=$((tries - 1))
		[ -n "$port" ] || port=$(sed -n 's|.*http://127.0.0.1:\([0-9]*\).*|\1|p' "$TMPDIR/demo.out" | head -n 1)
		if [ -n "$port" ]; then
			# Nothing and no answer are the same as long as it starts.
			id=$(curl -s "http://127.0.0.1:$port/api/v1/actions" |
				jq -r '[.data[] | select(.kind == "scale" and .done_at != null) | .id][0] // empty') || id=''
		fi
		[ -z "$id" ] || break
		sleep 0.1
	done
	if [ -z "$id" ]; then
		cat "$TMPDIR/demo.out" >&2
		complain "the demo did nothing"
		exit 1
	fi
	export NIMBUSGUARD_URL=http://127.0.0.1:$port
}

# The real API server that KUBECONFIG names, with what the documents take for granted.
lend_cluster() {
	printf '#!/bin/sh\nexec "%s/kubernetes" kubectl --cache-dir="%s/kubectl" "$@"\n' "$NIMBUSGUARD_TEST_E2E" "$TMPDIR" >"$TMPDIR/bin/kubectl"
	chmod +x "$TMPDIR/bin/kubectl"
	kubectl create namespace monitoring
	kubectl create namespace shop
	kubectl -n shop create deployment web --image=web
}
return_cluster() {
	kubectl delete namespace nimbusguard monitoring shop
}

localize() {
	sed -e "s#\(127\.0\.0\.1\|localhost\):9797#127.0.0.1:$port#g; s#/var/lib/nimbusguard#$TMPDIR/state#g; s#\bID\b#$id#g" <<<"$1"
}

# run_serve WORDS: until it is ready; then its end.
run_serve() {
	local tries=600 pid status=0
	: >"$TMPDIR/out"
	eval "exec $1 --web.listen-address=127.0.0.1:0 --storage.path=served" >"$TMPDIR/out" 2>&1 </dev/null &
	pid=$!
	while [ $tries -gt 0 ] && kill -0 "$pid" 2>/dev/null && ! grep -q 'msg="ready\|listening' "$TMPDIR/out"; do
		tries=$((tries - 1))
		sleep 0.1
	done
	kill "$pid" 2>/dev/null || true
	wait "$pid" || status=$?
	return $status
}

# run_command PLACE TEXT FOLDER-OF-ITS-OWN-NAMES
run_command() {
	local place=$1 text status=0
	text=$(localize "$2")
	cd "$work"
	case $place in docs/evaluation.md:*) cp signals.csv mine.csv ;; *) cp traffic.csv mine.csv ;; esac
	if [[ $text == 'nimbusguard serve'* ]]; then
		run_serve "${text/--storage.path=+([^ ])/}" || status=$?
	else
		timeout 120 bash -o pipefail -c "$text" >"$TMPDIR/out" 2>&1 </dev/null || status=$?
	fi
	cd "$source_dir"
	ran=$((ran + 1))
	[ "$status" -eq 0 ] || complain "$place: exit status $status: $text
$(head -c 2000 "$TMPDIR/out")"
}

# compare PLACE LINE...: the lines stand in what was printed, one after the other; "..." is any text, alone any lines.
compare() {
	local place=$1 shown pattern line found
	shift
	exec 3<"$TMPDIR/out"
	for shown; do
		[ "$shown" != ... ] || continue
		pattern=$(sed 's/[]\\*?[]/\\&/g; s/\.\.\./*/g' <<<"$(localize "$shown")")
		found=
		while [ -z "$found" ] && IFS= read -r line <&3; do
			# shellcheck disable=SC2053  # it is a pattern
			[[ $line != $pattern ]] || found=1
		done
		if [ -z "$found" ]; then
			complain "$place: it does not print \"$shown\" there, but
$(cat "$TMPDIR/out")"
			break
		fi
	done
	exec 3<&-
}

# ---- all of them ----

cd "$source_dir"
awk -f tests/support/documents.awk README.md docs/*.md >"$TMPDIR/all"
mapfile -t records <"$TMPDIR/all"
wanted=${1:-run}
read_help
lay_out
case $wanted in run) start_demo ;; cluster) lend_cluster ;; esac
last='' lines=()
end_of_output() {
	[ ${#lines[@]} -eq 0 ] || compare "$last" "${lines[@]}"
	lines=()
}
for record in "${records[@]}"; do
	IFS=$'\t' read -r file line how text <<<"$record"
	text=${record#*$'\t'*$'\t'*$'\t'}
	place=$file:$line
	[ "$how" = shown ] || end_of_output
	case $how in
	shown) [ "$wanted" != run ] || lines+=("$text") ;;
	why) why[$text]=1 && check_command "$place" "$text" span ;;
	yaml) yaml+=$text$'\n' ;;
	'end of yaml')
		[ "$wanted" != run ] || check_yaml "$place" "$yaml"
		yaml=
		;;
	span) [ "$wanted" != run ] || check_span "$place" "$text" ;;
	run | cluster | checked)
		[ "$wanted" != run ] || check_command "$place" "$text" "$how"
		if [ "$how" = "$wanted" ] && [[ $text != make* ]]; then
			run_command "$place" "$text"
			last=$place
		else
			checked=$((checked + 1))
		fi
		;;
	*) complain "$place: a block that is not whole, or marked as no test knows: $text" ;;
	esac
done
end_of_output
[ "$wanted" != cluster ] || return_cluster
echo "$ran commands run, $checked only checked, $spans words between backticks and $blocks blocks of YAML checked"
[ "$wanted" != run ] || printf 'only checked: %s\n' "${!why[@]}"
[ "$failures" -eq 0 ]
