{{/* Tiers and users. Their defaults are here and not in values.yaml, because Helm merges maps: a map of a user's own would get
the default entries too. */}}

{{/* Requests per minute of each tier, as a map in JSON. */}}
{{- define "spillway.tiers" -}}
{{- $tiers := dict }}
{{- range $tier, $rate := .Values.tiers }}{{ if not (kindIs "invalid" $rate) }}{{ $_ := set $tiers $tier $rate }}{{ end }}{{ end }}
{{- $tiers | default (dict "free" 10 "pro" 100 "enterprise" 1000) | toJson }}
{{- end }}

{{/* The tier of each user whose key the chart makes, as a map in JSON. */}}
{{- define "spillway.users" -}}
{{- $users := dict }}
{{- range $user, $tier := .Values.apiKeys.generate }}{{ if not (kindIs "invalid" $tier) }}{{ $_ := set $users $user $tier }}{{ end }}{{ end }}
{{- if not $users }}
{{- range $tier, $_ := include "spillway.tiers" . | fromJson }}{{ $_ := set $users (printf "demo-%s" $tier) $tier }}{{ end }}
{{- end }}
{{- toJson $users }}
{{- end }}

{{/* The user whose key NOTES and `helm test` take. */}}
{{- define "spillway.firstUser" -}}
{{- include "spillway.users" . | fromJson | keys | sortAlpha | first }}
{{- end }}

{{- define "spillway.keysSecret" -}}
{{ .Values.apiKeys.existingSecret | default (printf "%s-api-keys" (include "spillway.fullname" .)) }}
{{- end }}
