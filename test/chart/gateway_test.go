package chart_test

import (
	"reflect"
	"testing"
)

// traefikChain are the middlewares of the route, in the order in which a request passes them.
func traefikChain(tb testing.TB, r rendered) (chain []object) {
	tb.Helper()
	rule := object(r.find(tb, "HTTPRoute", "llm-spillway").at("spec", "rules").([]any)[0].(map[string]any))
	for _, filter := range rule["filters"].([]any) {
		name := object(filter.(map[string]any)).at("extensionRef", "name").(string)
		chain = append(chain, object(r.find(tb, "Middleware", name).at("spec").(map[string]any)))
	}
	return chain
}

// TestTraefikLimitsInOrder checks the order and the keys, which were found with a real Traefik.
func TestTraefikLimitsInOrder(t *testing.T) {
	t.Parallel()
	r := mustRender(t, "gateway-traefik", "gateway.proxyReplicas=2,gateway.trustedHops=1")
	chain := traefikChain(t, r)
	if len(chain) != 5 {
		t.Fatalf("%d middlewares", len(chain))
	}
	header := map[string]any{"requestHeaderName": "X-Spillway-Limit"}
	address := map[string]any{"ipStrategy": map[string]any{"depth": 1.0, "ipv6Subnet": 64.0}}
	for i, c := range []struct {
		fault string
		path  []string
		want  any
	}{
		{"a client chooses the key of the limits on all", []string{"headers", "customRequestHeaders"},
			map[string]any{"X-Spillway-Limit": "all"}},
		{"one address uses up what is there for all", []string{"rateLimit", "sourceCriterion"}, address},
		{"one address holds every place", []string{"inFlightReq", "sourceCriterion"}, address},
		{"another Host has a bucket of its own", []string{"rateLimit", "sourceCriterion"}, header},
		{"another Host has places of its own", []string{"inFlightReq", "sourceCriterion"}, header},
	} {
		if got := chain[i].at(c.path...); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: middleware %d has %v of %v", c.fault, i+1, got, chain[i])
		}
	}
	for i, c := range []struct {
		path []string
		want float64
	}{
		{},
		{[]string{"rateLimit", "average"}, 10},
		{[]string{"inFlightReq", "amount"}, 125},
		{[]string{"rateLimit", "average"}, 250},
		{[]string{"inFlightReq", "amount"}, 500},
	} {
		if c.path != nil && chain[i].at(c.path...) != c.want {
			t.Errorf("middleware %d allows %v on each of 2 proxies, want %v", i+1, chain[i].at(c.path...), c.want)
		}
	}
	for _, o := range r.objects {
		if o.kind() == "Middleware" && o.at("spec", "buffering") != nil {
			t.Error("buffering holds answers back: the first event of a stream would come after the last")
		}
	}
}

// TestTraefikListensAtAnEntryPoint is about the Gateway of the chart: Traefik accepts only ports on which it listens.
func TestTraefikListensAtAnEntryPoint(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		set  string
		want float64
	}{
		{"gateway.flavor=traefik", 8000}, {"gateway.flavor=traefik,gateway.tlsSecret=x", 8443},
		{"gateway.flavor=traefik,gateway.listenerPort=80", 80}, {"gateway.flavor=none", 80},
		{"gateway.flavor=envoy", 80}, {"gateway.flavor=envoy,gateway.tlsSecret=x", 443},
	} {
		r := mustRender(t, "gateway-envoy", c.set, "gateway.proxyNamespace=edge")
		gateway := r.find(t, "Gateway", "llm-spillway")
		listener := gateway.at("spec", "listeners").([]any)[0].(map[string]any)
		if listener["port"] != c.want {
			t.Errorf("%s: port %v, want %v", c.set, listener["port"], c.want)
		}
	}
	if class := mustRender(t, "gateway-envoy", "gateway.flavor=traefik,gateway.proxyNamespace=edge").find(t, "Gateway",
		"llm-spillway").at("spec", "gatewayClassName"); class != "traefik" {
		t.Errorf("the class is %v", class)
	}
}

// TestEnvoyLimits checks Envoy Gateway's policies in the same way.
func TestEnvoyLimits(t *testing.T) {
	t.Parallel()
	r := mustRender(t, "gateway-envoy")
	policy := r.find(t, "BackendTrafficPolicy", "llm-spillway")
	rules := policy.at("spec", "rateLimit", "local", "rules").([]any)
	if len(rules) != 3 {
		t.Fatalf("%d rules", len(rules))
	}
	var rates []float64
	for i, want := range []any{
		map[string]any{"sourceCIDR": map[string]any{"type": "Distinct", "value": "0.0.0.0/0"}},
		map[string]any{"sourceCIDR": map[string]any{"type": "Distinct", "value": "::/0"}},
		// Not the Host, which clients choose.
		map[string]any{"path": map[string]any{"type": "PathPrefix", "value": "/"}},
	} {
		rule := object(rules[i].(map[string]any))
		if selectors := rule["clientSelectors"].([]any); len(selectors) != 1 || !reflect.DeepEqual(selectors[0], want) {
			t.Errorf("rule %d counts by %v", i+1, selectors)
		}
		rates = append(rates, rule.at("limit", "requests").(float64))
	}
	if rates[0] >= rates[2] || rates[1] >= rates[2] {
		t.Errorf("rates %v: Envoy asks the lowest first, which has to be that of one address", rates)
	}
	if policy.at("spec", "requestBuffer") != nil {
		t.Error("the gateway buffers bodies: its memory is connections times their size")
	}
	if mustRender(t, "gateway-envoy", "gateway.limits.maxBody=40Mi").find(t, "BackendTrafficPolicy",
		"llm-spillway").at("spec", "requestBuffer", "limit") != "40Mi" {
		t.Error("gateway.limits.maxBody is not used")
	}
	if policy.at("spec", "responseOverride") != nil || policy.at("spec", "compression") != nil {
		t.Error("answers are changed on their way, and streams may be held back")
	}
	client := r.find(t, "ClientTrafficPolicy", "llm-spillway")
	received := duration(t, client.at("spec", "timeout", "http", "requestReceivedTimeout").(string))
	if held := rates[0] * received.Seconds(); held >= policy.at("spec",
		"circuitBreaker", "maxParallelRequests").(float64) {
		t.Errorf("one address that never finishes its bodies holds %v places, which are all", held)
	}
}
