package chart_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
)

// TestNotesCanBeCopied reads the commands in the notes: everything that they name must exist.
func TestNotesCanBeCopied(t *testing.T) {
	t.Parallel()
	for _, scenario := range scenarios(t) {
		t.Run(scenario, func(t *testing.T) {
			t.Parallel()
			r := mustRender(t, scenario)
			forward := regexp.MustCompile(`kubectl -n \S+ port-forward svc/(\S+) 8080:(\d+)\n`).FindStringSubmatch(
				r.notes)
			if forward == nil {
				t.Fatalf("no port-forward:\n%s", r.notes)
			}
			if port := r.find(t, "Service", forward[1]).at("spec",
				"ports").([]any)[0].(map[string]any)["port"]; port != 80.0 || forward[2] != "80" {
				t.Errorf("%s forwards %s, the Service has %v", forward[0], forward[2], port)
			}
			if key := regexp.MustCompile(
				`get secret (\S+) -o jsonpath='\{\.data\.(\S+)\}' \| base64 -d`).FindStringSubmatch(
				r.notes); key != nil {
				if r.find(t, "Secret", key[1]).at("data", key[2]) == nil {
					t.Errorf("Secret %s has no entry %s", key[1], key[2])
				}
			} else if !strings.Contains(r.notes, "whose hashes are in Secret ") {
				t.Errorf("no key:\n%s", r.notes)
			}
			ask := regexp.MustCompile(
				`(?s)curl -s localhost:8080/llm -H "Authorization: Bearer \$KEY" -H 'Content-Type: application/json' \\\n\s+-d '([^']+)'\n`).FindStringSubmatch(r.notes)
			if ask == nil || !json.Valid([]byte(ask[1])) {
				t.Errorf("no curl line:\n%s", r.notes)
			}
			admin := regexp.MustCompile(`kubectl -n prod port-forward deploy/(\S+) 9090\n` +
				`\s+curl -s 'localhost:9090/readyz\?verbose'\n`).FindStringSubmatch(
				strings.ReplaceAll(r.notes, "-n llm-system ", "-n prod "))
			if admin == nil {
				t.Fatalf("no way to what one pod says:\n%s", r.notes)
			}
			r.find(t, "Deployment", admin[1])
			if ports := serverContainer(t, r)["ports"].([]any); ports[1].(map[string]any)["containerPort"] != 9090.0 {
				t.Errorf("the pod listens at %v", ports)
			}
			if strings.Contains(r.notes, "--raw") {
				t.Error("a command goes through the API server, which the NetworkPolicy does not let in")
			}
		})
	}
}

// TestNotesWarn is about values that are valid but seldom intended.
func TestNotesWarn(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ scenario, set, want string }{
		{"minimal", "replicas=2", "no contract with the vendor is kept"},
		{"lanes", "replicas=2",
			"  default  10000 requests and 2000000 tokens per 60s, then claude\n" +
				"  claude  4000 requests\n" +
				"  mini  30000 requests and 150000000 tokens, models gpt-4o-mini*\n"},
		{"simulated", "replicas=2", "give them apiKeys.existingSecret"},
		{"simulated", "replicas=2", "the bundled Redis keeps nothing on disk"},
		{"hpa", "quota.requests=400", "300 calls in flight, but the contract of 400 calls per 60s keeps at most 200"},
		{"keda", "metrics.serviceMonitor.enabled=false", "Set metrics.serviceMonitor.enabled"},
		{"gateway-shared", "replicas=2", "belong to the Gateway public"},
		{"gateway-envoy", "replicas=2", "need Envoy Gateway 1.9.2"},
		{"gateway-traefik", "replicas=2",
			"Traefik takes timeouts, restarts and trusted proxies from its static configuration"},
		{"gateway-traefik", "replicas=2", "readTimeout: 30s"},
		{"gateway-traefik", "replicas=2", "requestAcceptGraceTimeout: 10s"},
		{"gateway-traefik", "replicas=2", "without them gateway.trustedHops does nothing"},
		{"gateway-traefik", "replicas=2", "Its 429 for requests in flight has no Retry-After"},
		{"gateway-envoy", "gateway.flavor=traefik,gateway.proxyNamespace=edge", "which must listen at port 8000"},
		{"gateway-envoy", "gateway.flavor=traefik,gateway.proxyNamespace=edge", // whose Service has port 80
			"curl -s http://llm.example.com/llm --connect-to llm.example.com::$GATEWAY:"},
		{"gateway-envoy", "replicas=2", "GATEWAY=$(kubectl -n prod get gateway llm-spillway -o jsonpath="},
		{"gateway-envoy", "replicas=2",
			"curl -s http://llm.example.com:80/llm --connect-to llm.example.com::$GATEWAY:"},
		{"gateway-shared", "replicas=2", "kubectl -n gateways get gateway public"},
		{"gateway-shared", "replicas=2",
			"requestReceivedTimeout 30s or less, or one address that never finishes its bodies holds every place"},
		{"gateway-shared", "replicas=2",
			"kubectl get pods -n envoy-gateway-system -l gateway.envoyproxy.io/owning-gateway-name=public"},
		{"gateway-envoy", "gateway.limits.maxBody=40Mi", "connections x maxBody = 80000 MiB each"},
		{"simulated", "drain.streams=90s",
			"streams may take 600 s (limits.streamMax), " +
				"and a pod that stops ends those that are still open 90 s after limits.sla"},
		{"simulated", "limits.streamMax=0s",
			"streams may take any time (limits.streamMax), " +
				"and a pod that stops ends those that are still open 600 s after"},
		{"simulated", "apiKeys.generate.a\\.b=pro", `jsonpath='{.data.a\.b}'`},
		{"gateway-plain", "replicas=2", "Flood protection is up to you"},
		{"gateway-shared", "replicas=2", "were divided by gateway.proxyReplicas=3"},
	} {
		if r := mustRender(t, c.scenario, c.set); !strings.Contains(r.notes, c.want) {
			t.Errorf("%s %s: the notes do not say %q:\n%s", c.scenario, c.set, c.want, r.notes)
		}
	}
	for _, set := range []string{"jobs.enabled=false", "redis.bundled.persistence.enabled=true"} {
		if r := mustRender(t, "simulated", set); strings.Contains(r.notes, "bundled Redis keeps nothing") {
			t.Errorf("%s: warned of jobs that are lost:\n%s", set, r.notes)
		}
	}
	if r := mustRender(t, "production"); strings.Contains(r.notes, "no contract") ||
		strings.Contains(r.notes, "would only wait") || strings.Contains(r.notes, "KEDA reads") ||
		strings.Contains(r.notes, "bundled Redis") {
		t.Errorf("production is warned of what it has done:\n%s", r.notes)
	}
}
