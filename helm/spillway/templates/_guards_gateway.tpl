{{/* Limits at the gateway that could not hold, or would hold the wrong thing. A list of sentences in JSON. */}}
{{- define "spillway.gatewayGuards" -}}
{{- $v := .Values }}
{{- $errs := list }}
{{- $sla := include "spillway.seconds" $v.limits.sla | int }}
{{- $l := $v.gateway.limits }}
{{- $longest := include "spillway.seconds" $v.limits.streamMax | int }}
{{- if and $v.gateway.enabled $l.requestTimeout }}
{{- if eq $longest 0 }}
{{- $errs = append $errs (printf "limits.streamMax is 0s, so streams have no end, and gateway.limits.requestTimeout (%s) would cut them: leave it empty, or set limits.streamMax" $l.requestTimeout) }}
{{- else if le (include "spillway.seconds" $l.requestTimeout | int) (add $sla $longest) }}
{{- $errs = append $errs (printf "gateway.limits.requestTimeout (%s) must be above limits.sla (%s) + limits.streamMax (%s): the gateway would cut requests the service still serves; leave it empty, or lower the latter" $l.requestTimeout $v.limits.sla $v.limits.streamMax) }}
{{- end }}
{{- end }}
{{- $check := mul $v.gateway.healthCheck.intervalSeconds $v.gateway.healthCheck.unhealthyThreshold | int }}
{{- if and $v.gateway.enabled (eq $v.gateway.flavor "envoy") }}
{{- if ge $check (int $v.drain.preStopSeconds) }}
{{- $errs = append $errs (printf "the gateway needs %d s to notice a stopping pod (gateway.healthCheck), not less than drain.preStopSeconds (%d): raise the latter" $check (int $v.drain.preStopSeconds)) }}
{{- end }}
{{- if ge $check (include "spillway.seconds" $v.drain.delay | int) }}
{{- $errs = append $errs (printf "the gateway needs %d s to notice an unready pod (gateway.healthCheck), not less than drain.delay (%s): raise the latter" $check $v.drain.delay) }}
{{- end }}
{{- end }}
{{- if and $v.gateway.enabled $v.gateway.limits.maxBody (lt (include "spillway.bytes" $v.gateway.limits.maxBody | int64) (int64 $v.limits.maxBody)) }}
{{- $errs = append $errs (printf "gateway.limits.maxBody (%s) is below limits.maxBody (%d bytes): the gateway would refuse what the service accepts; raise the one or lower the other" $v.gateway.limits.maxBody (int64 $v.limits.maxBody)) }}
{{- end }}
{{- if and $v.gateway.enabled $v.gateway.create (eq $v.gateway.flavor "traefik") (eq $v.gateway.className "eg") }}
{{- $errs = append $errs "gateway.flavor is traefik but gateway.className is Envoy Gateway's: leave it empty, or set gateway.className=traefik" }}
{{- end }}
{{- if and $v.gateway.enabled (not $v.gateway.create) (not $v.gateway.parentRef.name) }}
{{- $errs = append $errs "gateway.enabled needs a Gateway: name yours in gateway.parentRef.name, or set gateway.create=true" }}
{{- end }}
{{- if and $v.gateway.enabled $v.gateway.create $v.gateway.parentRef.name }}
{{- $errs = append $errs "gateway.create and gateway.parentRef.name are both set: attach to yours or make one, not both" }}
{{- end }}
{{- if and $v.gateway.enabled $v.gateway.create (ne $v.gateway.flavor "envoy") (eq $v.service.type "ClusterIP") $v.networkPolicy.enabled (not $v.networkPolicy.ingressFrom) (not $v.gateway.proxyNamespace) }}
{{- $errs = append $errs (printf "gateway.create with gateway.flavor=%s does not say where the proxies run, and the NetworkPolicy would keep them out: set gateway.proxyNamespace to their namespace, also if it is the release's own, or networkPolicy.ingressFrom" $v.gateway.flavor) }}
{{- end }}
{{- if and $v.gateway.enabled (eq $v.gateway.flavor "traefik") $l.maxBody }}
{{- $errs = append $errs "gateway.limits.maxBody with gateway.flavor=traefik would have Traefik buffer answers too, and streams arrive as a whole: leave it empty, the service refuses larger bodies itself" }}
{{- end }}
{{- if and $v.gateway.enabled (ge (int $l.requestsPerSecondPerIP) (int $l.totalRequestsPerSecond)) }}
{{- $errs = append $errs (printf "gateway.limits.requestsPerSecondPerIP (%d) is not below gateway.limits.totalRequestsPerSecond (%d): one address could use up what is there for all" (int $l.requestsPerSecondPerIP) (int $l.totalRequestsPerSecond)) }}
{{- end }}
{{- if and $v.gateway.enabled (lt (int $l.requestsPerSecondPerIP) (int $v.gateway.proxyReplicas)) }}
{{- $errs = append $errs (printf "gateway.limits.requestsPerSecondPerIP (%d) is below gateway.proxyReplicas (%d): each proxy lets at least one through; raise the limit" (int $l.requestsPerSecondPerIP) (int $v.gateway.proxyReplicas)) }}
{{- end }}
{{- $held := mul (int $l.requestsPerSecondPerIP) (include "spillway.seconds" $l.requestReceivedTimeout | int) }}
{{- if and $v.gateway.enabled (ge $held (int64 $l.parallelRequests)) }}
{{- $errs = append $errs (printf "one address that never finishes its bodies would hold gateway.limits.requestsPerSecondPerIP x requestReceivedTimeout = %d requests, and gateway.limits.parallelRequests is %d: lower the former or raise the latter" $held (int $l.parallelRequests)) }}
{{- end }}
{{- if and $v.gateway.enabled (eq $v.gateway.flavor "traefik") (ge (int $l.parallelRequestsPerIP) (int $l.parallelRequests)) }}
{{- $errs = append $errs (printf "gateway.limits.parallelRequestsPerIP (%d) is not below gateway.limits.parallelRequests (%d): one address could hold every place" (int $l.parallelRequestsPerIP) (int $l.parallelRequests)) }}
{{- end }}
{{- $errs | toJson }}
{{- end }}
