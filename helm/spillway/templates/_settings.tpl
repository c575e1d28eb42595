{{/* The settings of the service that are not secret, as the data of its ConfigMap. */}}
{{- define "spillway.settings" -}}
LLM_ADDR: ":8080"
LLM_ADMIN_ADDR: ":9090"
LLM_VENDOR_URL: {{ include "spillway.vendorURL" . | quote }}
{{- if .Values.vendor.simulated }}
LLM_PLAYGROUND: "true" # it makes sure itself that no lane has a real vendor
{{- end }}
LLM_VENDOR_AUTH_HEADER: {{ .Values.vendor.authHeader | quote }}
LLM_VENDOR_AUTH_SCHEME: {{ .Values.vendor.authScheme | quote }}
{{- $keys := include "spillway.vendorKeys" . | fromJson }}
LLM_VENDOR_API_KEY_FILE: {{ ternary "/etc/spillway/vendor/default" "" (hasKey $keys "default") | quote }}
{{- with .Values.vendor.name }}
LLM_VENDOR_NAME: {{ . | quote }}
{{- end }}
{{- with .Values.vendor.headers }}
LLM_VENDOR_HEADERS: {{ $pairs := list }}{{ range $k, $v := . }}{{ $pairs = append $pairs (printf "%s:%s" $k $v) }}{{ end }}{{ join "," $pairs | quote }}
{{- end }}
LLM_QUOTA_REQUESTS: {{ .Values.quota.requests | int64 | quote }}
LLM_QUOTA_TOKENS: {{ .Values.quota.tokens | int64 | quote }}
LLM_QUOTA_WINDOW: {{ .Values.quota.window | quote }}
LLM_QUOTA_BURST: {{ .Values.quota.burst | int64 | quote }}
LLM_QUOTA_FALLBACK: {{ .Values.quota.fallback | quote }}
LLM_QUOTA_SHARES: {{ include "spillway.shares" . | quote }}
{{- with .Values.fallback }}
LLM_FALLBACK: {{ . | quote }}
{{- end }}
{{- with .Values.lanes }}
LLM_LANES: {{ keys . | sortAlpha | join "," | quote }}
{{- end }}
{{- range $lane, $l := .Values.lanes }}
{{- $prefix := printf "LLM_LANE_%s" (upper $lane) }}
{{- $vendor := $l.vendor | default dict }}
{{- with $vendor.url }}
{{ $prefix }}_VENDOR_URL: {{ . | quote }}
{{- end }}
{{- if hasKey $keys $lane }}
{{ $prefix }}_VENDOR_API_KEY_FILE: /etc/spillway/vendor/{{ $lane }}
{{- end }}
{{- with $vendor.name }}
{{ $prefix }}_VENDOR_NAME: {{ . | quote }}
{{- end }}
{{- with $vendor.authHeader }}
{{ $prefix }}_VENDOR_AUTH_HEADER: {{ . | quote }}
{{- end }}
{{- with $vendor.authScheme }}
{{ $prefix }}_VENDOR_AUTH_SCHEME: {{ . | quote }}
{{- end }}
{{- with $vendor.headers }}
{{ $prefix }}_VENDOR_HEADERS: {{ $pairs := list }}{{ range $k, $v := . }}{{ $pairs = append $pairs (printf "%s:%s" $k $v) }}{{ end }}{{ join "," $pairs | quote }}
{{- end }}
{{- range $name, $setting := dict "requests" "REQUESTS" "tokens" "TOKENS" "burst" "BURST" }}
{{- if hasKey $l.quota $name }}
{{ $prefix }}_QUOTA_{{ $setting }}: {{ get $l.quota $name | int64 | quote }}
{{- end }}
{{- end }}
{{- with $l.quota.window }}
{{ $prefix }}_QUOTA_WINDOW: {{ . | quote }}
{{- end }}
{{- with $l.models }}
{{ $prefix }}_MODELS: {{ join "," . | quote }}
{{- end }}
{{- with $l.model }}
{{ $prefix }}_MODEL: {{ . | quote }}
{{- end }}
{{- with $l.fallback }}
{{ $prefix }}_FALLBACK: {{ . | quote }}
{{- end }}
{{- range $name, $value := $l.config }}
{{ $prefix }}_{{ $name }}: {{ include "spillway.scalar" $value | quote }}
{{- end }}
{{- end }}
LLM_ADMISSION_MAX: {{ .Values.limits.admission | int64 | quote }}
LLM_SLOTS: {{ .Values.limits.slots | int64 | quote }}
LLM_QUEUE_MAX: {{ .Values.limits.queue | int64 | quote }}
LLM_MAX_BODY: {{ .Values.limits.maxBody | int64 | quote }}
{{- with .Values.limits.memoryBudget }}
LLM_MEMORY_BUDGET: {{ include "spillway.bytes" . | quote }}
{{- end }}
LLM_QUEUE_TIMEOUT: {{ .Values.limits.queueTimeout | quote }}
LLM_CALL_TIMEOUT: {{ .Values.limits.callTimeout | quote }}
LLM_STREAM_IDLE: {{ .Values.limits.streamIdle | quote }}
LLM_STREAM_MAX: {{ .Values.limits.streamMax | quote }}
LLM_SLA: {{ .Values.limits.sla | quote }}
LLM_JOBS_ENABLED: {{ .Values.jobs.enabled | quote }}
LLM_JOBS_NAME: {{ .Values.jobs.name | default (printf "%s.%s" (include "spillway.namespace" .) (include "spillway.fullname" .)) | quote }}
LLM_JOBS_WORKERS: {{ .Values.jobs.workers | int64 | quote }}
LLM_JOBS_USER_MAX: {{ .Values.jobs.userMax | int64 | quote }}
LLM_JOBS_MAX_AGE: {{ .Values.jobs.maxAge | quote }}
LLM_JOBS_RETENTION: {{ .Values.jobs.retention | quote }}
LLM_DRAIN_DELAY: {{ .Values.drain.delay | quote }}
LLM_SHUTDOWN_GRACE: "{{ sub (include "spillway.grace" . | int) (add (int .Values.drain.preStopSeconds) 2) }}s"
LLM_TIER_RATES: {{ $tiers := list }}{{ range $k, $v := include "spillway.tiers" . | fromJson }}{{ $tiers = append $tiers (printf "%s:%d" $k (int64 $v)) }}{{ end }}{{ join "," $tiers | quote }}
{{- if not (hasKey .Values.config "BREAKER_LEASE") }}
LLM_BREAKER_LEASE: "{{ add (include "spillway.seconds" .Values.limits.callTimeout | int) (include "spillway.seconds" .Values.limits.queueTimeout | int) 5 }}s" # longer than a probe can take
{{- end }}
LLM_API_KEYS_FILE: /etc/spillway/keys/keys
LLM_REDIS_URL_FILE: {{ ternary "" "/etc/spillway/redis/url" .Values.redis.bundled.enabled | quote }}
{{- with .Values.redis.external.sentinelMaster }}
LLM_REDIS_MASTER: {{ . | quote }}
{{- end }}
LLM_REDIS_CLUSTER: {{ .Values.redis.external.cluster | quote }}
LLM_REDIS_BUDGET: {{ .Values.redis.budget | quote }}
{{- range $name, $value := .Values.config }}
LLM_{{ $name }}: {{ include "spillway.scalar" $value | quote }}
{{- end }}
{{- end }}

{{/* The ConfigMap's name has a part that follows from its content, so that a new configuration is a new object. */}}
{{- define "spillway.configName" -}}
{{ include "spillway.fullname" . }}-{{ include "spillway.settings" . | sha256sum | trunc 10 }}
{{- end }}
