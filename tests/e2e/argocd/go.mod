module nimbusguard.io/tests/e2e/argocd

go 1.26.0

// Only its files are used, nothing of it is built.
require github.com/argoproj/argo-cd/v3 v3.4.13
