{{/* Values that contradict each other are refused here, with what to change. */}}
{{- define "spillway.guards" -}}
{{- $v := .Values }}
{{- $errs := list }}
{{- $queue := include "spillway.seconds" $v.limits.queueTimeout | int }}
{{- $call := include "spillway.seconds" $v.limits.callTimeout | int }}
{{- $sla := include "spillway.seconds" $v.limits.sla | int }}
{{- if not $v.enabled }}
{{- $errs = append $errs "enabled is false and no parent chart has looked at it: name it in the dependency, condition: spillway.enabled" }}
{{- end }}
{{- $errs = concat $errs (include "spillway.nameGuards" . | fromJsonArray) (include "spillway.podGuards" . | fromJsonArray) (include "spillway.gatewayGuards" . | fromJsonArray) }}
{{- if and (not $v.vendor.simulated) (not $v.vendor.url) }}
{{- $errs = append $errs "vendor.url is missing: set it to the URL that calls are POSTed to, or try the chart with vendor.simulated=true" }}
{{- end }}
{{- if and $v.vendor.simulated $v.vendor.url }}
{{- $errs = append $errs "vendor.simulated and vendor.url are both set: remove one of them" }}
{{- end }}
{{- if and $v.vendor.existingSecret $v.vendor.apiKey }}
{{- $errs = append $errs "vendor.existingSecret and vendor.apiKey are both set: keep the Secret and remove the key from the values" }}
{{- end }}
{{- range $name, $value := $v.vendor.headers }}
{{- if contains "," $value }}
{{- $errs = append $errs (printf "vendor.headers.%s has a comma in its value, which separates headers in LLM_VENDOR_HEADERS: leave it out" $name) }}
{{- end }}
{{- end }}
{{- if and $v.autoscaling.enabled $v.keda.enabled }}
{{- $errs = append $errs "autoscaling.enabled and keda.enabled are both true: two autoscalers would fight over the replicas; switch one off" }}
{{- end }}
{{- $external := or $v.redis.external.url $v.redis.external.existingSecret }}
{{- if and $v.redis.bundled.enabled $external }}
{{- $errs = append $errs "redis.bundled.enabled is true and redis.external is set: set redis.bundled.enabled=false to use yours" }}
{{- end }}
{{- if and (not $v.redis.bundled.enabled) (not $external) }}
{{- $errs = append $errs "there is no Redis: set redis.external.url or redis.external.existingSecret, or redis.bundled.enabled=true" }}
{{- end }}
{{- if and $v.redis.external.sentinelMaster $v.redis.external.cluster }}
{{- $errs = append $errs "redis.external.sentinelMaster and redis.external.cluster are both set: a Redis is one or the other" }}
{{- end }}
{{- if ge $queue $sla }}
{{- $errs = append $errs (printf "limits.queueTimeout (%s) must be below limits.sla (%s)" $v.limits.queueTimeout $v.limits.sla) }}
{{- end }}
{{- if gt $call $sla }}
{{- $errs = append $errs (printf "limits.callTimeout (%s) must not be above limits.sla (%s)" $v.limits.callTimeout $v.limits.sla) }}
{{- end }}
{{- if lt (int $v.limits.admission) (int $v.limits.slots) }}
{{- $errs = append $errs (printf "limits.admission (%d) is below limits.slots (%d): the slots could never be used; raise the one or lower the other" (int $v.limits.admission) (int $v.limits.slots)) }}
{{- end }}
{{- $mib := 1048576 }}
{{- $go := include "spillway.goMemLimit" (list . $v.resources.limits.memory) | int64 }}
{{- $budget := include "spillway.budget" . | int64 }}
{{- $need := div (add (include "spillway.memory" . | int64) (sub $mib 1)) $mib }}
{{- if gt $need $go }}
{{- $errs = append $errs (printf "resources.limits.memory (%s) gives Go %dMi, below the %dMi that a pod can need: %dMi of memory budget, an answer of %d bytes beyond it, limits.admission (%d) requests, %d connections and %dMi of bodies of jobs (jobs.workers x config.JOBS_MAX_BODY); the pod would be killed with all its requests: raise the limit, or lower limits.memoryBudget, jobs.workers or config.MAX_CONNECTIONS" $v.resources.limits.memory $go $need (div $budget $mib) ($v.config.VENDOR_MAX_RESPONSE | default 16777216 | int64) (int $v.limits.admission) ($v.config.MAX_CONNECTIONS | default 1000 | int64) (div (include "spillway.jobBodies" . | int64) $mib)) }}
{{- end }}
{{- if gt (int64 $v.limits.maxBody) (sub $budget (div $budget 4)) }}
{{- $errs = append $errs (printf "limits.maxBody (%d bytes) is above three quarters of the memory budget (%dMi): such a body would never find room; lower it, or raise resources.limits.memory or limits.memoryBudget" (int64 $v.limits.maxBody) (div $budget $mib)) }}
{{- end }}
{{- $need = div (add (include "spillway.simMemory" . | int64) (sub $mib 1)) $mib }}
{{- $go = include "spillway.goMemLimit" (list . $v.vendorsim.resources.limits.memory) | int64 }}
{{- if and $v.vendor.simulated (gt $need $go) }}
{{- $errs = append $errs (printf "vendorsim.resources.limits.memory (%s) gives Go %dMi, below the %dMi that a body of limits.maxBody (%d bytes) can take: raise it or lower limits.maxBody" $v.vendorsim.resources.limits.memory $go $need (int64 $v.limits.maxBody)) }}
{{- end }}
{{- range list (list "autoscaling" $v.autoscaling) (list "keda" $v.keda) }}
{{- $a := index . 1 }}
{{- if and $a.enabled (gt (int $a.minReplicas) (int $a.maxReplicas)) }}
{{- $errs = append $errs (printf "%s.minReplicas (%d) is above %s.maxReplicas (%d)" (index . 0) (int $a.minReplicas) (index . 0) (int $a.maxReplicas)) }}
{{- end }}
{{- end }}
{{- if and (gt (int $v.quota.shares) 0) (lt (int $v.quota.shares) (include "spillway.peakPods" . | int)) }}
{{- $errs = append $errs (printf "quota.shares (%d) is below the most pods that run at once (%s): without Redis they would exceed the contract; raise it or leave it 0" (int $v.quota.shares) (include "spillway.peakPods" .)) }}
{{- end }}
{{- if and (gt (int $v.quota.requests) 0) (gt (int $v.quota.burst) (int $v.quota.requests)) }}
{{- $errs = append $errs (printf "quota.burst (%d) is above quota.requests (%d): lower it or leave it 0" (int $v.quota.burst) (int $v.quota.requests)) }}
{{- end }}
{{- if and $v.autoscaling.enabled (not $v.autoscaling.targetCPUUtilizationPercentage) (not $v.autoscaling.metrics) }}
{{- $errs = append $errs "autoscaling.enabled without anything to scale on: set autoscaling.targetCPUUtilizationPercentage or autoscaling.metrics" }}
{{- end }}
{{- if and $v.autoscaling.enabled $v.autoscaling.targetCPUUtilizationPercentage (not (dig "requests" "cpu" "" $v.resources)) }}
{{- $errs = append $errs "autoscaling.targetCPUUtilizationPercentage is a share of resources.requests.cpu, which is not set: set it" }}
{{- end }}
{{- if and $v.redis.bundled.enabled (ge (include "spillway.bytes" $v.redis.bundled.maxmemory | int64) (include "spillway.bytes" $v.redis.bundled.resources.limits.memory | int64)) }}
{{- $errs = append $errs (printf "redis.bundled.maxmemory (%s) is not below redis.bundled.resources.limits.memory (%s): Redis would be killed before it says that it is full; leave it a quarter" $v.redis.bundled.maxmemory $v.redis.bundled.resources.limits.memory) }}
{{- end }}
{{- if and $v.redis.bundled.enabled $v.redis.bundled.persistence.enabled (lt (include "spillway.bytes" $v.redis.bundled.resources.limits.memory | int64) (mul 2 (include "spillway.bytes" $v.redis.bundled.maxmemory | int64))) }}
{{- $errs = append $errs (printf "redis.bundled.resources.limits.memory (%s) is below twice redis.bundled.maxmemory (%s): with persistence Redis forks to write its file anew, and would be killed; raise the one or lower the other" $v.redis.bundled.resources.limits.memory $v.redis.bundled.maxmemory) }}
{{- end }}
{{- if and $v.redis.external.url $v.redis.external.existingSecret }}
{{- $errs = append $errs "redis.external.url and redis.external.existingSecret are both set: put the whole URL into the Secret, or into the values" }}
{{- end }}
{{- if and $v.helmTest.existingSecret (not $v.apiKeys.existingSecret) }}
{{- $errs = append $errs "helmTest.existingSecret is only for keys of yours (apiKeys.existingSecret): remove it, helm test uses a generated key" }}
{{- end }}
{{- $tiers := include "spillway.tiers" . | fromJson }}
{{- range $user, $tier := ternary dict (include "spillway.users" . | fromJson) (ne $v.apiKeys.existingSecret "") }}
{{- if or (not (regexMatch "^[a-zA-Z0-9]([-._a-zA-Z0-9]*[a-zA-Z0-9])?$" $user)) (eq $user "keys") (gt (len $user) 200) }}
{{- $errs = append $errs (printf "apiKeys.generate.%s cannot be the entry of a Secret: use letters, digits, dots, dashes and underscores, and another name than keys" $user) }}
{{- end }}
{{- if not (hasKey $tiers $tier) }}
{{- $errs = append $errs (printf "apiKeys.generate.%s has tier %q, which tiers does not name" $user $tier) }}
{{- end }}
{{- end }}
{{- range $lane, $l := $v.lanes }}
{{- $vendor := $l.vendor | default dict }}
{{- if and $vendor.existingSecret $vendor.apiKey }}
{{- $errs = append $errs (printf "lanes.%s.vendor.existingSecret and lanes.%s.vendor.apiKey are both set: keep the Secret and remove the key from the values" $lane $lane) }}
{{- end }}
{{- if and (empty (toString (get $l.quota "requests") | replace "<nil>" "")) (empty (toString (get $l.quota "tokens") | replace "<nil>" "")) }}
{{- $errs = append $errs (printf "lanes.%s.quota names no contract: set requests or tokens, 0 for none" $lane) }}
{{- end }}
{{- if and $vendor.url (not $vendor.existingSecret) (not $vendor.apiKey) (or $v.vendor.existingSecret $v.vendor.apiKey) }}
{{- $errs = append $errs (printf "lanes.%s.vendor has a URL and no key: set lanes.%s.vendor.existingSecret" $lane $lane) }}
{{- end }}
{{- if and $l.fallback (ne $l.fallback "default") (not (hasKey $v.lanes $l.fallback)) }}
{{- $errs = append $errs (printf "lanes.%s.fallback (%s) is no lane: name one of lanes, or default" $lane $l.fallback) }}
{{- end }}
{{- if and (not $l.models) (ne $v.fallback $lane) }}
{{- $used := false }}
{{- range $v.lanes }}{{ if eq (.fallback | default "") $lane }}{{ $used = true }}{{ end }}{{ end }}
{{- if not $used }}
{{- $errs = append $errs (printf "lanes.%s gets no calls: set its models, or name it as a fallback" $lane) }}
{{- end }}
{{- end }}
{{- end }}
{{- if and $v.fallback (not (hasKey $v.lanes $v.fallback)) }}
{{- $errs = append $errs (printf "fallback (%s) is no lane: name one of lanes" $v.fallback) }}
{{- end }}
{{- $owned := dict
  "LANES" "lanes"
  "FALLBACK" "fallback"
  "ADDR" "service.port"
  "ADMIN_ADDR" "service.metricsPort"
  "VENDOR_URL" "vendor.url"
  "PLAYGROUND" "vendor.simulated"
  "VENDOR_API_KEY" "vendor.existingSecret"
  "VENDOR_API_KEY_FILE" "vendor.existingSecret"
  "VENDOR_NAME" "vendor.name"
  "VENDOR_AUTH_HEADER" "vendor.authHeader"
  "VENDOR_AUTH_SCHEME" "vendor.authScheme"
  "VENDOR_HEADERS" "vendor.headers"
  "QUOTA_REQUESTS" "quota.requests"
  "QUOTA_TOKENS" "quota.tokens"
  "QUOTA_WINDOW" "quota.window"
  "QUOTA_BURST" "quota.burst"
  "QUOTA_FALLBACK" "quota.fallback"
  "QUOTA_SHARES" "quota.shares"
  "ADMISSION_MAX" "limits.admission"
  "SLOTS" "limits.slots"
  "QUEUE_MAX" "limits.queue"
  "MAX_BODY" "limits.maxBody"
  "MEMORY_BUDGET" "limits.memoryBudget"
  "QUEUE_TIMEOUT" "limits.queueTimeout"
  "CALL_TIMEOUT" "limits.callTimeout"
  "STREAM_IDLE" "limits.streamIdle"
  "STREAM_MAX" "limits.streamMax"
  "SLA" "limits.sla"
  "JOBS_ENABLED" "jobs.enabled"
  "JOBS_NAME" "jobs.name"
  "JOBS_WORKERS" "jobs.workers"
  "JOBS_USER_MAX" "jobs.userMax"
  "JOBS_MAX_AGE" "jobs.maxAge"
  "JOBS_RETENTION" "jobs.retention"
  "DRAIN_DELAY" "drain.delay"
  "SHUTDOWN_GRACE" "drain.marginSeconds"
  "TIER_RATES" "tiers"
  "API_KEYS_FILE" "apiKeys"
  "REDIS_URL" "redis.external.url"
  "REDIS_URL_FILE" "redis.external.existingSecret"
  "REDIS_MASTER" "redis.external.sentinelMaster"
  "REDIS_SENTINEL_PASSWORD" "LLM_REDIS_SENTINEL_PASSWORD in extraEnv, from a Secret,"
  "REDIS_CLUSTER" "redis.external.cluster"
  "REDIS_BUDGET" "redis.budget" }}
{{- range $name, $_ := $v.config }}
{{- if hasKey $owned $name }}
{{- $errs = append $errs (printf "config.%s: set %s instead" $name (index $owned $name)) }}
{{- else if hasPrefix "LANE_" $name }}
{{- $errs = append $errs (printf "config.%s: set it in lanes, in the lane's config" $name) }}
{{- else if hasPrefix "LLM_" $name }}
{{- $errs = append $errs (printf "config.%s: leave the prefix LLM_ away" $name) }}
{{- end }}
{{- end }}
{{- if $errs }}{{ fail (printf "\n\nthese values cannot work:\n- %s\n" (join "\n- " $errs)) }}{{ end }}
{{- end }}
