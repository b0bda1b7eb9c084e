{{- define "leuko.name" -}}
{{- if contains "leuko" .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-leuko" .Release.Name | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "leuko.selector" -}}
app.kubernetes.io/name: leuko
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "leuko.labels" -}}
{{ include "leuko.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "leuko.secretName" -}}
{{- .Values.secret.existing | default (include "leuko.name" .) }}
{{- end }}

{{- define "leuko.scheme" -}}
{{- if .Values.tls.secret }}HTTPS{{ else }}HTTP{{ end }}
{{- end }}

{{- /* Seconds that a pod may take to go: what a stop waits for, and 15 to close. */ -}}
{{- define "leuko.grace" -}}
{{- with .Values.drain }}{{ add .preStop (max .whole .stream) 15 }}{{ end }}
{{- end }}

{{- /* gateway.yaml. What other parts of the pod rely on wins over what was set. */ -}}
{{- define "leuko.settings" -}}
{{- $given := deepCopy .Values.settings }}
{{- $drain := dict "drain_whole" .Values.drain.whole "drain_stream" .Values.drain.stream }}
{{- $timeouts := mergeOverwrite (deepCopy (default dict $given.timeouts)) $drain }}
{{- toYaml (mergeOverwrite $given (dict "port" 4000 "admin_port" 4001 "timeouts" $timeouts)) }}
{{- end }}

{{- /* Names the gateway is asked under; Prometheus asks by the address of the pod. */ -}}
{{- define "leuko.hosts" -}}
{{- $names := list "$(POD_IP)" }}
{{- range $service := list (include "leuko.name" .) (printf "%s-admin" (include "leuko.name" .)) }}
{{- $names = concat $names (list $service (printf "%s.%s" $service $.Release.Namespace) (printf "%s.%s.svc" $service $.Release.Namespace) (printf "%s.%s.svc.cluster.local" $service $.Release.Namespace)) }}
{{- end }}
{{- join "," (concat $names .Values.allowedHosts) }}
{{- end }}
