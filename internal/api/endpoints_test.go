package api_test

import (
	"bufio"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/expfmt"

	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/vendorsim"
)

// newVendor starts a vendor and returns it with the base URL of its API.
func newVendor(t *testing.T, cfg vendorsim.Config) (*vendorsim.Sim, string) {
	t.Helper()
	cfg.KeepRequests = 100
	sim, err := vendorsim.New(cfg)
	check(t, err)
	server := httptest.NewServer(sim)
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	return sim, server.URL + "/v1"
}

// bodies are a request for each endpoint.
var bodies = map[string]string{
	"chat":        `{"model":"m","messages":[{"role":"user","content":"hello"}],"max_tokens":8}`,
	"completions": `{"model":"m","prompt":"hello","max_tokens":8}`,
	"responses":   `{"model":"m","input":"hello","max_output_tokens":8}`,
	"embeddings":  `{"model":"m","input":"hello"}`,
	"moderations": `{"model":"m","input":"hello"}`,
	"messages":    `{"model":"m","messages":[{"role":"user","content":"hello"}],"max_tokens":8}`,
}

// TestEveryEndpointLeadsToItsOwn at the vendor, whole and as a stream, and what it used is known.
func TestEveryEndpointLeadsToItsOwn(t *testing.T) {
	t.Parallel()
	sim, base := newVendor(t, vendorsim.Config{})
	b := newBundle(t, nil, options{real: true, env: []string{"LLM_VENDOR_URL=" + base, "LLM_VENDOR_API_KEY=sk"}})
	for _, e := range llm.Endpoints {
		streams := []bool{false, true}
		if e.Dialect.InputOnly {
			streams = streams[:1]
		}
		for _, stream := range streams {
			body := bodies[e.Name]
			if stream {
				body = strings.Replace(body, "{", `{"stream":true,`, 1)
			}
			got := b.send(http.MethodPost, "/v1"+e.Path, body, "Anthropic-Version", "2023-06-01")
			isStream := strings.HasPrefix(got.header.Get("Content-Type"), "text/event-stream")
			if got.status != http.StatusOK || isStream != stream {
				t.Errorf("%s: %d, %v, %s", e.Name, got.status, got.header, got.body)
			}
			calls := sim.Calls()
			if last := calls[len(calls)-1]; last.Endpoint != e.Name || last.Seen.URL != "/v1"+e.Path {
				t.Errorf("%s: the vendor saw %+v", e.Name, last)
			}
			line := b.accessLine()
			if used, _ := line["completion_tokens"].(float64); line["endpoint"] != e.Name ||
				(used == 0) != e.Dialect.InputOnly {
				t.Errorf("%s: the log says %v", e.Name, line)
			}
		}
	}
	counted, err := testutil.GatherAndFormat(b.reg, expfmt.TypeTextPlain, "llm_vendor_attempts_total",
		"llm_vendor_duration_seconds", "llm_vendor_first_event_seconds")
	check(t, err)
	for _, e := range llm.Endpoints { // the streams of one are no part of another's latency
		calls, streams := 2, 1
		if e.Dialect.InputOnly {
			calls, streams = 1, 0
		}
		for _, want := range []string{
			fmt.Sprintf(`llm_vendor_attempts_total{endpoint="%s",lane="default",result="ok"} %d`, e.Name, calls),
			fmt.Sprintf(`llm_vendor_duration_seconds_count{endpoint="%s",lane="default"} %d`, e.Name, calls),
			fmt.Sprintf(`llm_vendor_first_event_seconds_count{endpoint="%s",lane="default"} %d`, e.Name, streams),
		} {
			if !strings.Contains(string(counted), want+"\n") {
				t.Errorf("no %s", want)
			}
		}
	}
}

// TestVendorURLSaysWhatAnAnswerCosts: a call to /llm names no endpoint, and its answer is read by that of the lane.
func TestVendorURLSaysWhatAnAnswerCosts(t *testing.T) {
	t.Parallel()
	sim, base := newVendor(t, vendorsim.Config{})
	b := newBundle(t, nil, options{real: true, env: []string{"LLM_VENDOR_URL=" + base + "/embeddings"}})
	got := b.send(http.MethodPost, "/llm", bodies["embeddings"])
	line, billed := b.accessLine(), sim.Calls()[0].Prompt
	if got.status != http.StatusOK || line["endpoint"] != "embeddings" || billed == 0 ||
		line["prompt_tokens"] != float64(billed) || line["completion_tokens"] != 0.0 {
		t.Errorf("%d %s, billed %d, the log says %v", got.status, got.body, billed, line)
	}
}

// TestFullURLIsOneEndpoint: what an operator has not opened costs nothing, and says so.
func TestFullURLIsOneEndpoint(t *testing.T) {
	t.Parallel()
	sim, base := newVendor(t, vendorsim.Config{})
	b := newBundle(t, nil, options{real: true, env: []string{"LLM_VENDOR_URL=" + base + "/chat/completions"}})
	for _, path := range []string{"/llm", "/v1/chat/completions"} {
		if got := b.send(http.MethodPost, path, bodies["chat"]); got.status != http.StatusOK {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
	got := b.send(http.MethodPost, "/v1/embeddings", bodies["embeddings"])
	if got.status != http.StatusNotFound || got.code() != "not_found" ||
		!strings.Contains(got.body, "/v1/embeddings is not open here: LLM_ENDPOINTS") {
		t.Errorf("%d %s", got.status, got.body)
	}
	if n := sim.Stats().Calls; n != 2 {
		t.Errorf("the vendor saw %d calls", n)
	}
}

// TestEndpointsThatAreOpen are those of the list and no others.
func TestEndpointsThatAreOpen(t *testing.T) {
	t.Parallel()
	b := newBundle(t, answers, options{env: []string{"LLM_ENDPOINTS=embeddings"}})
	for path, status := range map[string]int{"/v1/embeddings": 200, "/llm": 200, "/v1/chat/completions": 404,
		"/v1/models": 404} {
		method := http.MethodPost
		if path == "/v1/models" {
			method = http.MethodGet
		}
		if got := b.send(method, path, goodBody); got.status != status {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
}

// TestLanesAreChosenByEndpoint: a lane whose vendor does not have it is skipped. When no lane may take the call, the
// answer names the lanes that have the endpoint.
func TestLanesAreChosenByEndpoint(t *testing.T) {
	t.Parallel()
	first, chats := newVendor(t, vendorsim.Config{})
	second, claude := newVendor(t, vendorsim.Config{})
	b := newBundle(t, nil, options{real: true, env: []string{
		"LLM_VENDOR_URL=" + chats, "LLM_VENDOR_ENDPOINTS=chat", "LLM_FALLBACK=claude", "LLM_LANES=claude,more",
		"LLM_LANE_CLAUDE_VENDOR_URL=" + claude, "LLM_LANE_CLAUDE_VENDOR_API_KEY=sk",
		"LLM_LANE_CLAUDE_VENDOR_ENDPOINTS=messages", "LLM_LANE_CLAUDE_MODEL=opus",
		"LLM_LANE_MORE_VENDOR_URL=" + claude, "LLM_LANE_MORE_VENDOR_ENDPOINTS=embeddings",
		"LLM_LANE_MORE_MODELS=embed*",
		"LLM_RETRY_MAX=0", "LLM_BREAKER_FAILURES=100",
	}})
	for _, c := range []struct {
		path, body string
		status     int
		lane       string
		says       []string
	}{
		{"/llm", bodies["chat"], 200, "default", nil},
		{"/v1/chat/completions", bodies["chat"], 200, "default", nil},
		{"/v1/messages", bodies["messages"], 200, "claude", nil},
		{"/v1/embeddings", `{"model":"embed-3","input":"x"}`, 200, "more", nil},
		{"/v1/embeddings", bodies["embeddings"], 404, "", []string{"endpoint_not_served",
			"served by the lane default, whose vendor does not have /v1/embeddings", "more (embed*)",
			"LLM_LANE_<NAME>_MODELS"}},
		{"/v1/chat/completions", `{"model":"embed-3"}`, 404, "", []string{"endpoint_not_served",
			"default (every model that no other lane serves)"}},
	} {
		got := b.send(http.MethodPost, c.path, c.body, "Anthropic-Version", "2023-06-01")
		if got.status != c.status || got.header.Get("X-Llm-Lane") != c.lane {
			t.Errorf("%s: %d, lane %s, %s", c.path, got.status, got.header.Get("X-Llm-Lane"), got.body)
		}
		for _, says := range c.says {
			if !strings.Contains(got.body, says) {
				t.Errorf("%s: %q is not in %s", c.path, says, got.body)
			}
		}
	}
	if calls := second.Calls(); calls[0].Endpoint != "messages" || calls[0].Model != "opus" {
		t.Errorf("the lane claude was asked %+v", calls[0])
	}
	check(t, first.AddFault(vendorsim.Fault{Kind: "reset"}))
	before := len(second.Calls())
	if got := b.send(http.MethodPost, "/llm", bodies["chat"]); got.status != http.StatusBadGateway ||
		len(second.Calls()) != before {
		t.Errorf("a chat went on to a lane that has none: %d %s", got.status, got.body)
	}
}

// TestRequestIDHasAnthropicsName where Anthropic's clients look for it, also when the call fails before its handler.
func TestRequestIDHasAnthropicsName(t *testing.T) {
	t.Parallel()
	b := newBundle(t, answers, options{})
	for _, key := range []string{"key-pro", "unknown"} {
		got := b.send(http.MethodPost, "/v1/messages", bodies["messages"], "Authorization", "", "X-Api-Key", key,
			"X-Request-Id", "req-7")
		if got.header.Get("Request-Id") != "req-7" {
			t.Errorf("%d %v", got.status, got.header)
		}
	}
}

// TestAClientThatLeavesEndsTheVendorsWork on every endpoint that streams, in the middle of the stream, and its slot is
// free again.
func TestAClientThatLeavesEndsTheVendorsWork(t *testing.T) {
	t.Parallel()
	for _, e := range llm.Endpoints {
		if e.Dialect.InputOnly {
			continue
		}
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			sim, base := newVendor(t, vendorsim.Config{})
			check(t, sim.AddFault(vendorsim.Fault{Kind: "stall", Chunks: 6}))
			b := newBundle(t, nil, options{real: true, env: []string{"LLM_VENDOR_URL=" + base, "LLM_VENDOR_API_KEY=sk"}})
			body := strings.Replace(bodies[e.Name], "{", `{"stream":true,`, 1)
			req := b.request(http.MethodPost, "/v1"+e.Path, body)
			req.Header.Set("Anthropic-Version", "2023-06-01")
			res, err := b.server.Client().Do(req)
			check(t, err)
			if res.StatusCode != http.StatusOK {
				t.Fatal(res.Status)
			}
			_, err = bufio.NewReader(res.Body).Peek(1)
			check(t, err)
			check(t, res.Body.Close())
			left := func(s vendorsim.Stats) bool { return s.Cancelled == 1 && s.InFlight == 0 }
			check(t, sim.WaitFor(t.Context(), left))
			if line := b.accessLine(); line["status"] != 499.0 || line["endpoint"] != e.Name {
				t.Errorf("the log says %v", line)
			}
			slots, err := testutil.GatherAndFormat(b.reg, expfmt.TypeTextPlain, "llm_slots_in_use")
			if err != nil || !strings.Contains(string(slots), "\nllm_slots_in_use 0\n") {
				t.Errorf("%v, slots: %s", err, slots)
			}
		})
	}
}
