#!/bin/bash
# Models that are trained, promoted and rolled back are told to a real MLflow server (from PyPI, tests/e2e/build.sh) and
# read back by MLflow's own client; with the server gone the models are made and promoted all the same.
set -euo pipefail

python=$NIMBUSGUARD_TEST_E2E/python-mlflow
if [ ! -e "$python/.installed" ] || ! command -v curl >/dev/null; then
	echo "skipped: needs MLflow from PyPI and curl"
	exit 77
fi
cd "$TMPDIR"
pids=()
stop_all() {
	[ ${#pids[@]} -eq 0 ] || kill "${pids[@]}" 2>/dev/null || true
	wait
}
trap stop_all EXIT

fail() {
	echo "failed: $*" >&2
	tail -n 40 ./*.log >&2
	exit 1
}

port=
while :; do
	port=$((20000 + RANDOM % 20000))
	(exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
done
url=http://127.0.0.1:$port
PATH=$python/bin:$PATH MLFLOW_DISABLE_TELEMETRY=true "$python/bin/mlflow" server --host 127.0.0.1 --port "$port" \
	--workers 1 --backend-store-uri "sqlite:///$TMPDIR/mlflow.db" --artifacts-destination "$TMPDIR/artifacts" \
	>server.log 2>&1 &
pids+=($!)
tries=600
until curl -sf "$url/health" >/dev/null; do
	tries=$((tries - 1))
	[ "$tries" -gt 0 ] || fail "MLflow did not start"
	sleep 0.5
done

awk 'BEGIN { print "time,requests"
	for (i = 0; i < 700; i++)
		printf "2026-01-01T%02d:%02d:00Z,%.4f\n", i / 60, i % 60, 100 + 30 * sin(i / 9) + i * 7919 % 97 / 97 }' >wave.csv
models() {
	"$NIMBUSGUARD_TEST_BIN" models "$@" --models.mlflow-url="$url" >>models.log 2>>said.log || fail "models $*"
}
small=(--path=wave.csv --hidden=32 --layers=1 --epochs=2)
models train first.model "${small[@]}"
models promote first.model serving.model --force --reason="the first one"
models train second.model "${small[@]}" --seed=2
models promote second.model serving.model --force --reason="a drill"
models rollback serving.model
[ ! -s said.log ] || fail "MLflow was not told"
cmp first.model serving.model || fail "the rollback is not the first model"
"$python/bin/python" "$NIMBUSGUARD_SOURCE/tests/e2e/python/check_mlflow.py" "$url" serving.model second.model "$TMPDIR" \
	"$NIMBUSGUARD_TEST_BIN" 2>client.log || fail "what MLflow has is not what was told"

kill "${pids[0]}"
wait "${pids[0]}" || true
models train third.model "${small[@]}" --seed=3
models promote third.model serving.model --force --reason="without MLflow"
grep -q 'MLflow is not told' said.log || fail "nothing is said of an MLflow that is gone"
cmp third.model serving.model || fail "without MLflow nothing was promoted"
echo "runs, versions, aliases and artifacts of MLflow are those of the models"
