{{/* Names that the API server would refuse, after some of the objects are there. A list of sentences in JSON. */}}
{{- define "spillway.nameGuards" -}}
{{- $v := .Values }}
{{- $errs := list }}
{{- $name := include "spillway.fullname" . }}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $name) }}
{{- $from := "the release's name" }}
{{- if $v.fullnameOverride }}{{ $from = "fullnameOverride" }}{{ else if $v.nameOverride }}{{ $from = "nameOverride, or the release's name" }}{{ end }}
{{- $errs = append $errs (printf "the name %q cannot be a Service's: it comes from %s; set fullnameOverride to a name of small letters, digits and dashes that begins with a letter" $name $from) }}
{{- end }}
{{- if and $v.namespaceOverride (not (regexMatch "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$" $v.namespaceOverride)) }}
{{- $errs = append $errs (printf "namespaceOverride (%s) is no name of a namespace: use small letters, digits and dashes" $v.namespaceOverride) }}
{{- end }}
{{- range $path, $value := dict
  "vendor.existingSecret" $v.vendor.existingSecret
  "apiKeys.existingSecret" $v.apiKeys.existingSecret
  "redis.bundled.existingSecret" $v.redis.bundled.existingSecret
  "redis.external.existingSecret" $v.redis.external.existingSecret
  "helmTest.existingSecret" $v.helmTest.existingSecret
  "caBundle.configMap" $v.caBundle.configMap
  "caBundle.secret" $v.caBundle.secret
  "serviceAccount.name" $v.serviceAccount.name
  "priorityClassName" $v.priorityClassName
  "redis.bundled.persistence.existingClaim" $v.redis.bundled.persistence.existingClaim
  "gateway.tlsSecret" $v.gateway.tlsSecret
  "gateway.parentRef.name" $v.gateway.parentRef.name }}
{{- if and $value (not (regexMatch "^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$" $value)) }}
{{- $errs = append $errs (printf "%s (%s) is no name of an object: use small letters, digits, dashes and dots" $path $value) }}
{{- end }}
{{- end }}
{{- range $path, $value := dict "vendor.secretKey" $v.vendor.secretKey "redis.bundled.secretKey" $v.redis.bundled.secretKey "redis.external.secretKey" $v.redis.external.secretKey "helmTest.secretKey" $v.helmTest.secretKey "caBundle.key" $v.caBundle.key }}
{{- if not (regexMatch "^[-._a-zA-Z0-9]+$" $value) }}
{{- $errs = append $errs (printf "%s (%s) cannot be the entry of a Secret: use letters, digits, dots, dashes and underscores" $path $value) }}
{{- end }}
{{- end }}
{{- if and (eq $v.service.type "ClusterIP") (eq (int $v.service.port) (int $v.service.metricsPort)) }}
{{- $errs = append $errs (printf "service.port and service.metricsPort are both %d: one Service has both; change one" (int $v.service.port)) }}
{{- end }}
{{- if and (eq $v.service.type "ClusterIP") (or $v.service.externalTrafficPolicy $v.service.loadBalancerClass $v.service.loadBalancerSourceRanges) }}
{{- $errs = append $errs "service.externalTrafficPolicy, loadBalancerClass and loadBalancerSourceRanges are for service.type above ClusterIP: remove them or change the type" }}
{{- end }}
{{- range $path, $peers := dict "networkPolicy.ingressFrom" $v.networkPolicy.ingressFrom "networkPolicy.metricsFrom" $v.networkPolicy.metricsFrom }}
{{- range $peers }}
{{- if and (dig "ipBlock" "cidr" "" .) (not (contains "/" (dig "ipBlock" "cidr" "" .))) }}
{{- $errs = append $errs (printf "%s has the address %s without a length: write it like 10.0.0.0/8" $path (dig "ipBlock" "cidr" "" .)) }}
{{- end }}
{{- end }}
{{- end }}
{{- $errs | toJson }}
{{- end }}

{{/* What the pods are given twice, or what Kubernetes would not run. A list of sentences in JSON. */}}
{{- define "spillway.podGuards" -}}
{{- $v := .Values }}
{{- $errs := list }}
{{- $own := list "app.kubernetes.io/name" "app.kubernetes.io/instance" "app.kubernetes.io/component" "app.kubernetes.io/version" "app.kubernetes.io/managed-by" "helm.sh/chart" }}
{{- range $path, $labels := dict "podLabels" $v.podLabels "metrics.serviceMonitor.labels" $v.metrics.serviceMonitor.labels "metrics.prometheusRule.labels" $v.metrics.prometheusRule.labels "metrics.dashboard.labels" $v.metrics.dashboard.labels }}
{{- range $own }}
{{- if hasKey $labels . }}
{{- $errs = append $errs (printf "%s has %s, which is the chart's: remove it" $path .) }}
{{- end }}
{{- end }}
{{- end }}
{{- range $path, $annotations := dict "deploymentAnnotations" $v.deploymentAnnotations "podAnnotations" $v.podAnnotations "service.annotations" $v.service.annotations "serviceAccount.annotations" $v.serviceAccount.annotations }}
{{- range $name, $_ := $annotations }}
{{- if regexMatch "^(meta\\.helm\\.sh|helm\\.sh|deployment\\.kubernetes\\.io)/" $name }}
{{- $errs = append $errs (printf "%s has %s, which belongs to Helm or Kubernetes: remove it" $path $name) }}
{{- end }}
{{- end }}
{{- end }}
{{- $seen := dict "GOMEMLIMIT" "goMemLimitPercent" "REDIS_PASSWORD" "redis.bundled.existingSecret" }}
{{- if or $v.caBundle.configMap $v.caBundle.secret }}{{ $_ := set $seen "SSL_CERT_DIR" "caBundle" }}{{ end }}
{{- range $v.extraEnv }}
{{- if hasKey $seen .name }}
{{- $errs = append $errs (printf "extraEnv has %s, which %s sets already: remove one of them" .name (get $seen .name)) }}
{{- end }}
{{- $_ := set $seen .name "extraEnv" }}
{{- end }}
{{- $volumes := dict "keys" "the chart" "vendor" "the chart" "redis" "the chart" "ca" "the chart" }}
{{- range $v.extraVolumes }}
{{- if hasKey $volumes .name }}
{{- $errs = append $errs (printf "extraVolumes has the name %s, which %s has already: choose another" .name (get $volumes .name)) }}
{{- end }}
{{- $_ := set $volumes .name "extraVolumes" }}
{{- end }}
{{- range $v.extraVolumeMounts }}
{{- if not (hasKey $volumes .name) }}
{{- $errs = append $errs (printf "extraVolumeMounts names the volume %s, which extraVolumes does not have: add it" .name) }}
{{- end }}
{{- if hasPrefix "/etc/spillway" .mountPath }}
{{- $errs = append $errs (printf "extraVolumeMounts has %s, below which the chart mounts its own: choose another path" .mountPath) }}
{{- end }}
{{- end }}
{{- if and $v.caBundle.configMap $v.caBundle.secret }}
{{- $errs = append $errs "caBundle.configMap and caBundle.secret are both set: keep one" }}
{{- end }}
{{- range $path, $resources := dict "resources" $v.resources "redis.bundled.resources" $v.redis.bundled.resources "vendorsim.resources" $v.vendorsim.resources }}
{{- $request := dig "requests" "memory" "" $resources | toString }}
{{- if and (regexMatch "^[0-9]+(Ki|Mi|Gi)$" $request) (gt (include "spillway.bytes" $request | int64) (include "spillway.bytes" $resources.limits.memory | int64)) }}
{{- $errs = append $errs (printf "%s.requests.memory (%s) is above %s.limits.memory (%s): raise the limit" $path $request $path $resources.limits.memory) }}
{{- end }}
{{- end }}
{{- $errs | toJson }}
{{- end }}
