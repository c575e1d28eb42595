package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/spillway-dev/spillway/internal/vendorsim"
)

// TestAzuresPathsAreTheSameEndpoints: with Azure's header for the key, the deployment as the model, and the api-version
// for the vendor. The rest of the body stays as it is, and limits and logs know one path for each endpoint.
func TestAzuresPathsAreTheSameEndpoints(t *testing.T) {
	t.Parallel()
	sim, base := newVendor(t, vendorsim.Config{})
	b := newBundle(t, nil, options{real: true, env: []string{"LLM_VENDOR_URL=" + base,
		"LLM_TIER_RATES=free:2,pro:100,enterprise:1000"}})
	for _, c := range []struct{ path, body, route, url, sent string }{
		{"/openai/deployments/gpt/chat/completions?api-version=2024-10-21&x=y", `{"messages":[],"n":1.0}`,
			"/v1/chat/completions", "/v1/chat/completions?api-version=2024-10-21",
			`{"model":"gpt","messages":[],"n":1.0}`},
		{"/openai/deployments/gpt/chat/completions", `{"model":"other"}`, "/v1/chat/completions",
			"/v1/chat/completions", `{"model":"gpt"}`},
		{"/openai/deployments/emb/embeddings?api-version=v;1", bodies["embeddings"], "/v1/embeddings", "/v1/embeddings",
			`{"model":"emb","input":"hello"}`},
		{"/openai/v1/responses?api-version=preview", bodies["responses"], "/v1/responses",
			"/v1/responses?api-version=preview",
			bodies["responses"]},
	} {
		got := b.send(http.MethodPost, c.path, c.body, "Authorization", "", "Api-Key", "key-pro")
		if got.status != http.StatusOK {
			t.Errorf("%s: %d %s", c.path, got.status, got.body)
			continue
		}
		calls := sim.Calls()
		if seen := calls[len(calls)-1].Seen; seen.URL != c.url || seen.Body != c.sent ||
			seen.Header.Get("Api-Key") != "" {
			t.Errorf("%s: the vendor got %s %s %v", c.path, seen.URL, seen.Body, seen.Header)
		}
		if line := b.accessLine(); line["route"] != c.route {
			t.Errorf("%s: the log says %v", c.path, line)
		}
	}
	if got := b.send(http.MethodGet, "/openai/v1/models", "", "Authorization", "", "Api-Key",
		"key-pro"); got.status != http.StatusOK {
		t.Errorf("%d %s", got.status, got.body)
	}
	for path, said := range map[string]string{
		"/openai/deployments/gpt/images/generations": "/openai/deployments/gpt/images/generations. ",
		"/openai/deployments//chat/completions":      "/openai/deployments//chat/completions. ",
		"/openai/deployments/%FF/chat/completions":   "/openai/deployments/?/chat/completions. ", // not UTF-8
		"/openai/deployments/a%C3/chat/completions":  "/openai/deployments/a?/chat/completions. ",
		"/openai/files": "/openai/files. ",
	} {
		got := b.send(http.MethodPost, path, `{}`)
		if got.code() != "not_found" || !strings.Contains(got.body, said) ||
			got.header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: %d %v %s", path, got.status, got.header, got.body)
		}
	}
}

// TestAzuresPathsAreNoWayAround the rate of a route.
func TestAzuresPathsAreNoWayAround(t *testing.T) {
	t.Parallel()
	b := newBundle(t, answers, options{env: []string{"LLM_ENDPOINT_RATES=/v1/chat/completions:1"}})
	if got := b.post("/v1/chat/completions"); got.status != http.StatusOK {
		t.Fatal(got.body)
	}
	for _, path := range []string{"/openai/deployments/m/chat/completions", "/openai/v1/chat/completions"} {
		if got := b.post(path); got.code() != "user_rate_limited" {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
}

// TestAzureAsAVendor: one deployment, one path for each model, and the key in a header of its own.
func TestAzureAsAVendor(t *testing.T) {
	t.Parallel()
	sim, base := newVendor(t, vendorsim.Config{Keys: []string{"sk"}})
	azure := strings.TrimSuffix(base, "/v1") + "/openai/deployments/"
	b := newBundle(t, nil, options{real: true, env: []string{
		"LLM_VENDOR_URL=" + azure + "{model}?api-version=2024-10-21", "LLM_VENDOR_API_KEY=sk",
		"LLM_VENDOR_AUTH_HEADER=api-key",
		"LLM_VENDOR_AUTH_SCHEME=none", "LLM_LANES=one", "LLM_LANE_ONE_MODELS=one",
		"LLM_LANE_ONE_VENDOR_URL=" + azure + "uno/chat/completions?api-version=2025-01-01",
	}})
	for path, c := range map[string]struct{ body, url string }{
		"/v1/chat/completions": {`{"model":"gpt 4"}`,
			"/openai/deployments/gpt%204/chat/completions?api-version=2024-10-21"},
		"/v1/embeddings":  {`{"model":"e"}`, "/openai/deployments/e/embeddings?api-version=2024-10-21"},
		"/llm":            {`{"model":"one"}`, "/openai/deployments/uno/chat/completions?api-version=2025-01-01"},
		"/v1/completions": {`{"model":".."}`, "/openai/deployments/_/completions?api-version=2024-10-21"},
		"/openai/deployments/d/chat/completions?api-version=2026-01-01": {`{}`,
			"/openai/deployments/d/chat/completions?api-version=2026-01-01"},
	} {
		got := b.send(http.MethodPost, path, c.body)
		calls := sim.Calls()
		if seen := calls[len(calls)-1].Seen.URL; got.status != http.StatusOK || seen != c.url {
			t.Errorf("%s: %d %s; the vendor got %s", path, got.status, got.body, seen)
		}
	}
}
