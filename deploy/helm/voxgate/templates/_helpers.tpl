{{- define "voxgate.fullname" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name }}{{ else }}{{ .Release.Name }}-{{ .Chart.Name }}{{ end }}
{{- end }}

{{- define "voxgate.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "voxgate.labels" -}}
{{ include "voxgate.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{/* The sets by name as JSON, each over setDefaults. */}}
{{- define "voxgate.sets" -}}
{{- $sets := dict }}
{{- range $name, $set := .Values.sets }}
{{- $_ := set $sets $name (mergeOverwrite (deepCopy $.Values.setDefaults) $set) }}
{{- end }}
{{- toJson $sets }}
{{- end }}

{{/* "true" if a volume can be mounted by one node only. Fails if more than one pod would need it. */}}
{{- define "voxgate.singleNode" -}}
{{- $pods := 0 }}
{{- range $set := include "voxgate.sets" . | fromJson }}
{{- $pods = add $pods (eq $set.autoscaling.kind "none" | ternary $set.replicas $set.autoscaling.max) }}
{{- end }}
{{- range $name, $volume := .Values.storage }}
{{- if and $volume.persistent (eq $volume.accessMode "ReadWriteOnce") }}
{{- if gt (int $pods) 1 }}
{{- fail (printf "storage.%s.accessMode: ReadWriteOnce serves one pod, and there can be %d: use ReadWriteMany, or persistent: false" $name (int $pods)) }}
{{- end }}true
{{- end }}
{{- end }}
{{- end }}

{{/* Mean wait in the queue of a set's pods in PromQL; 0 without requests. */}}
{{- define "voxgate.queueSeconds" -}}
{{- $pods := printf "namespace=%q,pod=~\"%s-.+\"" .namespace .name -}}
sum(rate(voxgate_queue_seconds_sum{ {{- $pods -}} }[2m])) / clamp_min(sum(rate(voxgate_queue_seconds_count{ {{- $pods -}} }[2m])), 0.001)
{{- end }}
