package vendorsim_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"github.com/spillway-dev/spillway/internal/vendorsim"
	"github.com/spillway-dev/spillway/internal/vendorsim/script"
)

// claude are the headers that Anthropic's endpoints need.
var claude = []string{"X-Api-Key", "sk", "Anthropic-Version", "2023-06-01"}

// ask calls an endpoint.
func (b *bundle) ask(path, body string, header ...string) answer {
	b.t.Helper()
	return b.do(b.t.Context(), http.MethodPost, path, body, header...)
}

// total is the largest total in the usage of an answer, as the endpoint's vendor counts.
func total(body string) (most int) {
	for line := range strings.Lines(body) {
		root := gjson.Parse(strings.TrimPrefix(line, "data: "))
		for _, path := range []string{"usage", "message.usage", "response.usage"} {
			u := root.Get(path)
			most = max(most, int(u.Get("total_tokens").Int()),
				int(u.Get("input_tokens").Int()+u.Get("cache_creation_input_tokens").Int()+
					u.Get("output_tokens").Int()))
		}
	}
	return most
}

// The judge counts what each endpoint reports: hidden reasoning, caches and several choices too, whole and as a stream.
func TestTheLogCountsWhatIsReported(t *testing.T) {
	t.Parallel()
	const message = `"messages":[{"role":"user","content":"hey"}],"max_tokens":20`
	for _, tt := range []struct{ path, body string }{
		{"/v1/chat/completions", `{"model":"m","n":8,` + message},
		{"/v1/completions", `{"model":"m","prompt":"hey","n":2,"best_of":4`},
		{"/v1/responses", `{"model":"m","input":"hey"`},
		{"/v1/messages", `{"model":"m",` + message},
		{"/v1/embeddings", `{"model":"m","input":["a","b"]`},
		{"/v1/chat/completions", `{"model":"m","tools":[{"type":"function","function":{"name":"f"}}],` + message},
	} {
		for _, stream := range []string{`}`, `,"stream":true,"stream_options":{"include_usage":true}}`} {
			b := start(t, vendorsim.Config{
				Contract: vendorsim.Contract{Tokens: 1 << 30, Window: vendorsim.Duration(time.Hour)}, ChunkTokens: 3,
				Tokens: vendorsim.Extra{Reasoning: 500, Hidden: 1000, CacheWrite: 4000, CacheRead: 9000},
			})
			got := b.ask(tt.path, tt.body+stream, claude...)
			if got.err != nil || got.status != http.StatusOK {
				t.Fatalf("%s: %+v", tt.path, got)
			}
			if err := b.WaitFor(t.Context(), func(s vendorsim.Stats) bool { return s.InFlight == 0 }); err != nil {
				t.Fatal(err)
			}
			call, st := b.Calls()[0], b.Stats()
			if said := total(got.body); said == 0 || said != call.Prompt+call.Completion || said != st.MaxTokens {
				t.Errorf("%s %s: reported %d, logged %+v, %d in the window", tt.path, stream, said, call, st.MaxTokens)
			}
		}
	}
}

// A vendor that reports no usage still counts it.
func TestUnsaidUsage(t *testing.T) {
	t.Parallel()
	b := start(t, vendorsim.Config{CompletionTokens: 600, ChunkTokens: 200, Tokens: vendorsim.Extra{Unsaid: true}})
	got := b.post(`{"stream":true,"stream_options":{"include_usage":true}}`)
	if strings.Contains(got.body, "usage") || strings.Count(got.body, "data: ") != 3+1+1 {
		t.Errorf("%q", got.body)
	}
	if call := b.Calls()[0]; call.Completion != 600 {
		t.Errorf("%+v", call)
	}
}

// Requests that the vendor itself refuses, in the format of the endpoint.
func TestRequestsThatTheVendorRefuses(t *testing.T) {
	t.Parallel()
	b := start(
		t,
		vendorsim.Config{Keys: []string{"sk"}, Models: []string{"m"},
			Endpoints: []string{"chat", "messages", "models"}},
	)
	bearer := []string{"Authorization", "Bearer sk"}
	for _, tt := range []struct {
		method, path, body string
		header             []string
		status             int
		at, says           string
	}{
		{"POST", "/v1/unknown", `{}`, bearer, 404, "error.message", "Unknown request URL: POST /v1/unknown"},
		{"POST", "/v1/responses", `{}`, bearer, 404, "error.type", "invalid_request_error"},
		{"POST", "/v1/chat/completions", `{}`, nil, 401, "error.code", "invalid_api_key"},
		{"POST", "/v1/chat/completions", `{"model":"x"}`, bearer, 404, "error.code", "model_not_found"},
		{"POST", "/v1/chat/completions", `{"model":"play:x"}`, bearer, 404, "error.code", "model_not_found"},
		{"POST", "/v1/messages", `{}`, nil, 401, "error.type", "authentication_error"},
		{"POST", "/v1/messages", `{}`, bearer, 400, "error.message", "anthropic-version: header is required"},
		{"POST", "/v1/messages", `{}`, claude, 400, "error.message", "max_tokens: Field required"},
		{"POST", "/v1/messages", `[`, claude, 400, "type", "error"},
		{"POST", "/openai/deployments/m/chat/completions", `{}`, []string{"Api-Key", "sk"}, 404, "error.code", "404"},
		{"POST", "/openai/deployments/m/chat/completions?api-version=1", `{}`,
			[]string{"Api-Key", "sk"}, 200, "model", "m"},
		{"GET", "/v1/models", ``, bearer, 200, "data.0.id", "m"},
		{"GET", "/v1/models/m", ``, bearer, 200, "object", "model"},
		{"GET", "/v1/models/x", ``, bearer, 404, "error.code", "model_not_found"},
		{"GET", "/v1/models", ``, claude, 200, "data.0.display_name", "m"},
		{"GET", "/v1/models", ``, nil, 401, "error.code", "invalid_api_key"},
	} {
		got := b.do(t.Context(), tt.method, tt.path, tt.body, tt.header...)
		if got.err != nil || got.status != tt.status || gjson.Get(got.body, tt.at).String() != tt.says {
			t.Errorf("%s %s %s: %+v", tt.method, tt.path, tt.body, got)
		}
	}
	if got := b.ask("/v1/messages", `{}`, claude...); got.header.Get("Request-Id") == "" ||
		got.header.Get("X-Request-Id") != "" {
		t.Errorf("headers %v", got.header)
	}
}

// Anthropic's limits are in its own headers. Lists of models do not count in the contract.
func TestAnthropicLimits(t *testing.T) {
	t.Parallel()
	b := start(t, vendorsim.Config{Contract: vendorsim.Contract{Requests: 1, Enforce: true}})
	body := `{"model":"m","max_tokens":5}`
	if got := b.ask("/v1/messages", body, claude[2:]...); got.status != http.StatusUnauthorized {
		t.Errorf("without a key: %+v", got)
	}
	b.Reset()
	for range 3 {
		b.do(t.Context(), http.MethodGet, "/v1/models", "", claude...)
	}
	first := b.ask("/v1/messages", body, claude...)
	h := first.header
	at, err := time.Parse(time.RFC3339, h.Get("Anthropic-Ratelimit-Requests-Reset"))
	if wait := time.Until(at); err != nil || wait <= 0 || wait > 62*time.Second ||
		h.Get("Anthropic-Ratelimit-Requests-Remaining") != "0" ||
		first.status != http.StatusOK {
		t.Errorf("headers %v", h)
	}
	if got := b.ask("/v1/messages", body, claude...); got.status != 429 ||
		gjson.Get(got.body, "error.type").Str != "rate_limit_error" {
		t.Errorf("%+v", got)
	}
}

// An answer of the catalogue is played for a fault or for the name of a model. It is billed by its own usage.
func TestAnswersByName(t *testing.T) {
	t.Parallel()
	b := start(t, vendorsim.Config{})
	b.fail(vendorsim.Fault{Kind: "answer", Name: "429-billing", Calls: 1})
	if got := b.post(hello); got.status != 429 || !strings.Contains(got.body, "insufficient_quota") {
		t.Errorf("%+v", got)
	}
	got := b.post(`{"model":"play:usage-hidden-reasoning"}`)
	if call := b.Calls()[1]; got.status != 200 || call.Prompt != 10 || call.Completion != 1520 ||
		call.Answer != "usage-hidden-reasoning" {
		t.Errorf("%+v, %+v", got, call)
	}
	own := `{"kind":"answer","answer":{"status":418,"headers":{"A":"b"},"framing":"close","body":["tea",{"cut":true}]}}`
	if got := b.do(t.Context(), http.MethodPost, "/faults", own); got.status != http.StatusNoContent {
		t.Fatalf("%+v", got)
	}
	if got := b.post(hello); got.status != 418 || got.body != "tea" || got.header.Get("A") != "b" {
		t.Errorf("%+v", got)
	}
	var list []struct{ Name, Why string }
	if err := json.Unmarshal([]byte(b.do(t.Context(), http.MethodGet, "/answers", "").body), &list); err != nil ||
		len(list) != len(script.Names()) {
		t.Errorf("%v, %d answers", err, len(list))
	}
	one := b.do(t.Context(), http.MethodGet, "/answers/cr-lines", "")
	if gjson.Get(one.body, "response.framing").Str != "chunked" ||
		gjson.Get(one.body, "expect.verdict").Str != "success" {
		t.Errorf("%+v", one)
	}
	if got := b.do(t.Context(), http.MethodGet, "/answers/none", ""); got.status != 404 {
		t.Errorf("%+v", got)
	}
}

// A fault with a filter does not apply to other calls.
func TestFaultsForSomeCalls(t *testing.T) {
	t.Parallel()
	b := start(t, vendorsim.Config{})
	if err := b.SetFaults(
		vendorsim.Fault{Kind: "status", Status: 501, Model: "a/*"},
		vendorsim.Fault{Kind: "status", Status: 502, Path: "*/responses"},
		vendorsim.Fault{Kind: "status", Status: 503, Key: "bad-?"},
	); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		path, model, key string
		want             int
	}{
		{"/v1/chat/completions", "a/b/c", "", 501},
		{"/v1/responses", "b", "", 502},
		{"/v1/chat/completions", "b", "bad-1", 503},
		{"/v1/chat/completions", "b", "good", 200},
	} {
		if got := b.ask(tt.path, `{"model":"`+tt.model+`"}`, "Authorization", "Bearer "+tt.key); got.status != tt.want {
			t.Errorf("%+v: %d", tt, got.status)
		}
	}
}

// The log keeps the requests of the last calls, as many as configured.
func TestSeen(t *testing.T) {
	t.Parallel()
	b := start(t, vendorsim.Config{KeepRequests: 2})
	for range 3 {
		b.ask("/v1/chat/completions?a=b", `{"model":"m","x":"`+strings.Repeat("y", 100_000)+`"}`, "OpenAI-Beta", "on")
	}
	calls := b.Calls()
	seen := calls[2].Seen
	if calls[0].Seen != nil || calls[1].Seen == nil || seen == nil {
		t.Fatalf("%+v", calls)
	}
	if seen.Header.Get("Openai-Beta") != "on" ||
		seen.URL != "/v1/chat/completions?a=b" || seen.Method != http.MethodPost ||
		len(seen.Body) != 64<<10 ||
		!seen.Truncated {
		t.Errorf("%.200v", seen)
	}
	if calls[2].Endpoint != "chat" || calls[2].Model != "m" {
		t.Errorf("%+v", calls[2])
	}
}
