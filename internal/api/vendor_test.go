package api_test

import (
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/spillway-dev/spillway/internal/await"
	"github.com/spillway-dev/spillway/internal/redistest"
	"github.com/spillway-dev/spillway/internal/vendorsim"
	"github.com/spillway-dev/spillway/internal/vendorsim/script"
)

// In these tests only the vendor is not real: the whole way out, a real Redis, and the simulator, which counts.

// realBundle returns a pod with the whole chain and the vendor it calls.
func realBundle(t *testing.T, cfg vendorsim.Config, env ...string) (*bundle, *vendorsim.Sim) {
	t.Helper()
	sim, err := vendorsim.New(cfg)
	check(t, err)
	vendor := httptest.NewServer(sim)
	t.Cleanup(func() { vendor.CloseClientConnections(); vendor.Close() })
	env = append([]string{"LLM_VENDOR_URL=" + vendor.URL + "/v1/chat/completions", "LLM_RETRY_BASE=1ms",
		"LLM_RETRY_MAX_DELAY=2ms", "LLM_RETRY_BUDGET=1"}, env...)
	return newBundle(t, nil, options{real: true, redis: redistest.Start(t).URL(), env: env}), sim
}

// TestVendorsFaultsAsClientsSeeThem: what clients get for each fault of a vendor.
func TestVendorsFaultsAsClientsSeeThem(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault  vendorsim.Fault
		status int
		code   string
		retry  string
		calls  int // at the vendor; 0 for at least one
	}{
		"5xx throughout":      {vendorsim.Fault{Kind: "status", Status: 503}, 502, "vendor_error", "", 0},
		"one 5xx":             {vendorsim.Fault{Kind: "status", Status: 500, Calls: 1}, 200, "", "", 2},
		"connection reset":    {vendorsim.Fault{Kind: "reset"}, 502, "vendor_error", "", 0},
		"hangs":               {vendorsim.Fault{Kind: "hang"}, 502, "vendor_error", "", 0},
		"cuts its answer":     {vendorsim.Fault{Kind: "cut", Calls: 1}, 200, "", "", 2},
		"answers without end": {vendorsim.Fault{Kind: "huge"}, 502, "answer_too_large", "", 1},
		"refuses our key":     {vendorsim.Fault{Kind: "status", Status: 401}, 502, "vendor_auth", "", 1},
		"its own 403":         {vendorsim.Fault{Kind: "status", Status: 403}, 403, "", "", 1},
		"its own 400":         {vendorsim.Fault{Kind: "status", Status: 400}, 400, "", "", 1},
		"its own 404":         {vendorsim.Fault{Kind: "status", Status: 404}, 404, "", "", 1},
		"its limit, for long": {vendorsim.Fault{Kind: "status", Status: 429,
			RetryAfter: vendorsim.Duration(90 * time.Second)}, 429, "vendor_rate_limited", "90", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, sim := realBundle(t, vendorsim.Config{}, "LLM_CALL_TIMEOUT=1s", "LLM_VENDOR_MAX_RESPONSE=65536",
				"LLM_BREAKER_FAILURES=100")
			check(t, sim.AddFault(c.fault))
			got := b.post("/llm")
			if got.status != c.status || c.code != "" && got.code() != c.code ||
				got.header.Get("Retry-After") != c.retry {
				t.Errorf("got %d %q, Retry-After %q: %s", got.status, got.code(), got.header.Get("Retry-After"),
					got.body)
			}
			if calls := len(sim.Calls()); calls == 0 || c.calls > 0 && calls != c.calls {
				t.Errorf("the vendor saw %d calls, want %d", calls, c.calls)
			}
		})
	}
}

// TestAdviceOnTheVendorsOwnRefusals: a 4xx that is passed on keeps the time that the vendor names, and tells libraries
// not to repeat what cannot help or takes too long, unless the vendor has its own advice.
func TestAdviceOnTheVendorsOwnRefusals(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status        int
		header        map[string]string
		after, advice string
	}{
		"a short wait":         {409, map[string]string{"Retry-After": "3"}, "3", ""},
		"a long wait":          {409, map[string]string{"Retry-After": "11"}, "11", "false"},
		"a long wait, advised": {409, map[string]string{"Retry-After": "11", "X-Should-Retry": "true"}, "11", "true"},
		"too large":            {413, nil, "", "false"},
		"unprocessable":        {422, nil, "", "false"},
		"not found":            {404, nil, "", ""},
		"the vendor says no":   {400, map[string]string{"x-should-retry": "false"}, "", "false"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, sim := realBundle(t, vendorsim.Config{}, "LLM_RETRY_AFTER_MAX=10s")
			header := map[string]string{"Content-Type": "application/json"}
			maps.Copy(header, c.header)
			check(t, sim.AddFault(vendorsim.Fault{Kind: "answer", Answer: &script.Answer{
				Status: c.status, Headers: header,
				Body: []script.Piece{{Text: `{"error":{"type":"invalid_request_error"}}`}},
			}}))
			got := b.post("/llm")
			after, advice := got.header.Get("Retry-After"), got.header.Get("X-Should-Retry")
			if got.status != c.status || after != c.after || advice != c.advice {
				t.Errorf("got %d, Retry-After %q, X-Should-Retry %q", got.status, after, advice)
			}
		})
	}
}

// TestRealStream: a whole one ends with [DONE], one that is cut or stalls ends with an error and without it.
func TestRealStream(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]struct {
		fault *vendorsim.Fault
		code  string
	}{
		"whole":  {},
		"cut":    {&vendorsim.Fault{Kind: "cut", Chunks: 3}, "vendor_error"},
		"stalls": {&vendorsim.Fault{Kind: "stall", Chunks: 3}, "stream_idle"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, sim := realBundle(t, vendorsim.Config{}, "LLM_STREAM_IDLE=200ms")
			if want.fault != nil {
				check(t, sim.AddFault(*want.fault))
			}
			_, events := b.open("/v1/chat/completions")
			all, err := io.ReadAll(events)
			if (err == nil) != (want.fault == nil) {
				t.Errorf("the body ended with %v", err)
			}
			done, failed := strings.Contains(string(all), "[DONE]"),
				strings.Contains(string(all), `"code":"`+want.code+`"`)
			if done != (want.fault == nil) || failed != (want.fault != nil) || strings.Count(string(all), "data:") < 3 {
				t.Errorf("got %s", all)
			}
			if n := len(sim.Calls()); n != 1 {
				t.Errorf("the vendor saw %d calls", n)
			}
		})
	}
}

// TestBreakerOpensAndClientsReadWhy: while it is open the vendor is not called.
func TestBreakerOpensAndClientsReadWhy(t *testing.T) {
	t.Parallel()
	b, sim := realBundle(t, vendorsim.Config{}, "LLM_BREAKER_FAILURES=3", "LLM_RETRY_MAX=0")
	check(t, sim.AddFault(vendorsim.Fault{Kind: "status", Status: 500}))
	var got answer
	for range 1000 { // failures are reported off the request's path, so some more calls may go through
		if got = b.post("/llm"); got.code() != "vendor_error" {
			break
		}
	}
	if got.status != http.StatusServiceUnavailable || got.code() != "vendor_unavailable" ||
		got.header.Get("Retry-After") == "" {
		t.Fatalf("got %d %s", got.status, got.body)
	}
	before := len(sim.Calls())
	b.post("/llm")
	if after := len(sim.Calls()); after != before {
		t.Error("the vendor was called although the breaker is open")
	}
}

// TestGatesTurnAwayWhatCannotStart in time: the slots are taken, or the contract is used up.
func TestGatesTurnAwayWhatCannotStart(t *testing.T) {
	t.Parallel()
	for code, env := range map[string][]string{
		"queue_timeout":       {"LLM_SLOTS=1", "LLM_QUEUE_TIMEOUT=100ms", "LLM_TIER_CONCURRENCY=enterprise:2"},
		"vendor_rate_limited": {"LLM_QUOTA_REQUESTS=10", "LLM_QUOTA_BURST=1"},
	} {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			b, sim := realBundle(t, vendorsim.Config{}, env...)
			check(t, sim.AddFault(vendorsim.Fault{Kind: "hang"}))
			first := b.request(http.MethodPost, "/llm", goodBody)
			left := make(chan struct{})
			go func() {
				defer close(left)
				if res, err := b.server.Client().Do(first); err == nil {
					_ = res.Body.Close()
				}
			}()
			await.True(t, "the vendor is called", func() bool { return len(sim.Calls()) == 1 })
			if got := b.post("/llm"); got.status != http.StatusTooManyRequests || got.code() != code ||
				got.header.Get("Retry-After") == "" {
				t.Errorf("got %d %s", got.status, got.body)
			}
			b.server.CloseClientConnections()
			<-left
		})
	}
}
