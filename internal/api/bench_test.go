package api_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/middleware"
	"github.com/spillway-dev/spillway/internal/outcome"
	"github.com/spillway-dev/spillway/internal/redistest"
)

// nowhere is a ResponseWriter that costs nothing, so that what is measured is the handler.
type nowhere struct {
	header http.Header
	status int
}

func (n *nowhere) Header() http.Header              { return n.header }
func (n *nowhere) Write(p []byte) (int, error)      { return len(p), nil }
func (n *nowhere) WriteHeader(status int)           { n.status = status }
func (n *nowhere) FlushError() error                { return nil }
func (n *nowhere) SetWriteDeadline(time.Time) error { return nil }

// BenchmarkHandler is the whole handler with every inbound layer, the user limit on a real Redis, and a vendor call
// that costs nothing. What is turned away early shows what that costs.
func BenchmarkHandler(b *testing.B) {
	tenEvents := streams(func(_ context.Context, client llm.Sink) error {
		for range 10 {
			if err := client.Event([]byte("data: {}\n\n")); err != nil {
				return err
			}
		}
		return nil
	})
	url := redistest.Start(b).URL()
	conversation := `{"model":"m","messages":[{"role":"user","content":"` +
		strings.Repeat("What does the fox do? ", 20) + `"}],"max_tokens":64}`
	for _, c := range []struct {
		name    string
		call    fakeCaller
		options options
		body    string
		key     string
		status  int
	}{
		{"served", answers, options{}, conversation, "key-enterprise", 200},
		{"streamed, 10 events", tenEvents, options{}, streamBody, "key-enterprise", 200},
		{"queue timeout", fails(&outcome.Rejected{Layer: "slots", Reason: outcome.QueueTimeout,
			RetryAfter: time.Second}), options{}, conversation, "key-enterprise", 429},
		{"bad JSON", answers, options{}, `{"model":`, "key-enterprise", 400},
		{"shed", answers, options{load: middleware.Load{Waiting: 100}}, conversation, "key-free", 429},
		{"breaker open", answers, options{down: time.Minute}, conversation, "key-enterprise", 503},
		{"no key", answers, options{}, conversation, "guess", 401},
	} {
		b.Run(c.name, func(b *testing.B) {
			c.options.redis, c.options.quiet = url, true
			c.options.env = []string{"LLM_TIER_RATES=free:10,pro:100,enterprise:2000000000"}
			pod := newBundle(b, c.call, c.options)
			r := pod.request(http.MethodPost, "/llm", c.body, "Authorization", "Bearer "+c.key)
			body := strings.NewReader(c.body)
			r.Body = io.NopCloser(body)
			w := &nowhere{header: http.Header{}}
			b.ReportAllocs()
			for b.Loop() {
				body.Reset(c.body)
				clear(w.header)
				pod.handler.ServeHTTP(w, r)
			}
			if w.status != c.status {
				b.Errorf("got %d, want %d", w.status, c.status)
			}
		})
	}
}
