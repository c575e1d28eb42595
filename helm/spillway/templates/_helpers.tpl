{{- define "spillway.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "spillway.fullname" -}}
{{- if .Values.fullnameOverride }}{{ .Values.fullnameOverride | trunc 50 | trimSuffix "-" }}
{{- else }}
{{- $name := include "spillway.name" . }}
{{- if contains $name .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}{{ printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}
{{- end }}

{{- define "spillway.selector" -}}
app.kubernetes.io/name: {{ include "spillway.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "spillway.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{/* The labels of one component: (list . "server") */}}
{{- define "spillway.component" -}}
{{ include "spillway.selector" (index . 0) }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{- define "spillway.image" -}}
{{- $i := .Values.image -}}
{{- if $i.digest }}{{ $i.repository }}@{{ $i.digest }}{{ else }}{{ $i.repository }}:{{ $i.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{- define "spillway.redisImage" -}}
{{- $i := .Values.redis.bundled -}}
{{- if $i.digest }}{{ $i.image }}@{{ $i.digest }}{{ else }}{{ $i.image }}:{{ $i.tag }}{{ end }}
{{- end }}

{{- define "spillway.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}{{ .Values.serviceAccount.name | default (include "spillway.fullname" .) }}
{{- else }}{{ .Values.serviceAccount.name | default "default" }}{{ end }}
{{- end }}

{{- define "spillway.keysSecret" -}}
{{ .Values.apiKeys.existingSecret | default (printf "%s-api-keys" (include "spillway.fullname" .)) }}
{{- end }}

{{- define "spillway.vendorSecret" -}}
{{ .Values.vendor.existingSecret | default (printf "%s-vendor" (include "spillway.fullname" .)) }}
{{- end }}

{{- define "spillway.vendorURL" -}}
{{- if .Values.vendor.simulated }}http://{{ include "spillway.fullname" . }}-vendorsim/v1/chat/completions{{ else }}{{ .Values.vendor.url }}{{ end }}
{{- end }}

{{/* The highest number of pods the values allow. */}}
{{- define "spillway.maxPods" -}}
{{- if .Values.keda.enabled }}{{ .Values.keda.maxReplicas }}
{{- else if .Values.autoscaling.enabled }}{{ .Values.autoscaling.maxReplicas }}
{{- else }}{{ .Values.replicas }}{{ end }}
{{- end }}

{{- define "spillway.minPods" -}}
{{- if .Values.keda.enabled }}{{ .Values.keda.minReplicas }}
{{- else if .Values.autoscaling.enabled }}{{ .Values.autoscaling.minReplicas }}
{{- else }}{{ .Values.replicas }}{{ end }}
{{- end }}

{{/* A Go duration in whole seconds, rounded up; fails on what is none. Hours, minutes, seconds and milliseconds. */}}
{{- define "spillway.seconds" -}}
{{- $d := . | toString }}
{{- if not (regexMatch "^([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$" $d) }}{{ fail (printf "%q is not a duration: write it like 90s or 1m30s" $d) }}{{ end }}
{{- $ms := regexFind "[0-9]+ms" $d | trimSuffix "ms" | int }}
{{- $rest := regexReplaceAll "[0-9]+ms$" $d "" }}
{{- $h := regexFind "[0-9]+h" $rest | trimSuffix "h" | int }}
{{- $m := regexFind "[0-9]+m" $rest | trimSuffix "m" | int }}
{{- $s := regexFind "[0-9]+s" $rest | trimSuffix "s" | int }}
{{- add (mul 3600 $h) (mul 60 $m) $s (div (add $ms 999) 1000) }}
{{- end }}

{{/* Time a pod may take to stop: what the cluster needs to notice, then the slowest request, then a margin. */}}
{{- define "spillway.grace" -}}
{{- add .Values.drain.preStopSeconds (include "spillway.seconds" .Values.drain.delay | int) (include "spillway.seconds" .Values.limits.sla | int) .Values.drain.marginSeconds }}
{{- end }}

{{/* A memory quantity in MiB. */}}
{{- define "spillway.mebibytes" -}}
{{- $q := . | toString }}
{{- if hasSuffix "Gi" $q }}{{ mul (trimSuffix "Gi" $q | int) 1024 }}
{{- else if hasSuffix "Mi" $q }}{{ trimSuffix "Mi" $q | int }}
{{- else }}{{ fail (printf "resources.limits.memory %q: write it in Mi or Gi" $q) }}{{ end }}
{{- end }}
