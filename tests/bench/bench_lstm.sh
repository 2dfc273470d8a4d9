#!/bin/bash
# PyTorch's figures beside bench_lstm's, where Debian's PyTorch can be had. Arguments: numbers of threads (1 2).
set -euo pipefail
cd "$(dirname "$0")/../.."

if ! tests/support/python.sh torch build/torch; then
	echo "bench_lstm: no PyTorch here, nothing beside it"
	exit 0
fi
build/torch/python tests/bench/bench_lstm.py "$@"
