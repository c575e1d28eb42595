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

{{/* The name of everything of the bundled Redis. Kubernetes labels the pod of a StatefulSet with the StatefulSet's name, a
dash and a hash of 10 characters, and a label has at most 63: so at most 52 are left. */}}
{{- define "spillway.redisName" -}}
{{ include "spillway.fullname" . | trunc 46 | trimAll "-" }}-redis
{{- end }}

{{- define "spillway.namespace" -}}
{{ .Values.namespaceOverride | default .Release.Namespace }}
{{- end }}

{{/* The dashboard's uid in Grafana, which has at most 40 characters: the name, and the namespace if that is another one.
Neither has capitals. Of long ones only the beginning is kept, with a hash of the whole. */}}
{{- define "spillway.dashboardUID" -}}
{{- $name := include "spillway.fullname" . }}
{{- $namespace := include "spillway.namespace" . }}
{{- $whole := ternary $name (printf "%s-IN-%s" $name $namespace) (eq $name $namespace) }}
{{- if le (len $whole) 40 }}{{ $whole }}{{ else }}{{ trunc 29 $whole }}-{{ sha256sum $whole | trunc 10 }}{{ end }}
{{- end }}

{{- define "spillway.selector" -}}
app.kubernetes.io/name: {{ include "spillway.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* The labels of one component: (list . "server"). They are all that a pod gets: a label that changes with the chart's
version would replace every pod, the bundled Redis and its counters with them. */}}
{{- define "spillway.component" -}}
{{ include "spillway.selector" (index . 0) }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{/* The metadata of an object: (list . component name). Labels come last, so that a template can add to them. */}}
{{- define "spillway.meta" -}}
{{- $root := index . 0 -}}
name: {{ index . 2 }}
{{- with $root.Values.namespaceOverride }}
namespace: {{ . }}
{{- end }}
labels:
  helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" }}
  app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
  app.kubernetes.io/managed-by: {{ $root.Release.Service }}
  {{- include "spillway.component" (list $root (index . 1)) | nindent 2 }}
{{- end }}

{{/* An image: (list . repository tag digest). global.imageRegistry replaces the registry in it. */}}
{{- define "spillway.imageRef" -}}
{{- $repository := index . 1 }}
{{- with dig "imageRegistry" "" ((index . 0).Values.global | default dict) }}
{{- $parts := splitList "/" $repository }}
{{- if and (gt (len $parts) 1) (regexMatch "[.:]|^localhost$" (first $parts)) }}{{ $parts = rest $parts }}{{ end }}
{{- $repository = printf "%s/%s" (trimSuffix "/" .) (join "/" $parts) }}
{{- end }}
{{- if index . 3 }}{{ $repository }}@{{ index . 3 }}{{ else if index . 2 }}{{ $repository }}:{{ index . 2 }}{{ else }}{{ $repository }}{{ end }}
{{- end }}

{{- define "spillway.image" -}}
{{ include "spillway.imageRef" (list . .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) .Values.image.digest) }}
{{- end }}

{{- define "spillway.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}{{ .Values.serviceAccount.name | default (include "spillway.fullname" .) }}
{{- else }}{{ .Values.serviceAccount.name | default "default" }}{{ end }}
{{- end }}

{{- define "spillway.vendorSecret" -}}
{{ .Values.vendor.existingSecret | default (printf "%s-vendor" (include "spillway.fullname" .)) }}
{{- end }}

{{/* The Secret with the URL of a Redis that is not bundled. */}}
{{- define "spillway.redisURLSecret" -}}
{{ .Values.redis.external.existingSecret | default (printf "%s-redis-url" (include "spillway.fullname" .)) }}
{{- end }}

{{/* The Secret with the password of the bundled Redis. */}}
{{- define "spillway.redisSecret" -}}
{{ .Values.redis.bundled.existingSecret | default (include "spillway.redisName" .) }}
{{- end }}

{{- define "spillway.vendorURL" -}}
{{- if .Values.vendor.simulated }}http://{{ include "spillway.fullname" . }}-vendorsim/v1/chat/completions{{ else }}{{ .Values.vendor.url }}{{ end }}
{{- end }}

{{/* The highest number of pods the values allow. */}}
{{- define "spillway.maxPods" -}}
{{- if .Values.keda.enabled }}{{ int .Values.keda.maxReplicas }}
{{- else if .Values.autoscaling.enabled }}{{ int .Values.autoscaling.maxReplicas }}
{{- else }}{{ int .Values.replicas }}{{ end }}
{{- end }}

{{- define "spillway.minPods" -}}
{{- if .Values.keda.enabled }}{{ int .Values.keda.minReplicas }}
{{- else if .Values.autoscaling.enabled }}{{ int .Values.autoscaling.minReplicas }}
{{- else }}{{ int .Values.replicas }}{{ end }}
{{- end }}

{{/* A scalar as text. Numbers of a values file are floats, which toString writes as 1e+06 from a million up. */}}
{{- define "spillway.scalar" -}}
{{- if kindIs "string" . }}{{ . }}{{ else }}{{ toJson . }}{{ end }}
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

{{/* Time that open streams get after the SLA when their pod stops. */}}
{{- define "spillway.drainStreams" -}}
{{- $longest := include "spillway.seconds" .Values.limits.streamMax | int }}
{{- if .Values.drain.streams }}{{ include "spillway.seconds" .Values.drain.streams }}
{{- else }}{{ ternary 600 $longest (eq $longest 0) }}{{ end }}
{{- end }}

{{/* Time a pod may take to stop: what the cluster needs to notice, the slowest request, the longest stream, then a margin. */}}
{{- define "spillway.grace" -}}
{{- add .Values.drain.preStopSeconds (include "spillway.seconds" .Values.drain.delay | int) (include "spillway.seconds" .Values.limits.sla | int) (include "spillway.drainStreams" . | int) .Values.drain.marginSeconds }}
{{- end }}

{{/* Time the gateway gives a request with its stream. "0s" is none. */}}
{{- define "spillway.requestTimeout" -}}
{{- $longest := include "spillway.seconds" .Values.limits.streamMax | int }}
{{- if .Values.gateway.limits.requestTimeout }}{{ .Values.gateway.limits.requestTimeout }}
{{- else if eq $longest 0 }}0s
{{- else }}{{ add (include "spillway.seconds" .Values.limits.sla | int) $longest 15 }}s{{ end }}
{{- end }}

{{/* A quantity or a Redis size in bytes: Ki, Mi, Gi, kb, mb, gb or none. */}}
{{- define "spillway.bytes" -}}
{{- $q := . | toString }}
{{- $n := regexFind "^[0-9]+" $q | int64 }}
{{- $unit := regexReplaceAll "^[0-9]+" $q "" | lower | trimSuffix "i" | trimSuffix "b" }}
{{- if eq $unit "" }}{{ $n }}
{{- else if eq $unit "k" }}{{ mul $n 1024 }}
{{- else if eq $unit "m" }}{{ mul $n 1048576 }}
{{- else if eq $unit "g" }}{{ mul $n 1073741824 }}
{{- else }}{{ fail (printf "%q is not a size: write it in Mi or Gi" $q) }}{{ end }}
{{- end }}

{{/* What GOMEMLIMIT is set to for a memory limit, in MiB: (list . limit). */}}
{{- define "spillway.goMemLimit" -}}
{{- div (mul (include "spillway.bytes" (index . 1) | int64) (int64 (index . 0).Values.goMemLimitPercent)) 104857600 }}
{{- end }}

{{/* The memory budget of a pod for bodies and answers, in bytes. */}}
{{- define "spillway.budget" -}}
{{- if .Values.limits.memoryBudget }}{{ include "spillway.bytes" .Values.limits.memoryBudget }}
{{- else }}{{ mul (include "spillway.goMemLimit" (list . .Values.resources.limits.memory) | int64) 524288 }}{{ end }}
{{- end }}

{{/* What the bodies of the jobs that one pod works on, fewer than its slots, can take, in bytes. They are not in the memory
budget. */}}
{{- define "spillway.jobBodies" -}}
{{- $body := .Values.config.JOBS_MAX_BODY | default 1048576 | int64 }}
{{- if .Values.jobs.enabled }}{{ mul (min (int64 .Values.jobs.workers) (sub (int64 .Values.limits.slots) 1 | max 1)) $body }}{{ else }}0{{ end }}
{{- end }}

{{/* Memory of Go that a pod needs at worst, in bytes. The budget bounds bodies and answers, however many there are; one answer at
a time may exceed it, and bodies of jobs are beside it. The process itself takes 24 MiB, a connection 40 KiB, a request
64 KiB. */}}
{{- define "spillway.memory" -}}
{{- $answer := .Values.config.VENDOR_MAX_RESPONSE | default 16777216 | int64 }}
{{- $connections := .Values.config.MAX_CONNECTIONS | default 1000 | int64 }}
{{- add (include "spillway.budget" . | int64) $answer (include "spillway.jobBodies" . | int64) 25165824 (mul $connections 40960) (mul (int64 .Values.limits.admission) 65536) }}
{{- end }}

{{/* The same for the simulator, which holds bodies back by itself: one of the largest, and as much that is not collected yet. */}}
{{- define "spillway.simMemory" -}}
{{- add 33554432 (mul 2 (int64 .Values.limits.maxBody)) }}
{{- end }}

{{/* The most pods that run at once: the highest number of replicas and what a rolling update adds (maxSurge 25%). */}}
{{- define "spillway.peakPods" -}}
{{- $max := include "spillway.maxPods" . | int }}
{{- add $max (div (add $max 3) 4) }}
{{- end }}

{{/* Shares of the contract: the most pods, rounded up to 2, 4, 8 and so on. The figure is part of the configuration, whose
change replaces every pod; rounded, it stays the same when replicas changes a little. */}}
{{- define "spillway.shares" -}}
{{- if .Values.quota.shares }}{{ int64 .Values.quota.shares }}
{{- else }}
{{- $peak := include "spillway.peakPods" . | int }}
{{- $shares := 1 }}
{{- range until 20 }}{{ if lt $shares $peak }}{{ $shares = mul $shares 2 }}{{ end }}{{ end }}
{{- $shares }}
{{- end }}
{{- end }}

{{/* The port of a URL. */}}
{{- define "spillway.urlPort" -}}
{{- $u := urlParse . }}
{{- regexFind ":[0-9]+$" $u.host | trimPrefix ":" | default (ternary "80" "443" (eq $u.scheme "http")) }}
{{- end }}

{{/* How long a gateway keeps a connection to a pod that is not used: half of what the pod does. */}}
{{- define "spillway.gatewayIdle" -}}
{{- max 1 (div (include "spillway.seconds" (.Values.config.IDLE_TIMEOUT | default "120s") | int) 2) }}
{{- end }}

{{/* A contract in words. */}}
{{- define "spillway.carries" -}}
{{- $requests := .requests | default 0 | int64 }}
{{- $tokens := .tokens | default 0 | int64 }}
{{- if and $requests $tokens }}{{ $requests }} requests and {{ $tokens }} tokens
{{- else if $requests }}{{ $requests }} requests
{{- else if $tokens }}{{ $tokens }} tokens
{{- else }}no contract{{ end }}
{{- with .window }} per {{ . }}{{ end }}
{{- end }}
