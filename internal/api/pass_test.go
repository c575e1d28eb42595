package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/spillway-dev/spillway/internal/vendorsim"
)

// TestClientHeadersGoOnByAList, each lane's own, and nothing else does. What the settings send cannot be replaced.
func TestClientHeadersGoOnByAList(t *testing.T) {
	t.Parallel()
	sim, base := newVendor(t, vendorsim.Config{})
	b := newBundle(t, nil, options{real: true, env: []string{
		"LLM_VENDOR_URL=" + base, "LLM_VENDOR_HEADERS=anthropic-version:2023-06-01", "LLM_LANES=own",
		"LLM_LANE_OWN_MODELS=own", "LLM_LANE_OWN_VENDOR_PASS_HEADERS=openai-project",
	}})
	headers := []string{
		"Anthropic-Beta", "a,b", "OpenAI-Beta", "c", "Anthropic-Version", "9", "OpenAI-Project", "p",
		"OpenAI-Organization", "o",
		"X-Api-Key", "secret", "Cookie", "secret", "X-Forwarded-For", "10.0.0.1", "X-Stainless-Lang", "js",
	}
	for model, want := range map[string]map[string]string{
		"m":   {"Anthropic-Beta": "a,b", "Openai-Beta": "c", "Anthropic-Version": "2023-06-01"},
		"own": {"Openai-Project": "p", "Anthropic-Version": "2023-06-01"},
	} {
		if got := b.send(http.MethodPost, "/v1/chat/completions", `{"model":"`+model+`"}`,
			headers...); got.status != http.StatusOK {
			t.Fatal(got.body)
		}
		calls := sim.Calls()
		seen := calls[len(calls)-1].Seen.Header
		for i := 0; i < len(headers); i += 2 {
			name := http.CanonicalHeaderKey(headers[i])
			if seen.Get(name) != want[name] {
				t.Errorf("%s: the vendor got %s %q, want %q", model, name, seen.Get(name), want[name])
			}
		}
	}
	long := strings.Repeat("x", 1025)
	if got := b.post("/llm", "Anthropic-Beta", long); got.code() != "header_too_long" {
		t.Errorf("%d %s", got.status, got.body)
	}
	if got := b.post("/llm", "X-Stainless-Lang", long); got.status != http.StatusOK {
		t.Errorf("%d %s", got.status, got.body)
	}
}
