package upstream_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/llm/llmtest"
	"github.com/spillway-dev/spillway/internal/vendorsim/script"
)

// sent is what an answer of the catalogue sends in its first pieces, comments between events included.
func sent(a *script.Answer, pieces int) string {
	var b strings.Builder
	for i, p := range a.Body {
		if pieces > 0 && i >= pieces {
			break
		}
		b.WriteString(p.Text)
	}
	return b.String()
}

// TestStreamsOfTheCatalogue plays streams over a real socket, through a Caller that retries once.
func TestStreamsOfTheCatalogue(t *testing.T) {
	t.Parallel()
	connection, content, status := llm.KindConnection, llm.KindBadContent, llm.KindStatus
	for name, want := range map[string]struct {
		kind     llm.Kind // empty: a success
		status   int      // the vendor's, of a failure; of a success without a stream
		retried  bool
		pieces   int // how many pieces the client gets; 0: all, of a failure with retried: none
		told     bool
		usage    llm.Usage // of a success, where it is said; the completion is the least that counts
		buffered bool      // the client gets the answer in one piece
	}{
		"stop-without-done":               {},
		"done-then-close":                 {},
		"done-then-open":                  {},
		"done-then-reset":                 {},
		"two-choices-one-unfinished":      {kind: connection},
		"stop-then-close":                 {kind: connection},
		"clean-end-without-stop":          {kind: connection},
		"length-without-done":             {},
		"last-event-unterminated":         {},
		"cr-lines":                        {},
		"crlf-lines":                      {},
		"no-space-fields":                 {usage: llm.Usage{Prompt: 9, Completion: 1}},
		"bom-stream":                      {},
		"text-plain-stream":               {},
		"no-type-stream":                  {},
		"json-type-stream":                {},
		"octet-stream":                    {},
		"ndjson-stream":                   {},
		"gzip-stream":                     {},
		"gzip-false":                      {},
		"json-for-stream":                 {status: 200, buffered: true},
		"empty-stream":                    {kind: content, status: 200, retried: true},
		"comments-only":                   {kind: content, status: 200, retried: true},
		"comment-then-reset":              {kind: connection, retried: true},
		"role-then-reset":                 {kind: connection, retried: true},
		"cut-after-content":               {kind: connection},
		"reset-after-content":             {kind: connection},
		"content-filter":                  {},
		"refusal":                         {},
		"tool-call":                       {},
		"error-first":                     {kind: status, status: 503, retried: true},
		"event-error-first":               {kind: status, status: 500, retried: true},
		"openai-error-first":              {kind: status, status: 500, retried: true},
		"openrouter-error-first":          {kind: status, status: 502, retried: true},
		"role-then-error":                 {kind: status, status: 502, retried: true},
		"rate-limit-first":                {kind: llm.KindRateLimit, status: 429, retried: true},
		"quota-first":                     {kind: llm.KindQuota, status: 429, pieces: -1},
		"error-later":                     {kind: status, status: 500, told: true},
		"openrouter-error-later":          {kind: status, status: 502, told: true, pieces: 3},
		"anthropic-overloaded-first":      {kind: status, status: 529, retried: true},
		"anthropic-start-then-overloaded": {kind: status, status: 529, retried: true},
		"anthropic-overloaded-later":      {kind: status, status: 529, told: true},
		"anthropic-whole":                 {usage: llm.Usage{Prompt: 9, Completion: 2}},
		"anthropic-then-open":             {usage: llm.Usage{Prompt: 9, Completion: 2}},
		"anthropic-cut":                   {kind: connection},
		"responses-completed-then-pings":  {usage: llm.Usage{Prompt: 9, Completion: 2}},
		"responses-incomplete":            {usage: llm.Usage{Prompt: 9, Completion: 2}},
		"responses-cut":                   {kind: connection},
		"responses-failed-first":          {kind: status, status: 500, retried: true},
		"responses-failed-later":          {kind: status, status: 500, told: true},
		"responses-error-event":           {kind: status, status: 500, retried: true},
		"responses-keepalive-then-failed": {kind: status, status: 500, retried: true},
		"responses-echo-then-too-long":    {kind: status, status: 400, told: true},
		"usage-null-then-said":            {usage: llm.Usage{Prompt: 9, Completion: 2}},
		"usage-missing-big-chunks":        {usage: llm.Usage{Completion: 600}},
		"usage-hidden-stream":             {usage: llm.Usage{Prompt: 10, Completion: 1520}},
		"usage-growing":                   {usage: llm.Usage{Prompt: 9, Completion: 7}},
		"usage-anthropic-cache":           {usage: llm.Usage{Prompt: 4010, Completion: 20}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			named, ok := script.Find(name)
			if !ok {
				t.Fatal("no answer has this name")
			}
			var calls atomic.Int32
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				calls.Add(1)
				named.Answer.Play(w, r)
			}))
			t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
			cfg := llmtest.Config()
			cfg.Vendor.URL = server.URL
			cfg.Retry.Max, cfg.Retry.Base, cfg.Retry.MaxDelay = 1, time.Millisecond, time.Millisecond
			transport := http.DefaultTransport.(*http.Transport).Clone()
			transport.DisableCompression = true
			t.Cleanup(transport.CloseIdleConnections)
			c := llmtest.Caller(t, cfg, transport.RoundTrip)
			sink := &llmtest.Events{}
			call := llmtest.NewStreamCall(sink)
			resp, err := c.Do(t.Context(), call)
			defer func() { resp.Close() }()

			got := strings.Join(sink.Raw, "")
			if resp != nil {
				got += string(resp.Body)
			}
			client := sent(&named.Answer, want.pieces)
			if want.retried || want.pieces < 0 {
				client = ""
			}
			if got != client {
				t.Errorf("the client got %q, want %q", got, client)
			}
			if attempts := calls.Load(); attempts == 2 != want.retried {
				t.Errorf("%d attempts", attempts)
			}
			if c.Slots.Used() != 0 {
				t.Error("the slot is still taken")
			}
			if want.kind == "" {
				llmtest.OK(t, err)
				if resp.Streamed == want.buffered {
					t.Errorf("streamed: %v", resp.Streamed)
				}
				if u := call.Usage; want.usage != (llm.Usage{}) &&
					(u.Prompt != want.usage.Prompt || u.Completion < want.usage.Completion ||
						u.Completion > want.usage.Completion+1) {
					t.Errorf("usage %+v, want %+v", u, want.usage)
				}
				return
			}
			failed, isVendor := errors.AsType[*llm.VendorError](err)
			if !isVendor || failed.Kind != want.kind || failed.Status != want.status || failed.Told != want.told {
				t.Errorf("got %v, told %v", err, isVendor && failed.Told)
			}
		})
	}
}

// TestAnEventIsNotHeldByItsStream: events reach the client before the vendor ends the stream, whatever the stream's
// type.
func TestAnEventIsNotHeldByItsStream(t *testing.T) {
	t.Parallel()
	for _, contentType := range []string{"text/event-stream", "text/plain", "application/json", "application/x-ndjson",
		""} {
		received := make(chan struct{})
		url := serve(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header()["Content-Type"] = nil
			if contentType != "" {
				w.Header().Set("Content-Type", contentType)
			}
			_, _ = w.Write([]byte(chunkA))
			_ = http.NewResponseController(w).Flush()
			select {
			case <-received:
			case <-r.Context().Done():
			}
			_, _ = w.Write([]byte(done))
		})
		sink := &llmtest.Events{}
		sink.OnRaw = func(string) error {
			if len(sink.Raw) == 1 {
				close(received)
			}
			return nil
		}
		_, out := vendorAt(t, url, nil).Send(t.Context(), llmtest.NewStreamCall(sink))
		if out.Err != nil || strings.Join(sink.Raw, "") != chunkA+done {
			t.Errorf("%s: got %q, %v", contentType, sink.Raw, out.Err)
		}
	}
}
