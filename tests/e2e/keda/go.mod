module nimbusguard.io/tests/e2e/keda

go 1.26.0

// Only its files are used, nothing of it is built.
require github.com/kedacore/keda/v2 v2.21.0
