{{/* What the chart puts into Secrets that pods read once, at start: a change of it has to replace them. */}}
{{- define "spillway.madeSecrets" -}}
{{- if not .Values.vendor.existingSecret }}{{ .Values.vendor.apiKey }}{{ end }}
{{- range $lane, $l := .Values.lanes }}{{ with $l.vendor }}{{ if not .existingSecret }}{{ .apiKey }}{{ end }}{{ end }}{{ end }}
{{- end }}

{{/* What reaches the server's container from Secrets: as variables, and as files that it follows. */}}
{{- define "spillway.secretEnv" -}}
{{- $v := .Values }}
{{- if or $v.vendor.existingSecret $v.vendor.apiKey }}
- name: LLM_VENDOR_API_KEY
  valueFrom: {secretKeyRef: {name: {{ include "spillway.vendorSecret" . }}, key: {{ $v.vendor.secretKey }}}}
{{- end }}
{{- range $lane, $l := $v.lanes }}
{{- with $l.vendor }}
{{- if or .existingSecret .apiKey }}
- name: LLM_LANE_{{ upper $lane }}_VENDOR_API_KEY
  valueFrom: {secretKeyRef: {name: {{ .existingSecret | default (printf "%s-vendor-%s" (include "spillway.fullname" $) $lane) }}, key: {{ .secretKey | default "api-key" }}}}
{{- end }}
{{- end }}
{{- end }}
{{- if $v.redis.bundled.enabled }}
- name: REDIS_PASSWORD # before the variable that names it
  valueFrom: {secretKeyRef: {name: {{ include "spillway.redisSecret" . }}, key: {{ $v.redis.bundled.secretKey }}}}
- {name: LLM_REDIS_URL, value: "redis://:$(REDIS_PASSWORD)@{{ include "spillway.fullname" . }}-redis:6379"}
{{- end }}
{{- end }}

{{- define "spillway.mounts" -}}
- {name: keys, mountPath: /etc/spillway/keys, readOnly: true}
{{- if not .Values.redis.bundled.enabled }}
- {name: redis, mountPath: /etc/spillway/redis, readOnly: true}
{{- end }}
{{- if or .Values.caBundle.configMap .Values.caBundle.secret }}
- {name: ca, mountPath: /etc/spillway/ca, readOnly: true}
{{- end }}
{{- end }}

{{- define "spillway.volumes" -}}
- name: keys
  secret:
    secretName: {{ include "spillway.keysSecret" . }}
    items: [{key: keys, path: keys}]
{{- if not .Values.redis.bundled.enabled }}
- name: redis # the pods follow it, as they follow the keys
  secret:
    secretName: {{ include "spillway.redisURLSecret" . }}
    items: [{key: {{ .Values.redis.external.secretKey }}, path: url}]
{{- end }}
{{- with .Values.caBundle }}
{{- if .configMap }}
- name: ca
  configMap:
    name: {{ .configMap }}
    items: [{key: {{ .key }}, path: ca.crt}]
{{- else if .secret }}
- name: ca
  secret:
    secretName: {{ .secret }}
    items: [{key: {{ .key }}, path: ca.crt}]
{{- end }}
{{- end }}
{{- end }}
