package chart_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestContradictionsAreRefused sets one contradictory pair of values at a time. Both versions of Helm must refuse it,
// with the sentence that explains what to change.
func TestContradictionsAreRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, scenario, set, want string }{
		{"no vendor", "", "replicas=2", "vendor.url is missing: set it"},
		{"two vendors", "minimal", "vendor.simulated=true", "vendor.simulated and vendor.url are both set: remove one"},
		{"two vendor keys", "minimal", "vendor.apiKey=sk",
			"vendor.existingSecret and vendor.apiKey are both set: keep the Secret"},
		{"header with a comma", "minimal", `vendor.headers.Accept=a\,b`,
			"vendor.headers.Accept has a comma in its value, which separates headers in LLM_VENDOR_HEADERS: " +
				"leave it out"},
		{"two autoscalers", "hpa", "keda.enabled=true",
			"two autoscalers would fight over the replicas; switch one off"},
		{"two Redis", "simulated", "redis.external.url=redis://r:6379",
			"redis.bundled.enabled is true and redis.external is set: set redis.bundled.enabled=false"},
		{"no Redis", "simulated", "redis.bundled.enabled=false", "there is no Redis: set redis.external.url"},
		{"two Redis URLs", "sentinel", "redis.external.url=redis://r:6379",
			"put the whole URL into the Secret, or into the values"},
		{"Sentinel and Cluster", "cluster", "redis.external.sentinelMaster=m", "a Redis is one or the other"},
		{"Redis above its memory", "simulated", "redis.bundled.maxmemory=192mb",
			"redis.bundled.maxmemory (192mb) is not below redis.bundled.resources.limits.memory (192Mi)"},
		{"queue timeout at the SLA", "simulated", "limits.queueTimeout=60s",
			"limits.queueTimeout (60s) must be below limits.sla (60s)"},
		{"call timeout above the SLA", "simulated", "limits.callTimeout=61s",
			"limits.callTimeout (61s) must not be above limits.sla (60s)"},
		{"a budget above the memory", "simulated", "limits.memoryBudget=120Mi",
			"resources.limits.memory (256Mi) gives Go 204Mi, below the 222Mi that a pod can need: " +
				"120Mi of memory budget, an answer of 16777216 bytes beyond it, limits.admission (200) requests, " +
				"1000 connections and 10Mi of bodies of jobs (jobs.workers x config.JOBS_MAX_BODY)"},
		{"a body above its part of the budget", "simulated", "limits.memoryBudget=40Mi",
			"limits.maxBody (33554432 bytes) is above three quarters of the memory budget (40Mi): " +
				"such a body would never find room"},
		{"a body above the simulator's memory", "simulated",
			"vendorsim.resources.limits.memory=100Mi,vendorsim.resources.requests.memory=100Mi",
			"vendorsim.resources.limits.memory (100Mi) gives Go 80Mi, below the 96Mi that a body of limits.maxBody " +
				"(33554432 bytes) can take"},
		{"admission below slots", "simulated", "limits.admission=49",
			"limits.admission (49) is below limits.slots (50)"},
		{"gateway timeout at the longest stream", "gateway-envoy", "gateway.limits.requestTimeout=11m",
			"gateway.limits.requestTimeout (11m) must be above limits.sla (60s) + limits.streamMax (10m)"},
		{"gateway timeout of endless streams", "gateway-envoy", "gateway.limits.requestTimeout=11m,limits.streamMax=0s",
			"limits.streamMax is 0s, so streams have no end, and gateway.limits.requestTimeout (11m) would cut them"},
		{"gateway body below the service's", "gateway-envoy", "gateway.limits.maxBody=31Mi",
			"gateway.limits.maxBody (31Mi) is below limits.maxBody (33554432 bytes)"},
		{"gateway check above preStop", "gateway-envoy", "gateway.healthCheck.unhealthyThreshold=5",
			"the gateway needs 10 s to notice a stopping pod (gateway.healthCheck), not less than " +
				"drain.preStopSeconds (10): raise the latter"},
		{"gateway check above the drain delay", "gateway-envoy", "drain.delay=4s",
			"the gateway needs 4 s to notice an unready pod (gateway.healthCheck), not less than drain.delay (4s): " +
				"raise the latter"},
		{"gateway without a Gateway", "simulated", "gateway.enabled=true",
			"gateway.enabled needs a Gateway: name yours"},
		{"gateway twice", "gateway-shared", "gateway.create=true", "attach to yours or make one, not both"},
		{"Traefik with Envoy's class", "gateway-envoy", "gateway.flavor=traefik,gateway.className=eg",
			"leave it empty, or set gateway.className=traefik"},
		{"proxies that the NetworkPolicy keeps out", "gateway-envoy", "gateway.flavor=traefik",
			"gateway.create with gateway.flavor=traefik does not say where the proxies run, and the NetworkPolicy " +
				"would keep them out: set gateway.proxyNamespace to their namespace, also if it is the release's " +
				"own, or networkPolicy.ingressFrom"},
		{"HPA upside down", "hpa", "autoscaling.minReplicas=7",
			"autoscaling.minReplicas (7) is above autoscaling.maxReplicas (6)"},
		{"KEDA upside down", "keda", "keda.minReplicas=7", "keda.minReplicas (7) is above keda.maxReplicas (6)"},
		{"HPA on nothing", "monitoring", "autoscaling.targetCPUUtilizationPercentage=0",
			"autoscaling.enabled without anything to scale on"},
		{"HPA on CPU that is not requested", "hpa", "resources.requests.cpu=null",
			"share of resources.requests.cpu, which is not set"},
		{"switched off alone", "simulated", "enabled=false",
			"no parent chart has looked at it: name it in the dependency, condition: spillway.enabled"},
		{"a name that begins with a digit", "simulated", "fullnameOverride=1llm",
			`the name "1llm" cannot be a Service's: it comes from fullnameOverride; set fullnameOverride to`},
		{"a namespace with a capital", "simulated", "namespaceOverride=Prod",
			"namespaceOverride (Prod) is no name of a namespace"},
		{"a Secret with a space", "minimal", "vendor.existingSecret=my vendor",
			"vendor.existingSecret (my vendor) is no name of an object"},
		{"an entry with a slash", "minimal", "vendor.secretKey=api/key",
			"vendor.secretKey (api/key) cannot be the entry of a Secret"},
		{"one port for both", "simulated", "service.port=9090",
			"service.port and service.metricsPort are both 9090: one Service has both"},
		{"a balancer's class without a balancer", "simulated", "service.loadBalancerClass=x",
			"are for service.type above ClusterIP"},
		{"an address without a length", "simulated", "networkPolicy.ingressFrom[0].ipBlock.cidr=10.0.0.1",
			"networkPolicy.ingressFrom has the address 10.0.0.1 without a length"},
		{"a label of the chart's", "simulated", `podLabels.app\.kubernetes\.io/name=x`,
			"podLabels has app.kubernetes.io/name, which is the chart's: remove it"},
		{"an annotation of Helm's", "simulated", `deploymentAnnotations.meta\.helm\.sh/release-name=x`,
			"deploymentAnnotations has meta.helm.sh/release-name, which belongs to Helm"},
		{"GOMEMLIMIT twice", "simulated", "extraEnv[0].name=GOMEMLIMIT,extraEnv[0].value=1",
			"extraEnv has GOMEMLIMIT, which goMemLimitPercent sets already"},
		{"a volume twice", "simulated", "extraVolumes[0].name=keys",
			"extraVolumes has the name keys, which the chart has already"},
		{"a mount without its volume", "simulated", "extraVolumeMounts[0].name=x,extraVolumeMounts[0].mountPath=/x",
			"extraVolumeMounts names the volume x, which extraVolumes does not have"},
		{"a mount over the chart's", "platform",
			"extraVolumeMounts[0].name=scratch,extraVolumeMounts[0].mountPath=/etc/spillway/keys",
			"extraVolumeMounts has /etc/spillway/keys, below which the chart mounts its own"},
		{"two bundles of authorities", "platform", "caBundle.secret=x",
			"caBundle.configMap and caBundle.secret are both set"},
		{"more memory asked for than allowed", "simulated", "resources.requests.memory=1Gi",
			"resources.requests.memory (1Gi) is above resources.limits.memory"},
		{"Redis that forks above its memory", "platform", "redis.bundled.maxmemory=100mb",
			"redis.bundled.resources.limits.memory (192Mi) is below twice redis.bundled.maxmemory (100mb)"},
		{"a user that is no entry of a Secret", "simulated", "apiKeys.generate.bob@example=pro",
			"apiKeys.generate.bob@example cannot be the entry of a Secret"},
		{"a body limit that makes Traefik hold streams back", "gateway-traefik", "gateway.limits.maxBody=2Mi",
			"would have Traefik buffer answers too, and streams arrive as a whole"},
		{"one address with the rate of all", "gateway-envoy",
			"gateway.limits.requestsPerSecondPerIP=500,gateway.limits.parallelRequests=100000",
			"one address could use up what is there for all"},
		{"less than one request for each proxy", "gateway-envoy",
			"gateway.limits.requestsPerSecondPerIP=2,gateway.proxyReplicas=3",
			"gateway.limits.requestsPerSecondPerIP (2) is below gateway.proxyReplicas (3)"},
		{"one address that holds every place", "gateway-envoy", "gateway.limits.requestReceivedTimeout=60s",
			"requestsPerSecondPerIP x requestReceivedTimeout = 1200 requests, " +
				"and gateway.limits.parallelRequests is 1000"},
		{"one address with every place", "gateway-traefik", "gateway.limits.parallelRequestsPerIP=1000",
			"one address could hold every place"},
		{"two vendor keys in a lane", "lanes", "lanes.claude.vendor.apiKey=sk",
			"lanes.claude.vendor.existingSecret and lanes.claude.vendor.apiKey are both set"},
		{"a lane without a contract", "lanes", "lanes.mini.quota.requests=null,lanes.mini.quota.tokens=null",
			"lanes.mini.quota names no contract: set requests or tokens, 0 for none"},
		{"a lane with another vendor and no key", "lanes", "lanes.claude.vendor.existingSecret=",
			"lanes.claude.vendor has a URL and no key"},
		{"a lane's fallback that is none", "lanes", "lanes.mini.fallback=gemini",
			"lanes.mini.fallback (gemini) is no lane"},
		{"a lane without calls", "lanes", "fallback=mini",
			"lanes.claude gets no calls: set its models, or name it as a fallback"},
		{"a fallback that is none", "lanes", "fallback=gemini,lanes.mini.fallback=claude",
			"fallback (gemini) is no lane: name one of lanes"},
		{"a lane's setting among the others", "lanes", "config.LANE_MINI_PACER_RATE=5",
			"config.LANE_MINI_PACER_RATE: set it in lanes, in the lane's config"},
		{"too few shares", "simulated", "quota.shares=2",
			"quota.shares (2) is below the most pods that run at once (3)"},
		{"burst above the contract", "simulated", "quota.burst=601", "quota.burst (601) is above quota.requests (600)"},
		{"key of an unknown tier", "simulated", "apiKeys.generate.bob=gold",
			`apiKeys.generate.bob has tier "gold", which tiers does not name`},
		{"test key beside generated ones", "simulated", "helmTest.existingSecret=mine",
			"helmTest.existingSecret is only for keys of yours"},
		{"setting with a value of its own", "simulated", "config.SLA=30s", "config.SLA: set limits.sla instead"},
		{"setting of jobs with a value of its own", "simulated", "config.JOBS_WORKERS=3",
			"config.JOBS_WORKERS: set jobs.workers instead"},
		{"setting with its prefix", "simulated", "config.LLM_PPROF=true",
			"config.LLM_PPROF: leave the prefix LLM_ away"},
		{"a bad duration", "simulated", "limits.sla=60", ""},
		{"a bad memory limit", "simulated", "resources.limits.memory=256M", ""},
	} {
		for helm, render := range helms {
			t.Run(helm+"/"+c.name, func(t *testing.T) {
				t.Parallel()
				if _, err := render(values(t, c.scenario, c.set), nil); err == nil ||
					!strings.Contains(err.Error(), c.want) {
					t.Errorf("want %q, got %v", c.want, err)
				}
			})
		}
	}
}

// TestEveryGuardHasItsCase counts the sentences in the template: each guard must have a test case.
func TestEveryGuardHasItsCase(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join(chartDir, "templates", "_guards*.tpl"))
	if err != nil || len(files) < 3 {
		t.Fatal(files, err)
	}
	var guards strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		guards.Write(text)
	}
	cases, err := os.ReadFile("guards_test.go")
	if err != nil {
		t.Fatal(err)
	}
	sentences := strings.Count(guards.String(), "append $errs")
	// The last two cases are about the schema. Two autoscalers have the same sentence, and so have two settings.
	tested := strings.Count(string(cases), "\n\t\t{\"") - 4
	if sentences != tested {
		t.Errorf("%d guards and %d cases", sentences, tested)
	}
}

// TestMistypedValuesAreRefused: the schema refuses every mistyped name, at every depth.
func TestMistypedValuesAreRefused(t *testing.T) {
	t.Parallel()
	for _, set := range []string{
		"replica=2", "vendor.uri=x", "quota.request=1", "limits.slot=1", "redis.external.sentinel=x",
		"redis.bundled.size=1", "gateway.limits.total=1",
		"gateway.parentRef.port=1", "gateway.healthCheck.interval=1", "metrics.serviceMonitor.enable=true",
		"keda.max=2", "drain.preStop=1", "service.ports=1",
		"image.name=x", "apiKeys.secret=x", "networkPolicy.on=true", "vendorsim.arg=x", "serviceAccount.make=true",
		"podDisruptionBudget.min=1", "autoscaling.max=1", "helmTest.key=x",
		"quota.fallback=maybe", "gateway.flavor=nginx", "service.type=ExternalName", "replicas=0", "replicas=two",
		"podDisruptionBudget.maxUnavailable=0", "drain.marginSeconds=1",
		"image.digest=latest", "vendor.url=api.openai.com", "goMemLimitPercent=120", "extraEnv[0].name=LLM_SLA",
		"extraEnv[0].name=LLM_REDIS_SENTINEL_PASSWORD,extraEnv[0].value=secret", // which would not be one
		"jobs.worker=1", "jobs.workers=-1", "jobs.userMax=0", "jobs.enabled=maybe", "jobs.maxAge=900ms",
		"jobs.retention=0s",
		"limits.sla=0s", "limits.queueTimeout=0m0s", "quota.window=0ms", "redis.budget=0s",
	} {
		for helm, render := range helms {
			t.Run(helm+"/"+set, func(t *testing.T) {
				t.Parallel()
				if _, err := render(values(t, "simulated", set), nil); err == nil ||
					!strings.Contains(err.Error(), "schema") {
					t.Errorf("got %v", err)
				}
			})
		}
	}
}
