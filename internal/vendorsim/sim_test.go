package vendorsim_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/spillway-dev/spillway/internal/vendorsim"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const hello = `{"model":"m","messages":[{"role":"user","content":"hello there"}],"max_tokens":8}`

// bundle is one simulator with a client of its own.
type bundle struct {
	t      testing.TB
	sim    *vendorsim.Sim
	url    string
	client *http.Client
}

func start(t testing.TB, cfg vendorsim.Config) *bundle {
	t.Helper()
	sim, err := vendorsim.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(sim)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	return &bundle{t, sim, server.URL, client}
}

// post returns the status and the body; the error is that of the exchange or of reading the body.
func (b *bundle) post(ctx context.Context, body string) (int, http.Header, string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, b.url+"/v1/chat/completions", strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("X-Request-Id", "same")
	res, err := b.client.Do(req)
	if err != nil {
		return 0, nil, "", err
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	return res.StatusCode, res.Header, string(got), err
}

func TestAnswer(t *testing.T) {
	t.Parallel()
	b := start(t, vendorsim.Config{})
	status, _, body, err := b.post(t.Context(), hello)
	if err != nil || status != http.StatusOK {
		t.Fatal(status, err)
	}
	var answer struct {
		Model   string
		Choices []struct{ Message struct{ Content string } }
		Usage   struct {
			Prompt     int `json:"prompt_tokens"`
			Completion int `json:"completion_tokens"`
		}
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		t.Fatal(err)
	}
	if answer.Model != "m" || answer.Choices[0].Message.Content != "You said: hello there" || answer.Usage.Completion != 8 || answer.Usage.Prompt != (len(hello)+3)/4 {
		t.Errorf("got %+v", answer)
	}
	st := b.sim.Stats()
	if st.Calls != 1 || st.InFlight != 0 || st.CompletionTokens != 8 || st.Status[200] != 1 {
		t.Errorf("stats %+v", st)
	}
}

func TestStream(t *testing.T) {
	t.Parallel()
	b := start(t, vendorsim.Config{})
	_, header, body, err := b.post(t.Context(), strings.Replace(hello, `"m"`, `"m","stream":true,"stream_options":{"include_usage":true}`, 1))
	if err != nil {
		t.Fatal(err)
	}
	events := strings.Split(strings.TrimSuffix(body, "\n\n"), "\n\n")
	if len(events) != 8+3 || events[len(events)-1] != "data: [DONE]" || !strings.Contains(events[9], `"completion_tokens":8`) {
		t.Errorf("got %d events: %q", len(events), events)
	}
	if !strings.HasPrefix(header.Get("Content-Type"), "text/event-stream") {
		t.Errorf("content type %q", header.Get("Content-Type"))
	}
}

func TestContract(t *testing.T) {
	t.Parallel()
	for _, enforce := range []bool{false, true} {
		b := start(t, vendorsim.Config{Contract: vendorsim.Contract{Requests: 2, Window: vendorsim.Duration(time.Hour), Enforce: enforce}})
		var last int
		var header http.Header
		for range 3 {
			var err error
			if last, header, _, err = b.post(t.Context(), hello); err != nil {
				t.Fatal(err)
			}
		}
		st := b.sim.Stats()
		if enforce && (last != http.StatusTooManyRequests || header.Get("Retry-After") != "3600" || st.Refused != 1 || st.RequestViolations != 0 || st.MaxRequests != 2) {
			t.Errorf("enforced: status %d, %+v", last, st)
		}
		if !enforce && (last != http.StatusOK || st.RequestViolations != 1 || st.MaxRequests != 3 || header.Get("X-Ratelimit-Remaining-Requests") != "0") {
			t.Errorf("observed: status %d, %+v", last, st)
		}
		if st.MaxRepeats != 3 || st.RequestIDs != 1 {
			t.Errorf("repeats %+v", st)
		}
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	stream := strings.Replace(hello, `"m"`, `"m","stream":true`, 1)
	for name, tt := range map[string]struct {
		fault  vendorsim.Fault
		body   string
		status int
		broken bool
	}{
		"status":     {vendorsim.Fault{Kind: "status", Status: 529, RetryAfterMS: 1500}, hello, 529, false},
		"reset":      {vendorsim.Fault{Kind: "reset"}, hello, 0, true},
		"cut stream": {vendorsim.Fault{Kind: "cut", Chunks: 2}, stream, 200, true},
		"cut body":   {vendorsim.Fault{Kind: "cut"}, hello, 200, true},
		"malformed":  {vendorsim.Fault{Kind: "malformed"}, hello, 200, false},
		"slow":       {vendorsim.Fault{Kind: "slow", Delay: vendorsim.Duration(time.Millisecond)}, hello, 200, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := start(t, vendorsim.Config{})
			tt.fault.Calls = 1
			if err := b.sim.AddFault(tt.fault); err != nil {
				t.Fatal(err)
			}
			status, header, body, err := b.post(t.Context(), tt.body)
			if status != tt.status || (err != nil) != tt.broken {
				t.Errorf("status %d, body %.80q, error %v", status, body, err)
			}
			if name == "status" && header.Get("Retry-After-Ms") != "1500" {
				t.Errorf("headers %v", header)
			}
			if name == "cut stream" && strings.Count(body, "data:") != 2 {
				t.Errorf("%d chunks before the cut", strings.Count(body, "data:"))
			}
			if status, _, _, err := b.post(t.Context(), tt.body); status != http.StatusOK || err != nil {
				t.Errorf("the fault was for one call, the next got %d, %v", status, err)
			}
		})
	}
}

// A client that leaves is seen, and pays for what was sent and no more.
func TestCancelledCalls(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]vendorsim.Fault{"hang": {Kind: "hang"}, "stall": {Kind: "stall", Chunks: 3}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := start(t, vendorsim.Config{})
			if err := b.sim.AddFault(fault); err != nil {
				t.Fatal(err)
			}
			ctx, leave := context.WithCancel(t.Context())
			go func() {
				_ = b.sim.WaitFor(ctx, func(s vendorsim.Stats) bool { return s.InFlight == 1 })
				leave()
			}()
			if _, _, _, err := b.post(ctx, strings.Replace(hello, `"m"`, `"m","stream":true`, 1)); !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
			if err := b.sim.WaitFor(t.Context(), func(s vendorsim.Stats) bool { return s.Cancelled == 1 && s.InFlight == 0 }); err != nil {
				t.Fatal(err)
			}
			if calls := b.sim.Calls(); !calls[0].Cancelled || calls[0].Completion > fault.Chunks || calls[0].Ended.IsZero() {
				t.Errorf("log %+v", calls[0])
			}
		})
	}
}

func TestSteering(t *testing.T) {
	t.Parallel()
	b := start(t, vendorsim.Config{})
	do := func(method, path, body string) (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), method, b.url+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		res, err := b.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		got, _ := io.ReadAll(res.Body)
		return res.StatusCode, string(got)
	}
	for _, bad := range []string{`{"kind":"explode"}`, `{"kindd":"reset"}`, `{"kind":"status","probability":2}`, `{"kind":"slow","delay":5}`, `[`} {
		if status, text := do("POST", "/faults", bad); status != http.StatusBadRequest || !strings.Contains(text, `"retry_after"`) {
			t.Errorf("%s: %d %s", bad, status, text)
		}
	}
	if status, _ := do("POST", "/faults", `{"kind":"status","status":503,"for":"1h"}`); status != http.StatusNoContent {
		t.Errorf("fault: %d", status)
	}
	if status, _, _, _ := b.post(t.Context(), hello); status != 503 {
		t.Errorf("with the fault: %d", status)
	}
	do("DELETE", "/faults", "")
	if status, text := do("PUT", "/config", `{"latency":"1ms..2ms","contract":{"requests":5,"window":"1s"}}`); status != http.StatusNoContent {
		t.Errorf("config: %d %s", status, text)
	}
	if status, _, _, _ := b.post(t.Context(), hello); status != 200 {
		t.Errorf("without the fault: %d", status)
	}
	_, log := do("GET", "/log", "")
	lines := 0
	for s := bufio.NewScanner(strings.NewReader(log)); s.Scan(); lines++ {
		var c vendorsim.Call
		if err := json.Unmarshal(s.Bytes(), &c); err != nil || c.RequestID != "same" {
			t.Errorf("%s: %v", s.Text(), err)
		}
	}
	if lines != 2 {
		t.Errorf("%d lines in the log", lines)
	}
	do("POST", "/reset", "")
	if _, text := do("GET", "/stats", ""); !strings.Contains(text, `"calls":0`) {
		t.Errorf("after the reset: %s", text)
	}
}

func BenchmarkCall(b *testing.B) {
	sim, err := vendorsim.New(vendorsim.Config{})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		w := httptest.NewRecorder()
		sim.ServeHTTP(w, httptest.NewRequestWithContext(b.Context(), http.MethodPost, "/v1/chat/completions", strings.NewReader(hello)))
		if w.Code != http.StatusOK {
			b.Fatal(w.Code)
		}
	}
}
