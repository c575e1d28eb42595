package api_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/spillway-dev/spillway/internal/vendorsim"
)

// TestModelsAreThoseOfTheLanes: each vendor's list, where calls for the model go to that vendor, and names given in
// full.
func TestModelsAreThoseOfTheLanes(t *testing.T) {
	t.Parallel()
	first, chats := newVendor(t, vendorsim.Config{Models: []string{"gpt-4o", "claude-fake", "meta/llama"}})
	second, claude := newVendor(t, vendorsim.Config{Models: []string{"claude-3", "gpt-4o"}})
	b := newBundle(t, nil, options{real: true, env: []string{
		"LLM_VENDOR_URL=" + chats, "LLM_LANES=claude,away,spare", "LLM_LANE_CLAUDE_VENDOR_URL=" + claude + "/messages",
		"LLM_LANE_CLAUDE_VENDOR_API_KEY=sk", "LLM_LANE_CLAUDE_MODELS=claude*", "LLM_FALLBACK=spare",
		"LLM_LANE_AWAY_VENDOR_URL=http://127.0.0.1:1/v1", "LLM_LANE_AWAY_MODELS=own,other*",
		"LLM_LANE_SPARE_VENDOR_URL=" + claude,
	}})
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			got := b.send(http.MethodGet, "/v1/models", "")
			var list struct {
				Object string
				Data   []struct{ ID, Object, Type string }
				Last   string `json:"last_id"`
			}
			if err := json.Unmarshal([]byte(got.body), &list); err != nil {
				t.Error(err)
				return
			}
			var ids []string
			for _, m := range list.Data {
				ids = append(ids, m.ID)
				if m.Object != "model" || m.Type != "model" {
					t.Errorf("%+v", m)
				}
			}
			if strings.Join(ids, " ") != "gpt-4o meta/llama claude-3 own" || list.Object != "list" ||
				list.Last != "own" {
				t.Errorf("%d %s", got.status, got.body)
			}
		})
	}
	all.Wait()
	if a, b := first.Stats().Calls, second.Stats().Calls; a != 1 || b != 1 {
		t.Errorf("the vendors were asked %d and %d times", a, b)
	}
	for path, want := range map[string]string{
		"/v1/models/gpt-4o": `"id":"gpt-4o"`, "/v1/models/meta/llama": `"id":"meta/llama"`,
		"/v1/models/meta%2Fllama": `"id":"meta/llama"`,
		"/v1/models/claude-fake":  "model_not_found", "/v1/models/": "model_not_found",
	} {
		if got := b.send(http.MethodGet, path, ""); !strings.Contains(got.body, want) {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
	got := b.send(http.MethodGet, "/v1/models/none", "", "Anthropic-Version", "2023-06-01")
	if !strings.Contains(got.body, `{"type":"error"`) || !strings.Contains(got.body, "not_found_error") ||
		got.header.Get("Request-Id") == "" {
		t.Errorf("%v %s", got.header, got.body)
	}
}

// TestModelsAreNoWayAround identity and the user's limit, and they are served while a vendor is down.
func TestModelsAreNoWayAround(t *testing.T) {
	t.Parallel()
	_, base := newVendor(t, vendorsim.Config{Models: []string{"m"}})
	b := newBundle(t, nil, options{real: true, env: []string{"LLM_VENDOR_URL=" + base,
		"LLM_TIER_RATES=free:2,pro:1,enterprise:1000"}})
	if got := b.send(http.MethodGet, "/v1/models", "", "Authorization", ""); got.status != http.StatusUnauthorized {
		t.Errorf("without a key: %d", got.status)
	}
	if got := b.send(http.MethodGet, "/v1/models", "", "Authorization", "Bearer key-pro"); got.status != http.StatusOK {
		t.Errorf("%d %s", got.status, got.body)
	}
	if got := b.send(http.MethodGet, "/v1/models/m", "", "Authorization",
		"Bearer key-pro"); got.code() != "user_rate_limited" {
		t.Errorf("over the limit: %d %s", got.status, got.body)
	}
}

// TestModelsThatAreNotKnownYet: the answer says so, and when to ask again.
func TestModelsThatAreNotKnownYet(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil, options{real: true})
	got := b.send(http.MethodGet, "/v1/models", "")
	if got.code() != "vendor_unavailable" || got.header.Get("Retry-After") != "10" ||
		!strings.Contains(got.body, "list of models") {
		t.Errorf("%d %v %s", got.status, got.header, got.body)
	}
}
