{{/* What the chart itself puts into Secrets of vendors. The pods follow the files; a change replaces them all the same, so that
an upgrade that has ended has the new key in force. */}}
{{- define "spillway.madeSecrets" -}}
{{- if not .Values.vendor.existingSecret }}{{ .Values.vendor.apiKey }}{{ end }}
{{- range $lane, $l := .Values.lanes }}{{ with $l.vendor }}{{ if not .existingSecret }}{{ .apiKey }}{{ end }}{{ end }}{{ end }}
{{- end }}

{{/* The Secrets with the keys of the vendors: a map in JSON of lane to name and key. The lane of the vendor above is default. */}}
{{- define "spillway.vendorKeys" -}}
{{- $keys := dict }}
{{- if or .Values.vendor.existingSecret .Values.vendor.apiKey }}
{{- $_ := set $keys "default" (dict "name" (include "spillway.vendorSecret" .) "key" .Values.vendor.secretKey) }}
{{- end }}
{{- range $lane, $l := .Values.lanes }}
{{- $vendor := $l.vendor | default dict }}
{{- if or $vendor.existingSecret $vendor.apiKey }}
{{- $name := $vendor.existingSecret | default (printf "%s-vendor-%s" (include "spillway.fullname" $) $lane) }}
{{- $_ := set $keys $lane (dict "name" $name "key" ($vendor.secretKey | default "api-key")) }}
{{- end }}
{{- end }}
{{- toJson $keys }}
{{- end }}

{{/* What reaches the server's container from Secrets as variables. All else are files that it follows. */}}
{{- define "spillway.secretEnv" -}}
{{- $v := .Values }}
{{- if $v.redis.bundled.enabled }}
- name: REDIS_PASSWORD # before the variable that names it
  valueFrom: {secretKeyRef: {name: {{ include "spillway.redisSecret" . }}, key: {{ $v.redis.bundled.secretKey }}}}
- {name: LLM_REDIS_URL, value: "redis://:$(REDIS_PASSWORD)@{{ include "spillway.redisName" . }}:6379"}
{{- end }}
{{- end }}

{{- define "spillway.mounts" -}}
- {name: keys, mountPath: /etc/spillway/keys, readOnly: true}
{{- if include "spillway.vendorKeys" . | fromJson }}
- {name: vendor, mountPath: /etc/spillway/vendor, readOnly: true}
{{- end }}
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
{{- with include "spillway.vendorKeys" . | fromJson }}
- name: vendor # one file for each lane, which the pods follow
  projected:
    sources:
      {{- range $lane, $secret := . }}
      - secret: {name: {{ $secret.name }}, items: [{key: {{ $secret.key }}, path: {{ $lane }}}]}
      {{- end }}
{{- end }}
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
