{{- define "nimbusguard.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" }}
{{- else }}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- if contains $name .Release.Name }}
{{- .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" }}
{{- end }}
{{- end }}
{{- end }}

{{- define "nimbusguard.selector" -}}
app.kubernetes.io/name: nimbusguard
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "nimbusguard.labels" -}}
{{ include "nimbusguard.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "nimbusguard.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "nimbusguard.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "nimbusguard.tokens" -}}
{{- default (printf "%s-tokens" (include "nimbusguard.fullname" .)) .Values.tokens.existingSecret }}
{{- end }}

{{- define "nimbusguard.scheme" -}}
{{- if .Values.tls.existingSecret }}HTTPS{{ else }}HTTP{{ end }}
{{- end }}

{{- /* The file of the service: what the chart knows, over what the values say. */}}
{{- define "nimbusguard.config" -}}
{{- $dir := "/etc/nimbusguard/tokens" }}
{{- $tokens := list
    (dict "name" "prometheus" "role" "ingest" "file" (printf "%s/prometheus" $dir))
    (dict "name" "alertmanager" "role" "webhook" "file" (printf "%s/alertmanager" $dir))
    (dict "name" "peer" "role" "read" "file" (printf "%s/peer" $dir))
    (dict "name" "oncall" "role" "approve" "file" (printf "%s/oncall" $dir)) }}
{{- $web := dict "listen_address" ":9797" "tokens" $tokens }}
{{- if .Values.tls.existingSecret }}
{{- $_ := set $web "config" (dict "file" "/etc/nimbusguard/web.yml") }}
{{- end }}
{{- $set := dict "web" $web "storage" (dict "path" "/var/lib/nimbusguard") }}
{{- if .Values.playbooks }}
{{- $_ := set $set "remediate" (dict "playbooks" (list "/etc/nimbusguard/playbooks")) }}
{{- end }}
{{- mustMergeOverwrite (deepCopy .Values.config) $set | toYaml }}
{{- end }}
