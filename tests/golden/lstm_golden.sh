#!/bin/bash
# Writes tests/golden/lstm_golden.h anew with Debian's PyTorch, which is fetched and unpacked under build/. Says so and
# leaves the file alone where PyTorch cannot be had.
set -euo pipefail
cd "$(dirname "$0")/../.."

if ! tests/support/python.sh torch build/torch; then
	echo "lstm_golden: no PyTorch here, skipped"
	exit 0
fi
build/torch/python tests/golden/lstm_golden.py >tests/golden/lstm_golden.h.new
mv tests/golden/lstm_golden.h.new tests/golden/lstm_golden.h
