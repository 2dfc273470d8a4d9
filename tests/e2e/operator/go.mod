module nimbusguard.io/tests/e2e/operator

go 1.26.0

// Only its files are used, nothing of it is built.
require github.com/prometheus-operator/prometheus-operator v0.85.0
