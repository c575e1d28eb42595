package api_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/spillway-dev/spillway/internal/llm"
)

// records is a vendor that answers at once and shows the calls it got.
func records() (fakeCaller, <-chan llm.Call) {
	calls := make(chan llm.Call, 100)
	return func(ctx context.Context, call *llm.Call) (*llm.Response, error) {
		calls <- *call
		return answers(ctx, call)
	}, calls
}

// TestBytesPassThrough: the vendor gets the client's bytes and the client the vendor's, whatever they look like.
func TestBytesPassThrough(t *testing.T) {
	t.Parallel()
	vendor, calls := records()
	b := newBundle(t, vendor, options{})
	const body = " {\"b\" : 1e2,\n \"model\":\"m\\u0061\", \"a\":[ ], \"b\":2, \"x\":\"ü\"}\t"
	for _, path := range []string{"/llm", "/v1/chat/completions"} {
		got := b.send(http.MethodPost, path, body, "Content-Type", "application/json; charset=utf-8")
		if got.status != http.StatusOK || got.body != completion ||
			got.header.Get("Content-Type") != "application/json" {
			t.Errorf("got %d %s %s", got.status, got.header.Get("Content-Type"), got.body)
		}
		for _, name := range []string{"X-Request-Id", "Ratelimit", "Ratelimit-Policy", "X-Ratelimit-Limit",
			"Server-Timing", "Content-Length"} {
			if got.header.Get(name) == "" {
				t.Errorf("%s is missing", name)
			}
		}
		if call := <-calls; string(call.Body) != body || call.Payload.Model != "ma" {
			t.Errorf("the vendor got %q for model %q", call.Body, call.Payload.Model)
		}
	}
}

// TestVendorsOwn4xxPassesThrough: the client gets what the vendor says about its request.
func TestVendorsOwn4xxPassesThrough(t *testing.T) {
	t.Parallel()
	const body = `{"error":{"code":"context_length_exceeded"}}`
	b := newBundle(t, func(context.Context, *llm.Call) (*llm.Response, error) {
		return &llm.Response{Status: http.StatusBadRequest,
			Header: http.Header{"Content-Type": {"application/vnd.vendor+json"}}, Body: []byte(body)}, nil
	}, options{})
	for _, payload := range []string{goodBody, `{"stream":true}`} {
		got := b.send(http.MethodPost, "/llm", payload)
		if got.status != http.StatusBadRequest || got.body != body ||
			got.header.Get("Content-Type") != "application/vnd.vendor+json" {
			t.Errorf("got %d %s %s", got.status, got.header.Get("Content-Type"), got.body)
		}
	}
}

// TestWhatTheCallCarries: the call has the request's ID, user and priority, and not the client's credentials.
func TestWhatTheCallCarries(t *testing.T) {
	t.Parallel()
	vendor, calls := records()
	b := newBundle(t, vendor, options{})
	const parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	b.post("/llm", "X-Request-ID", "req-7", "Idempotency-Key", "once", "Traceparent", parent, "Tracestate", "a=b",
		"Cookie", "c=d")
	call := <-calls
	if call.ID != "req-7" || call.Header.Get("Traceparent") != parent || call.Header.Get("Tracestate") != "a=b" ||
		len(call.Header) != 2 {
		t.Errorf("got %q %v", call.ID, call.Header)
	}
	b.post("/llm")
	if call := <-calls; call.ID == "" || call.Header != nil || call.IdempotencyKey != "" {
		t.Errorf("got %q %q %v", call.ID, call.IdempotencyKey, call.Header)
	}
}

// TestIdempotencyKeysOfUsersAreApart: the vendor must not give one user the answer of another who chose the same key.
func TestIdempotencyKeysOfUsersAreApart(t *testing.T) {
	t.Parallel()
	vendor, calls := records()
	b := newBundle(t, vendor, options{})
	keys := map[string]string{}
	for _, user := range []string{"free", "pro", "pro"} {
		b.post("/llm", "Authorization", "Bearer key-"+user, "Idempotency-Key", "order 7")
		key := (<-calls).IdempotencyKey
		if len(key) != 32 || strings.Contains(key, "order") || keys[user] != "" && keys[user] != key {
			t.Errorf("the vendor gets the key %q for %s, before it was %q", key, user, keys[user])
		}
		keys[user] = key
	}
	if keys["free"] == keys["pro"] {
		t.Error("two users share a key")
	}
}

// TestPriority: the tier gives it, a header can only lower it.
func TestPriority(t *testing.T) {
	t.Parallel()
	vendor, calls := records()
	b := newBundle(t, vendor, options{})
	for _, c := range []struct {
		tier, asked string
		want        llm.Priority
	}{
		{"free", "", llm.Low}, {"pro", "", llm.Normal}, {"enterprise", "", llm.High},
		{"free", "high", llm.Low}, {"pro", "high", llm.Normal}, {"enterprise", "normal", llm.Normal},
		{"enterprise", "low", llm.Low},
	} {
		b.post("/llm", "Authorization", "Bearer key-"+c.tier, "X-Priority", c.asked)
		if call := <-calls; call.Priority != c.want {
			t.Errorf("%s that asks for %q: got %v, want %v", c.tier, c.asked, call.Priority, c.want)
		}
	}
}

// TestLogLineOfAServedRequest: what the handler adds to the line, and that a client cannot make it long.
func TestLogLineOfAServedRequest(t *testing.T) {
	t.Parallel()
	b := newBundle(t, func(ctx context.Context, call *llm.Call) (*llm.Response, error) {
		call.Attempts, call.Usage = 2, llm.Usage{Prompt: 7, Completion: 5}
		call.Timing.Queue, call.Timing.Vendor = 1_500_000, 2_000_000
		return answers(ctx, call)
	}, options{})
	b.send(http.MethodPost, "/llm", `{"model":"`+strings.Repeat("ä", 5000)+`"}`, "Authorization", "Bearer key-pro")
	line := b.accessLine()
	model, _ := line["model"].(string)
	if want := strings.Repeat("ä", 50) + "…"; model != want {
		t.Errorf("the model's name has %d bytes: %.200q", len(model), model)
	}
	for name, want := range map[string]any{
		"route": "/llm", "status": 200.0, "user": "pro", "tier": "pro", "priority": "normal", "stream": false,
		"attempts": 2.0,
		"queue_ms": 1.0, "vendor_ms": 2.0, "prompt_tokens": 7.0, "completion_tokens": 5.0,
	} {
		if line[name] != want {
			t.Errorf("%s: got %v, want %v", name, line[name], want)
		}
	}
	for name, value := range line {
		if text, ok := value.(string); ok && strings.Contains(text, "key-pro") {
			t.Errorf("%s holds the key", name)
		}
	}
}
