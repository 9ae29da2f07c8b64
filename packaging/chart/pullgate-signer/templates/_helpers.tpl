{{- define "signer.fullname" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "signer.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "signer.labels" -}}
{{ include "signer.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end -}}

{{/* The content of signer.toml. A section that occurs twice makes the file invalid, so the chart rejects a section that it writes itself. */}}
{{- define "signer.config" -}}
{{- range $section := list "listen" "control" "metrics" "state" }}
{{- if regexMatch (printf `(?m)^\s*(\[\s*)?["']?%s["']?\s*[\].=]` $section) $.Values.config }}
{{- fail (printf "config must not contain [%s]: the chart writes it; set listen, metrics and persistence in the values" $section) }}
{{- end }}
{{- end -}}
{{ .Values.config | trim }}

[listen]
address = "0.0.0.0:{{ .Values.listen.port }}"
secret-file = "/etc/pullgate/secrets/{{ .Values.listen.secretKey }}"
{{- if .Values.listen.tlsSecret }}
certificate = "/etc/pullgate/tls/tls.crt"
key = "/etc/pullgate/tls/tls.key"
{{- if .Values.listen.clientCertificates }}
clients = "/etc/pullgate/tls/ca.crt"
{{- end }}
{{- end }}

[control]
socket = "/run/pullgate-signer/control.sock"

[metrics]
address = "0.0.0.0:{{ .Values.metrics.port }}"

[state]
directory = "/var/lib/pullgate/signer"
{{ end -}}
