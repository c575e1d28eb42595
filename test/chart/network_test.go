package chart_test

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"testing"
)

// credentials are addresses at which clouds give credentials to any process inside.
var credentials = []string{"169.254.169.254", "169.254.170.2", "100.100.100.200", "168.63.129.16", "192.0.0.192",
	"fe80::1", "fd00:ec2::254", "fd20:ce::254"}

// TestPodsDoNotReachCredentials checks every egress rule, in every scenario.
func TestPodsDoNotReachCredentials(t *testing.T) {
	t.Parallel()
	for _, scenario := range scenarios(t) {
		t.Run(scenario, func(t *testing.T) {
			t.Parallel()
			for _, o := range mustRender(t, scenario).objects {
				if o.kind() != "NetworkPolicy" {
					continue
				}
				rules, _ := o.at("spec", "egress").([]any)
				for _, rule := range rules {
					r := object(rule.(map[string]any))
					if ports := fmt.Sprint(
						r["ports"]); ports == "[map[port:53 protocol:UDP] map[port:53 protocol:TCP]]" {
						continue
					}
					for _, address := range credentials {
						if reaches(t, r, netip.MustParseAddr(address)) {
							t.Errorf("%v lets pods reach %s on %v", o, address, r["ports"])
						}
					}
				}
			}
		})
	}
}

// reaches reports whether an egress rule allows an address outside the cluster.
func reaches(tb testing.TB, rule object, address netip.Addr) bool {
	tb.Helper()
	peers, ok := rule["to"].([]any)
	if !ok {
		return true // everywhere
	}
	for _, p := range peers {
		block := object(p.(map[string]any))
		cidr, _ := block.at("ipBlock", "cidr").(string)
		if cidr == "" || !netip.MustParsePrefix(cidr).Contains(address) {
			continue
		}
		except, _ := block.at("ipBlock", "except").([]any)
		if !slices.ContainsFunc(except,
			func(e any) bool { return netip.MustParsePrefix(e.(string)).Contains(address) }) {
			return true
		}
	}
	return false
}

// TestPodsReachTheirVendor: outside the cluster or in a pod, on the vendor's port and on no other.
func TestPodsReachTheirVendor(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		scenario, set string
		want          []any
	}{
		{"minimal", "replicas=2", []any{443.0}},
		{"platform", "replicas=2", []any{8443.0}},
		{"lanes", "replicas=2", []any{443.0, 8443.0}},
		{"loadbalancer", "replicas=2", []any{8000.0, 3128.0}},
		{"minimal", "vendor.url=http://models.internal/v1", []any{80.0}},
	} {
		found := false
		for _, rule := range mustRender(t, c.scenario, c.set).find(t, "NetworkPolicy", "llm-spillway").at("spec",
			"egress").([]any) {
			r := object(rule.(map[string]any))
			ports := portsOf(rule)
			to, _ := r["to"].([]any)
			inside := slices.ContainsFunc(to, func(p any) bool {
				return reflect.DeepEqual(p, map[string]any{"namespaceSelector": map[string]any{}})
			})
			found = found || reflect.DeepEqual(ports, c.want) && inside &&
				reaches(t, r, netip.MustParseAddr("203.0.113.7")) && reaches(t, r, netip.MustParseAddr("2001:db8::7"))
		}
		if !found {
			t.Errorf("%s %s: no rule for the ports %v alone", c.scenario, c.set, c.want)
		}
	}
}

// TestPodsReachTheirRedis: a Redis of the user's is reached at the usual ports and at those in its URL, once each.
func TestPodsReachTheirRedis(t *testing.T) {
	t.Parallel()
	usual := []any{6379.0, 6380.0, 26379.0}
	for _, c := range []struct {
		url  string
		want []any
	}{
		{"redis://redis", usual},
		{"rediss://redis.example.com:6380/2", usual},
		{"rediss://user:pass:1@redis.example.com:25061/0", append(slices.Clone(usual), 25061.0)},
		{"redis://a:7000?addr=b:7001&read_timeout=1&addr=c%3A7002&addr=d:7000",
			append(slices.Clone(usual), 7000.0, 7001.0, 7002.0)},
		{"redis://[2001:db8::7]:7000/0?addr=[2001:db8::8]:7001", append(slices.Clone(usual), 7000.0, 7001.0)},
		{"redis://[2001:db8::7]", usual},
	} {
		set := map[string]any{"vendor": map[string]any{"simulated": true}, "redis": map[string]any{
			"bundled": map[string]any{"enabled": false}, "external": map[string]any{"url": c.url}}}
		files, err := render4(set, nil)
		if err != nil {
			t.Fatal(err)
		}
		r, err := parse(files)
		if err != nil {
			t.Fatal(err)
		}
		egress := r.find(t, "NetworkPolicy", "llm-spillway").at("spec", "egress").([]any)
		if got := portsOf(egress[1]); !reflect.DeepEqual(got, c.want) { // egress[0] is DNS
			t.Errorf("%s: ports %v, want %v", c.url, got, c.want)
		}
	}
}

// portsOf are the ports of a rule.
func portsOf(rule any) (ports []any) {
	for _, p := range rule.(map[string]any)["ports"].([]any) {
		ports = append(ports, p.(map[string]any)["port"])
	}
	return ports
}

// TestWhoMayCall: by default pods of the release's namespace and of that of the gateway's proxies, and no others.
func TestWhoMayCall(t *testing.T) {
	t.Parallel()
	own := map[string]any{"podSelector": map[string]any{}}
	proxies := func(namespace string) map[string]any {
		return map[string]any{"namespaceSelector": map[string]any{"matchLabels": map[string]any{"kubernetes.io/metadata.name": namespace}}}
	}
	for _, c := range []struct {
		scenario, set string
		want          []any
	}{
		{"simulated", "replicas=2", []any{own}},
		{"gateway-envoy", "replicas=2", []any{own, proxies("envoy-gateway-system")}},
		{"gateway-traefik", "replicas=2", []any{own, proxies("traefik")}},
		{"gateway-envoy", "gateway.proxyNamespace=edge", []any{own, proxies("edge")}},
		{"gateway-envoy", "gateway.flavor=traefik,gateway.proxyNamespace=edge", []any{own, proxies("edge")}},
		{"loadbalancer", "replicas=2", nil}, // all, as the Service is for the outside
	} {
		rules := mustRender(t, c.scenario, c.set).find(t, "NetworkPolicy", "llm-spillway").at("spec", "ingress").([]any)
		if from, _ := rules[0].(map[string]any)["from"].([]any); !reflect.DeepEqual(from, c.want) {
			t.Errorf("%s %s: %v may call", c.scenario, c.set, from)
		}
		if from := rules[1].(map[string]any)["from"]; !reflect.DeepEqual(from, []any{own, proxies("monitoring")}) {
			t.Errorf("%s %s: %v may scrape", c.scenario, c.set, from)
		}
	}
}
