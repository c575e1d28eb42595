package vendorsim_test

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/spillway-dev/spillway/internal/vendorsim"
)

func TestAnswer(t *testing.T) {
	t.Parallel()
	b := start(t, vendorsim.Config{})
	got := b.post(hello)
	if got.err != nil || got.status != http.StatusOK || got.header.Get("Content-Type") != "application/json" ||
		got.header.Get("X-Request-Id") == "" {
		t.Fatalf("%+v", got)
	}
	var completion struct {
		Object, Model string
		Choices       []struct {
			Message struct{ Role, Content string }
		}
		Usage map[string]int
	}
	if err := json.Unmarshal([]byte(got.body), &completion); err != nil {
		t.Fatal(err)
	}
	prompt := (len(hello) + 3) / 4
	if completion.Object != "chat.completion" || completion.Model != "m" ||
		completion.Choices[0].Message.Content != `You said: hello "there"` {
		t.Errorf("got %+v", completion)
	}
	if want := map[string]int{"prompt_tokens": prompt, "completion_tokens": 8, "total_tokens": prompt + 8}; !maps.Equal(
		completion.Usage,
		want,
	) {
		t.Errorf("usage %v, should be %v", completion.Usage, want)
	}
	st := b.Stats()
	if st.Calls != 1 || st.InFlight != 0 || st.PromptTokens != prompt || st.CompletionTokens != 8 ||
		st.Status[200] != 1 {
		t.Errorf("stats %+v", st)
	}
}

// Any body gets an answer in JSON, or a 400, and counts as a call.
func TestBodies(t *testing.T) {
	t.Parallel()
	b := start(t, vendorsim.Config{CompletionTokens: 20})
	for i, tt := range []struct {
		body, content string
		status        int
	}{
		{`{}`, "Hello!", 200},
		{`{"messages":[{"role":"user","content":"one"},{"role":"assistant","content":"two"}]}`, "You said: one", 200},
		{`{"messages":[{"role":"user","content":"one"},{"role":"user","content":"\u00e9\n"}]}`, "You said: é\n", 200},
		{
			`{"messages":[{"role":"user","content":[{"type":"image_url"},{"type":"text","text":"look"}]}]}`,
			"You said: look", 200,
		},
		{`{"model":7,"messages":{"role":"user"},"max_tokens":-3,"stream":"no"}`, "Hello!", 200},
		{`{"messages":[`, "", 400},
		{`[1]`, "", 400},
		{``, "", 400},
	} {
		got := b.post(tt.body)
		var completion struct {
			Choices []struct{ Message struct{ Content string } }
		}
		if got.err != nil || got.status != tt.status || json.Unmarshal([]byte(got.body), &completion) != nil {
			t.Errorf("%s: %+v", tt.body, got)
		} else if tt.content != "" && completion.Choices[0].Message.Content != tt.content {
			t.Errorf("%s: got %s", tt.body, got.body)
		}
		if calls := b.Calls(); len(calls) != i+1 || calls[i].Status != tt.status {
			t.Errorf("%s: log %+v", tt.body, calls)
		}
	}
}

func TestStream(t *testing.T) {
	t.Parallel()
	b := start(t, vendorsim.Config{TokensPerSecond: 1e6})
	got := b.post(strings.Replace(helloStream, `"stream"`, `"stream_options":{"include_usage":true},"stream"`, 1))
	events := strings.Split(strings.TrimSuffix(got.body, "\n\n"), "\n\n")
	if got.err != nil || len(events) != 8+3 || events[10] != "data: [DONE]" {
		t.Fatalf("%v, %d events: %q", got.err, len(events), events)
	}
	if !strings.HasPrefix(got.header.Get("Content-Type"), "text/event-stream") {
		t.Errorf("content type %q", got.header.Get("Content-Type"))
	}
	var text strings.Builder
	for i, event := range events[:10] {
		var chunk struct {
			Object, Model string
			Choices       []struct {
				Delta  struct{ Role, Content string }
				Finish string `json:"finish_reason"`
			}
			Usage map[string]int
		}
		if err := json.Unmarshal([]byte(strings.TrimPrefix(event, "data: ")), &chunk); err != nil ||
			chunk.Object != "chat.completion.chunk" ||
			chunk.Model != "m" {
			t.Fatalf("%s: %v", event, err)
		}
		if i == 9 {
			if chunk.Usage["completion_tokens"] != 8 || len(chunk.Choices) != 0 {
				t.Errorf("usage chunk %s", event)
			}
			break
		}
		if (chunk.Choices[0].Delta.Role == "assistant") != (i == 0) || (chunk.Choices[0].Finish == "stop") != (i == 8) {
			t.Errorf("chunk %d: %s", i, event)
		}
		text.WriteString(chunk.Choices[0].Delta.Content)
	}
	if !strings.HasPrefix(text.String(), `You said: hello "there" I am a `) {
		t.Errorf("text %q", &text)
	}
	if st := b.Stats(); st.CompletionTokens != 8 || st.Status[200] != 1 {
		t.Errorf("stats %+v", st)
	}
}

func TestContract(t *testing.T) {
	t.Parallel()
	for _, enforce := range []bool{false, true} {
		b := start(
			t,
			vendorsim.Config{
				Contract: vendorsim.Contract{Requests: 2, Tokens: 1000,
					Window: vendorsim.Duration(time.Hour), Enforce: enforce},
			},
		)
		var last answer
		for range 3 {
			if last = b.post(hello, "X-Request-ID", "same", "X-Pod", "one"); last.err != nil {
				t.Fatal(last.err)
			}
		}
		b.post(hello, "Idempotency-Key", "other", "X-Pod", "two")
		st := b.Stats()
		told := last.header.Get("Retry-After") == "3600" && last.header.Get("Retry-After-Ms") != ""
		if enforce &&
			(last.status != 429 || !told || st.Refused != 2 || st.RequestViolations != 0 || st.MaxRequests != 2) {
			t.Errorf("enforced: %+v, %+v", last, st)
		}
		if !enforce &&
			(last.status != 200 || st.RequestViolations != 2 || st.MaxRequests != 4 || st.UsedRequests != 2 ||
				st.Refused != 0) {
			t.Errorf("observed: %+v, %+v", last, st)
		}
		if h := last.header; h.Get("X-Ratelimit-Limit-Requests") != "2" ||
			h.Get("X-Ratelimit-Remaining-Requests") != "0" ||
			h.Get("X-Ratelimit-Limit-Tokens") != "1000" {
			t.Errorf("headers %v", h)
		} else if d, err := time.ParseDuration(h.Get("X-Ratelimit-Reset-Requests")); err != nil || d <= 0 ||
			d > time.Hour {
			t.Errorf("reset in %v, %v", d, err)
		}
		if st.MaxRepeats != 3 || st.RequestIDs != 2 || st.Repeats[3] != 1 || st.Repeats[1] != 1 ||
			!maps.Equal(st.Pods, map[string]int{"one": 3, "two": 1}) {
			t.Errorf("repeats and pods: %+v", st)
		}
		if calls := b.Calls(); calls[2].Violation == enforce || calls[2].Refused != enforce || calls[2].Pod != "one" ||
			calls[2].RequestID != "same" {
			t.Errorf("log %+v", calls[2])
		}
	}
}

// After a reset, the end of an earlier call is not counted.
func TestReset(t *testing.T) {
	t.Parallel()
	b := start(t, vendorsim.Config{})
	b.fail(vendorsim.Fault{Kind: "stall", Calls: 1})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.URL, strings.NewReader(helloStream))
	if err != nil {
		t.Fatal(err)
	}
	res, err := b.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	b.Reset()
	res.Body.Close() // the client leaves: the call from before ends
	if got := b.post(hello); got.status != 200 {
		t.Fatal(got)
	}
	b.Close()
	if st := b.Stats(); st.Calls != 1 || st.InFlight != 0 || st.Cancelled != 0 || len(b.Calls()) != 1 {
		t.Errorf("stats %+v", st)
	}
}

func TestLogIsBounded(t *testing.T) {
	t.Parallel()
	for keep, want := range map[int]int{3: 3, -1: 0, 0: 5} {
		b := start(t, vendorsim.Config{KeepCalls: keep, Contract: vendorsim.Contract{Requests: 1}})
		for range 5 {
			b.post(hello)
		}
		if st := b.Stats(); len(b.Calls()) != want || st.Calls != 5 || st.RequestViolations != 4 {
			t.Errorf("keeping %d: %d calls in the log, %+v", keep, len(b.Calls()), st)
		}
	}
}

func BenchmarkCall(b *testing.B) {
	sim, err := vendorsim.New(vendorsim.Config{KeepCalls: -1})
	if err != nil {
		b.Fatal(err)
	}
	body := strings.NewReader(hello)
	req := httptest.NewRequestWithContext(b.Context(), http.MethodPost, "/v1/chat/completions", nil)
	w := &discard{header: http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		body.Reset(hello)
		req.Body = io.NopCloser(body)
		sim.ServeHTTP(w, req)
		if w.status != 0 {
			b.Fatal(w.status)
		}
	}
}

// discard is a response writer that drops everything.
type discard struct {
	header http.Header
	status int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
func (d *discard) WriteHeader(status int)      { d.status = status }
