#!/bin/bash
# Writes what deploy/ has from elsewhere: the roles that the bundled playbooks need, as `nimbusguard rbac` prints them, and
# Prometheus' rules as PrometheusRules. Usage: manifests.sh PROGRAM FOLDER   FOLDER is deploy/, or an empty one to compare.
set -euo pipefail
program=$1 dest=$2
root=$(cd "$(dirname "$0")/../.." && pwd)

install -d "$dest/kubernetes/base" "$dest/kubernetes/components/ha" "$dest/kubernetes/components/observability" \
	"$dest/helm/nimbusguard/templates"
"$program" rbac >"$dest/kubernetes/base/rbac.yaml"
# The Role of the Lease and its binding are the last two documents.
"$program" rbac --leader-election.enabled | awk '
	/^---$/ { n++ }
	{ text[n] = text[n] $0 "\n" }
	END { sub(/^---\n/, "", text[n - 1]); printf "# Made by `nimbusguard rbac --leader-election.enabled`.\n%s%s", text[n - 1], text[n] }
' >"$dest/kubernetes/components/ha/lease.yaml"

for name in workloads alerts library; do
	{
		cat <<-END
			# rules/prometheus/$name.rules.yml for the Prometheus Operator; made by \`make docs\`.
			apiVersion: monitoring.coreos.com/v1
			kind: PrometheusRule
			metadata:
			  name: nimbusguard-$name
			  labels:
			    app.kubernetes.io/name: nimbusguard
			spec:
		END
		sed -e 's/^\(.\)/  \1/' "$root/rules/prometheus/$name.rules.yml"
	} >"$dest/kubernetes/components/observability/rules-$name.yaml"
done

# The chart's roles: the rules of the same two, without the list of playbooks, under the chart's names.
{
	cat <<-'END'
		{{- /* Made by `make docs` from what `nimbusguard rbac` prints for the bundled playbooks. */}}
		{{- if .Values.rbac.create }}
		apiVersion: rbac.authorization.k8s.io/v1
		kind: ClusterRole
		metadata:
		  name: {{ include "nimbusguard.fullname" . }}
		  labels:
		    {{- include "nimbusguard.labels" . | nindent 4 }}
	END
	awk '/^kind: ClusterRole$/ { role = 1 } role && /^---$/ { exit } role && /^rules:$/ { on = 1 } on { sub(/ *#.*/, ""); print }' \
		"$dest/kubernetes/base/rbac.yaml"
	cat <<-'END'
		---
		apiVersion: rbac.authorization.k8s.io/v1
		kind: ClusterRoleBinding
		metadata:
		  name: {{ include "nimbusguard.fullname" . }}
		  labels:
		    {{- include "nimbusguard.labels" . | nindent 4 }}
		roleRef:
		  apiGroup: rbac.authorization.k8s.io
		  kind: ClusterRole
		  name: {{ include "nimbusguard.fullname" . }}
		subjects:
		- kind: ServiceAccount
		  name: {{ include "nimbusguard.serviceAccountName" . }}
		  namespace: {{ .Release.Namespace }}
		{{- end }}
	END
} >"$dest/helm/nimbusguard/templates/roles.yaml"
