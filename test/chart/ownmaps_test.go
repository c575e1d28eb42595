package chart_test

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestOwnMapsReplaceTheDefaults: Helm merges maps, so the defaults of tiers and users must not be in values.yaml.
func TestOwnMapsReplaceTheDefaults(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	service := regexp.MustCompile("`LLM_TIER_RATES` \\| `([^`]*)`").FindSubmatch(page)
	for _, c := range []struct {
		name, set, rates string
		users            map[string]string
	}{
		{"neither", "replicas=2", string(service[1]),
			map[string]string{"demo-free": "free", "demo-pro": "pro", "demo-enterprise": "enterprise"}},
		{"tiers", "tiers.basic=5,tiers.plus=2000000", "basic:5,plus:2000000",
			map[string]string{"demo-basic": "basic", "demo-plus": "plus"}},
		{"users", "apiKeys.generate.alice=pro", string(service[1]), map[string]string{"alice": "pro"}},
		{"both", "tiers.basic=5,apiKeys.generate.alice=basic", "basic:5", map[string]string{"alice": "basic"}},
		{"defaults that are taken away one by one", "tiers.free=null,tiers.team=60,apiKeys.generate.demo-free=null",
			"team:60", map[string]string{"demo-team": "team"}},
		{"users that are taken away", "apiKeys.generate=null,tiers=null", string(service[1]),
			map[string]string{"demo-free": "free", "demo-pro": "pro", "demo-enterprise": "enterprise"}},
	} {
		for helm, render := range helms {
			t.Run(helm+"/"+c.name, func(t *testing.T) {
				t.Parallel()
				files, err := render(values(t, "simulated", c.set), nil)
				if err != nil {
					t.Fatal(err)
				}
				r, err := parse(files)
				if err != nil {
					t.Fatal(err)
				}
				if got, _ := settings(t, r)["LLM_TIER_RATES"].(string); sorted(got) != sorted(c.rates) {
					t.Errorf("the tiers are %s, want %s", got, c.rates)
				}
				readKeys(t, r.find(t, "Secret", "llm-spillway-api-keys"), c.users)
				first := slices.Min(slices.Collect(maps.Keys(c.users)))
				if !strings.Contains(r.notes, "{.data."+first+"}") {
					t.Errorf("the notes do not take the key of %s:\n%s", first, r.notes)
				}
				pod := r.find(t, "Pod", "llm-spillway-test-llm").at("spec", "containers").([]any)[0].(map[string]any)
				key := object(pod["env"].([]any)[2].(map[string]any)).at("valueFrom", "secretKeyRef", "key")
				if key != first {
					t.Errorf("helm test takes the key of %v, want %s", key, first)
				}
			})
		}
	}
}

// sorted is a list with commas, in order.
func sorted(list string) string {
	all := strings.Split(list, ",")
	slices.Sort(all)
	return strings.Join(all, ",")
}
