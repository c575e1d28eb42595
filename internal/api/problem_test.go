package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/middleware"
	"github.com/spillway-dev/spillway/internal/outcome"
)

// row is one thing that can happen to a request, with a way to bring it about from outside.
type row struct {
	call    fakeCaller // answers when nil
	options options
	headers []string
	body    string // a good one when empty
	before  int    // requests sent before
	status  int
	code    string
	kind    string // OpenAI's type
	retry   string // Retry-After: "" for none, "*" for any
	layer   string
	says    string // part of the detail
}

// rows is the status table. What takes two requests at once, or no request at all, has tests of its own below.
var rows = map[string]row{
	"not JSON": {body: `{"model":`, status: 400, code: "invalid_json", kind: "invalid_request_error",
		layer: "payload", says: "Line 1, column 10"},
	"not an object": {body: `[1]`, status: 422, code: "invalid_payload", kind: "invalid_request_error",
		layer: "payload", says: "JSON object"},
	"a wrong member": {body: `{"max_tokens":-1}`, status: 422, code: "invalid_payload",
		kind: "invalid_request_error", layer: "payload", says: "max_tokens"},
	"too large": {body: `{"a":"` + strings.Repeat("x", 100) + `"}`,
		options: options{env: []string{"LLM_MAX_BODY=100"}}, status: 413, code: "payload_too_large",
		kind: "invalid_request_error", layer: "payload", says: "100 bytes"},
	"no content type": {headers: []string{"Content-Type", ""}, status: 415, code: "unsupported_media_type",
		kind: "invalid_request_error", layer: "payload", says: "application/json"},
	"a form": {headers: []string{"Content-Type", "application/x-www-form-urlencoded"}, status: 415,
		code: "unsupported_media_type", kind: "invalid_request_error", layer: "payload"},
	"packed": {headers: []string{"Content-Encoding", "gzip"}, status: 415, code: "unsupported_media_type",
		kind: "invalid_request_error", layer: "payload", says: "Content-Encoding"},
	"no key": {headers: []string{"Authorization", ""}, status: 401, code: "unauthenticated",
		kind: "authentication_error", layer: "identity", says: "X-API-Key"},
	"unknown key": {headers: []string{"Authorization", "Bearer guess"}, status: 401, code: "unauthenticated",
		kind: "authentication_error", layer: "identity"},
	"a long header": {headers: []string{"Idempotency-Key", strings.Repeat("x", 257)}, status: 400,
		code: "header_too_long", kind: "invalid_request_error", layer: "header_limit", says: "256 bytes"},
	"over the limit": {headers: []string{"Authorization", "Bearer key-free"}, before: 10, status: 429,
		code: "user_rate_limited", kind: "rate_limit_error", retry: "*", layer: "user_limit"},
	"tokens used up": {call: spends(300), options: options{env: []string{"LLM_TIER_TOKENS=enterprise:300"}},
		before: 1, status: 429, code: "user_token_limited", kind: "rate_limit_error", retry: "*", layer: "token_limit",
		says: "300 a minute"},
	"more than all": {options: options{env: []string{"LLM_TIER_TOKENS=enterprise:100"}}, status: 413,
		code: "payload_too_large", kind: "invalid_request_error", layer: "token_limit", says: "100 a minute"},
	"tier gives way": {headers: []string{"Authorization", "Bearer key-free"},
		options: options{load: middleware.Load{Waiting: 80}}, status: 429, code: "shed", kind: "rate_limit_error",
		retry: "*", layer: "shed"},
	"queue too long": {headers: []string{"Authorization", "Bearer key-pro"},
		options: options{load: middleware.Load{Waiting: 100}}, status: 429, code: "shed", kind: "rate_limit_error",
		retry: "*", layer: "shed"},
	"queue timeout": {call: fails(&outcome.Rejected{Layer: "slots", Reason: outcome.QueueTimeout,
		RetryAfter: time.Second, Err: llm.ErrQueueTimeout}), status: 429, code: "queue_timeout",
		kind: "rate_limit_error", retry: "1", layer: "slots"},
	"contract used up": {call: fails(&outcome.Rejected{Layer: "quota", Reason: outcome.VendorRateLimited,
		RetryAfter: 1500 * time.Millisecond}), status: 429, code: "vendor_rate_limited", kind: "rate_limit_error",
		retry: "2", layer: "quota"},
	"breaker open": {call: fails(&outcome.Rejected{Layer: "breaker", Reason: outcome.VendorUnavailable,
		RetryAfter: time.Minute}), status: 503, code: "vendor_unavailable", kind: "server_error", retry: "60",
		layer: "breaker"},
	"known to be open": {options: options{down: time.Millisecond}, status: 503, code: "vendor_unavailable",
		kind: "server_error", retry: "1", layer: "fail_fast"},
	"vendor failed": {call: fails(&llm.VendorError{Kind: llm.KindStatus, Status: 500, Attempts: 3}), status: 502,
		code: "vendor_error", kind: "server_error", layer: "vendor", says: "3"},
	"no connection": {call: fails(&llm.VendorError{Kind: llm.KindConnection, Attempts: 1}), status: 502,
		code: "vendor_error", kind: "server_error", layer: "vendor", says: "1"},
	"vendor timed out": {call: fails(&llm.VendorError{Kind: llm.KindTimeout, Attempts: 1, Err: llm.ErrCallTimeout}),
		status: 502, code: "vendor_error", kind: "server_error", layer: "vendor"},
	"vendor's bare 429": {call: fails(&llm.VendorError{Kind: llm.KindRateLimit, Status: 429, Attempts: 2}), status: 429,
		code: "vendor_rate_limited", kind: "rate_limit_error", retry: "1", layer: "vendor"},
	"vendor's own 429": {call: fails(&llm.VendorError{Kind: llm.KindRateLimit, Status: 429,
		RetryAfter: 7 * time.Second, Attempts: 2}), status: 429, code: "vendor_rate_limited", kind: "rate_limit_error",
		retry: "7", layer: "vendor"},
	"vendor refuses us": {call: fails(&llm.VendorError{Kind: llm.KindAuth, Status: 401, Attempts: 1}), status: 502,
		code: "vendor_auth", kind: "server_error", layer: "vendor"},
	"no credit": {call: fails(&llm.VendorError{Kind: llm.KindQuota, Status: 429, Code: "billing_not_active",
		Attempts: 1}), status: 429, code: "insufficient_quota", kind: "rate_limit_error", layer: "vendor",
		says: "operators"},
	"answer too large": {call: fails(&llm.VendorError{Kind: llm.KindTooLarge, Status: 200, Attempts: 1}), status: 502,
		code: "answer_too_large", kind: "server_error", layer: "vendor", says: "VENDOR_MAX_RESPONSE"},
	"stream paused": {call: fails(&llm.VendorError{Kind: llm.KindIdle, Attempts: 1, Err: llm.ErrStreamIdle}),
		status: 504, code: "stream_idle", kind: "server_error", layer: "vendor", says: "STREAM_IDLE"},
	"stream too long": {call: fails(&llm.VendorError{Kind: llm.KindLength, Attempts: 1, Err: llm.ErrStreamMax}),
		status: 504, code: "stream_too_long", kind: "server_error", layer: "vendor", says: "STREAM_MAX"},
	"SLA deadline": {call: untilTheEnd, options: options{env: shortSLA}, status: 504, code: "deadline_exceeded",
		kind: "server_error"},
	"pod is closing": {call: fails(&outcome.Rejected{Layer: "server", Reason: outcome.ShuttingDown}), status: 503,
		code: "shutting_down", kind: "server_error", retry: "1", layer: "server"},
	"unknown timeout": {call: fails(context.DeadlineExceeded), status: 500, code: "internal", kind: "server_error"},
	"unknown error":   {call: fails(errors.New("hunter2")), status: 500, code: "internal", kind: "server_error"},
	"unknown reason": {call: fails(&outcome.Rejected{Layer: "new", Reason: "new"}), status: 500, code: "internal",
		kind: "server_error"},
	"panic": {call: func(context.Context, *llm.Call) (*llm.Response, error) { panic("hunter2") },
		status: 500, code: "internal", kind: "server_error"},
}

// shortSLA is an SLA that a test can wait for.
var shortSLA = []string{"LLM_SLA=120ms", "LLM_QUEUE_TIMEOUT=50ms", "LLM_CALL_TIMEOUT=50ms"}

// untilTheEnd is a call that only the request's end ends.
func untilTheEnd(ctx context.Context, _ *llm.Call) (*llm.Response, error) {
	<-ctx.Done()
	return nil, context.Cause(ctx)
}

// TestEveryRowOfTheStatusTable makes each thing go wrong, and checks what clients of both routes and the log get.
func TestEveryRowOfTheStatusTable(t *testing.T) {
	t.Parallel()
	for name, r := range rows {
		for _, path := range []string{"/llm", "/v1/chat/completions"} {
			t.Run(name+" at "+path, func(t *testing.T) {
				t.Parallel()
				r.test(t, path)
			})
		}
	}
}

func (r row) test(t *testing.T, path string) {
	t.Helper()
	if r.call == nil {
		r.call = answers
	}
	if r.body == "" {
		r.body = goodBody
	}
	r.options.level = slog.LevelDebug
	b := newBundle(t, r.call, r.options)
	for range r.before {
		if got := b.post(path, r.headers...); got.status != http.StatusOK {
			t.Fatalf("a request before it: %d %s", got.status, got.body)
		}
		b.accessLine()
	}
	got := b.send(http.MethodPost, path, r.body, append(r.headers, "X-Request-ID", "req-7")...)
	if got.status != r.status || got.code() != r.code || !strings.Contains(got.body, r.says) {
		t.Errorf("got %d %q, want %d %q that says %q: %s", got.status, got.code(), r.status, r.code, r.says, got.body)
	}
	after := got.header.Get("Retry-After")
	if r.retry == "*" && after == "" || r.retry != "*" && after != r.retry {
		t.Errorf("Retry-After is %q, want %q", after, r.retry)
	}
	if challenged := got.header.Get("WWW-Authenticate") != ""; challenged != (r.status == http.StatusUnauthorized) {
		t.Errorf("WWW-Authenticate is %q", got.header.Get("WWW-Authenticate"))
	}
	if strings.Contains(got.body, "hunter2") {
		t.Errorf("the cause leaks: %s", got.body)
	}
	wholeError(t, path, got, r.kind)
	if line := b.accessLine(); line["reason"] != r.code || line["status"] != float64(r.status) || r.layer != "" &&
		line["layer"] != r.layer {
		t.Errorf("the log says %v", line)
	}
}

// TestWhatTheVendorSaidIsKept: its identifiers are in the document and in the log, and a repeat that cannot help is
// called that.
func TestWhatTheVendorSaidIsKept(t *testing.T) {
	t.Parallel()
	failure := &llm.VendorError{
		Kind: llm.KindStatus, Status: 503, Code: "engine_overloaded", Type: "server_error", RequestID: "req_9",
		Advice: llm.AdviceNoRetry, Attempts: 1,
	}
	const document = `"vendor":{"status":503,"code":"engine_overloaded","type":"server_error","request_id":"req_9"}`
	for _, path := range []string{"/llm", "/v1/chat/completions"} {
		b := newBundle(t, fails(failure), options{})
		got := b.post(path)
		if !strings.Contains(got.body, document) || got.header.Get("X-Should-Retry") != "false" {
			t.Errorf("%s: X-Should-Retry %q: %s", path, got.header.Get("X-Should-Retry"), got.body)
		}
		vendor, _ := b.accessLine()["vendor"].(map[string]any)
		if vendor["status"] != 503.0 || vendor["code"] != "engine_overloaded" || vendor["request_id"] != "req_9" ||
			vendor["failure"] != "status" {
			t.Errorf("%s: the log says %v", path, vendor)
		}
	}
	b := newBundle(t, fails(&llm.VendorError{Kind: llm.KindConnection, Attempts: 1}), options{})
	if got := b.post("/llm"); strings.Contains(got.body, `"vendor":`) || got.header.Get("X-Should-Retry") != "" {
		t.Errorf("a vendor that said nothing: %v %s", got.header, got.body)
	}
}

// wholeError looks whether an error has all its parts, in the shape that the route's clients read.
func wholeError(t *testing.T, path string, got answer, kind string) {
	t.Helper()
	var p struct {
		Type, Title, Detail, Code string
		Status                    int
		RequestID                 string `json:"request_id"`
		Error                     struct {
			Message, Type, Code string
			RequestID           string `json:"request_id"`
		}
	}
	check(t, json.Unmarshal([]byte(got.body), &p))
	if got.header.Get("X-Request-ID") != "req-7" {
		t.Errorf("X-Request-ID is %q", got.header.Get("X-Request-ID"))
	}
	media, want := got.header.Get("Content-Type"), "application/problem+json"
	if strings.HasPrefix(path, "/v1/") {
		want = "application/json"
	}
	if media != want || p.Type != "/docs#"+p.Code || p.Title == "" || p.Detail == "" || p.Status != got.status ||
		p.RequestID != "req-7" {
		t.Errorf("not a whole problem: %s %s", media, got.body)
	}
	if p.Error.Message == "" || p.Error.Type != kind || p.Error.Code != p.Code || p.Error.RequestID != "req-7" {
		t.Errorf("no error as OpenAI has them, of type %q: %s", kind, got.body)
	}
}

func TestPagesThatAreNotThere(t *testing.T) {
	t.Parallel()
	b := newBundle(t, answers, options{})
	for _, c := range []struct {
		method, path string
		status       int
		code, allow  string
	}{
		{http.MethodGet, "/llm", 405, "method_not_allowed", "POST"},
		{http.MethodPost, "/docs", 405, "method_not_allowed", "GET"},
		{http.MethodGet, "/v1/chat/completions", 405, "method_not_allowed", "POST"},
		{http.MethodPost, "/v1/models", 405, "method_not_allowed", "GET"},
		{http.MethodPost, "/llm/", 404, "not_found", ""},
		{http.MethodGet, "/../../etc/passwd", 404, "not_found", ""},
		{"BREW", "/nowhere", 404, "not_found", ""},
	} {
		got := b.send(c.method, c.path, "", "X-Request-ID", "req-7")
		if got.status != c.status || got.code() != c.code || !strings.Contains(got.header.Get("Allow"), c.allow) {
			t.Errorf("%s %s: got %d, Allow %q, %s", c.method, c.path, got.status, got.header.Get("Allow"), got.body)
		}
		wholeError(t, c.path, got, "invalid_request_error")
	}
	got := b.send(http.MethodGet, "/v1/chat/completion", "", "X-Forwarded-Proto", "https")
	for _, want := range []string{"/v1/chat/completion.", "https://127.0.0.1:", "/v1; ", "POST /v1/chat/completions",
		"GET /llm/jobs/{id}"} {
		if !strings.Contains(got.body, want) {
			t.Errorf("not said: %s\nin: %s", want, got.body)
		}
	}
}

// TestAnthropicsClientsReadTheirOwnErrors on the paths of Anthropic's API, and find ours beside them.
func TestAnthropicsClientsReadTheirOwnErrors(t *testing.T) {
	t.Parallel()
	b := newBundle(t, answers, options{})
	got := b.send(http.MethodPost, "/v1/messages/nowhere", goodBody, "X-Request-ID", "req-7")
	var d struct {
		Type, Code string
		RequestID  string `json:"request_id"`
		Error      struct{ Type, Message string }
	}
	check(t, json.Unmarshal([]byte(got.body), &d))
	if d.Type != "error" || d.Error.Type != "not_found_error" || d.Error.Message == "" || d.Code != "not_found" ||
		d.RequestID != "req-7" {
		t.Error(got.body)
	}
}

// TestClientsAreToldNotToRepeat requests that would fail again, or for which they would wait too long.
func TestClientsAreToldNotToRepeat(t *testing.T) {
	t.Parallel()
	for name, hopeless := range map[string]bool{
		"too large": true, "a wrong member": true, "vendor refuses us": true, "breaker open": true, // for a minute
		"vendor's own 429": false, "queue timeout": false, "vendor failed": false,
	} {
		r := rows[name]
		if r.call == nil {
			r.call = answers
		}
		if r.body == "" {
			r.body = goodBody
		}
		got := newBundle(t, r.call, r.options).send(http.MethodPost, "/llm", r.body)
		if got.status != r.status || (got.header.Get("X-Should-Retry") == "false") != hopeless {
			t.Errorf("%s: %d, X-Should-Retry %q", name, got.status, got.header.Get("X-Should-Retry"))
		}
	}
}

// TestEveryCodeIsBroughtAbout: a problem that was never seen from outside may as well not work. The list is that of
// openapi.json, which has tests of its own.
func TestEveryCodeIsBroughtAbout(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{ // in tests of their own
		"overloaded": true, "too_many_calls": true, "request_timeout": true, "client_closed": true, "not_found": true,
		"method_not_allowed": true,
		"jobs_unavailable":   true, "too_many_jobs": true, "idempotency_mismatch": true, "job_without_stream": true,
		"job_not_found": true, "job_ended": true,
		"endpoint_not_served": true, "model_not_found": true, "jobs_full": true, "too_many_job_bytes": true,
		"job_result_dropped": true, "job_poisoned": true,
	}
	for _, r := range rows {
		seen[r.code] = true
	}
	var doc struct {
		Components struct {
			Schemas struct{ Code struct{ Enum []string } }
		}
	}
	check(t, json.Unmarshal([]byte(newBundle(t, answers, options{}).send(http.MethodGet, "/openapi.json", "").body),
		&doc))
	if len(doc.Components.Schemas.Code.Enum) < 20 {
		t.Errorf("only %v", doc.Components.Schemas.Code.Enum)
	}
	for _, code := range doc.Components.Schemas.Code.Enum {
		if !seen[code] {
			t.Errorf("no row brings %s about", code)
		}
	}
}
