{{/* What every pod of the chart has in common: (list . own uid). own may have nodeSelector, tolerations, affinity and
priorityClassName, which then replace those of the chart. */}}
{{- define "spillway.pod" -}}
{{- $root := index . 0 -}}
{{- $own := index . 1 -}}
{{- $uid := index . 2 -}}
{{- $secrets := list }}
{{- range concat (dig "imagePullSecrets" list ($root.Values.global | default dict)) $root.Values.imagePullSecrets }}
{{- $secrets = append $secrets (ternary (dict "name" .) . (kindIs "string" .)) }}
{{- end }}
{{- with $secrets | uniq }}
imagePullSecrets: {{ toYaml . | nindent 2 }}
{{- end }}
automountServiceAccountToken: false
enableServiceLinks: false # a Service named "llm" would inject variables that begin with LLM_
{{- with $own.priorityClassName | default $root.Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $own.nodeSelector | default $root.Values.nodeSelector }}
nodeSelector: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with $own.affinity | default $root.Values.affinity }}
affinity: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with $own.tolerations | default $root.Values.tolerations }}
tolerations: {{ toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: {{ $uid }}
  runAsGroup: {{ $uid }}
  fsGroup: {{ $uid }}
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- end }}

{{/* What every container has in common. Its last lines of log become the reason that `kubectl describe pod` shows. */}}
{{- define "spillway.container" -}}
terminationMessagePolicy: FallbackToLogsOnError
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}

{{/* Environment variables with values as text, whatever kind they were written as. */}}
{{- define "spillway.env" -}}
{{- $all := list }}
{{- range . }}
{{- $e := deepCopy . }}
{{- if hasKey $e "value" }}{{ $_ := set $e "value" (include "spillway.scalar" $e.value) }}{{ end }}
{{- $all = append $all $e }}
{{- end }}
{{- toYaml $all }}
{{- end }}
