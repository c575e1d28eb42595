package clients

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"github.com/spillway-dev/spillway/internal/vendorsim"
)

// failure is a situation with one of the service's errors.
type failure struct {
	status   int
	code     string
	fault    vendorsim.Fault // of the vendor; none without a kind
	settings []string        // of the service
	model    string          // empty means demo
	options  []option.RequestOption
	before   func(*testing.T, *service) // what happens before the call
}

// failures are the errors of docs/using.md that a chat can get.
var failures = map[string]failure{
	"no JSON":      {status: 400, code: "invalid_json", options: body("application/json", "{")},
	"no object":    {status: 422, code: "invalid_payload", options: body("application/json", "[]")},
	"content type": {status: 415, code: "unsupported_media_type", options: body("text/plain", "{}")},
	"too large":    {status: 413, code: "payload_too_large", settings: []string{"LLM_MAX_BODY=16"}},
	"unknown key":  {status: 401, code: "unauthenticated", options: []option.RequestOption{option.WithAPIKey("none")}},
	"user limit": {
		status:   429,
		code:     "user_rate_limited",
		settings: []string{"LLM_TIER_RATES=free:1,pro:1,enterprise:1"},
		before:   once,
	},
	"contract":       {status: 429, code: "vendor_rate_limited", fault: vendorsim.Fault{Kind: "status", Status: 429}},
	"vendor fails":   {status: 502, code: "vendor_error", fault: vendorsim.Fault{Kind: "status", Status: 500}},
	"vendor resets":  {status: 502, code: "vendor_error", fault: vendorsim.Fault{Kind: "reset"}},
	"vendor's key":   {status: 502, code: "vendor_auth", model: "play:401-key"},
	"no credit":      {status: 429, code: "insufficient_quota", model: "play:429-billing"},
	"vendor is odd":  {status: 502, code: "vendor_error", model: "play:json-half-chunked"},
	"error in a 200": {status: 502, code: "vendor_error", model: "play:json-error-200"},
	"vendor's 400":   {status: 400, code: "context_length_exceeded", model: "play:400-context-length"},
	"vendor's 404":   {status: 404, code: "model_not_found", model: "play:404-model"},
	"vendor is down": {
		status: 503,
		code:   "vendor_unavailable",
		fault:  vendorsim.Fault{Kind: "status", Status: 500},
		before: down,
	},
	"queue": {
		status:   429,
		code:     "queue_timeout",
		settings: []string{"LLM_SLOTS=1", "LLM_QUEUE_TIMEOUT=50ms", several},
		before:   busy,
	},
	"pod is full": {status: 503, code: "overloaded", settings: []string{"LLM_ADMISSION_MAX=1"}, before: busy},
	"deadline": {
		status: 504, code: "deadline_exceeded", before: slowBefore,
		settings: []string{"LLM_SLA=3s", "LLM_CALL_TIMEOUT=2900ms", "LLM_QUEUE_TIMEOUT=2900ms", "LLM_SLOTS=1", several},
	},
}

// several lets one user have more calls inside than the pod has slots.
const several = "LLM_TIER_CONCURRENCY=free:9,pro:9,enterprise:9"

// body sends this body and no other.
func body(contentType, text string) []option.RequestOption {
	return []option.RequestOption{option.WithRequestBody(contentType, []byte(text))}
}

// once makes one successful call.
func once(t *testing.T, s *service) {
	t.Helper()
	if _, err := s.openAI().Chat.Completions.New(t.Context(), hello()); err != nil {
		t.Fatal(err)
	}
}

// busy makes one call that the vendor does not answer.
func busy(t *testing.T, s *service) {
	t.Helper()
	leaveOne(t, s, vendorsim.Fault{Kind: "hang", Calls: 1})
}

// slowBefore makes one call that the vendor answers late. It does not answer the next one, which has waited for its
// slot: the service's deadline ends it before its own call timeout.
func slowBefore(t *testing.T, s *service) {
	t.Helper()
	leaveOne(t, s, vendorsim.Fault{Kind: "slow", Delay: vendorsim.Duration(1500 * time.Millisecond), Calls: 1})
	if err := s.AddFault(vendorsim.Fault{Kind: "hang"}); err != nil {
		t.Fatal(err)
	}
}

// leaveOne makes one call with a fault, and does not wait for its end.
func leaveOne(t *testing.T, s *service, fault vendorsim.Fault) {
	t.Helper()
	if err := s.AddFault(fault); err != nil {
		t.Fatal(err)
	}
	ctx, leave := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan struct{})
	go func() { defer close(ended); _, _ = s.openAI().Chat.Completions.New(ctx, hello()) }()
	t.Cleanup(func() { leave(); <-ended })
	s.inFlight(t)
}

// down makes calls that fail until the breaker is open.
func down(t *testing.T, s *service) {
	t.Helper()
	for range 100 {
		_, err := s.openAI().Chat.Completions.New(t.Context(), hello())
		if failed, ok := errors.AsType[*openai.Error](err); ok && failed.Code == "vendor_unavailable" {
			return
		}
	}
	t.Error("the breaker stays closed")
}

// Every error is a typed error of the client, with a code and the ID of the request.
func TestTypedErrors(t *testing.T) {
	t.Parallel()
	for name, tt := range failures {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, vendorsim.Config{}, append([]string{"LLM_RETRY_MAX=0"}, tt.settings...)...)
			if tt.fault.Kind != "" {
				if err := s.AddFault(tt.fault); err != nil {
					t.Fatal(err)
				}
			}
			if tt.before != nil {
				tt.before(t, s)
			}
			params := hello()
			if tt.model != "" {
				params.Model = tt.model
			}
			_, err := s.openAI().Chat.Completions.New(t.Context(), params, tt.options...)
			check(t, err, tt.status, tt.code)
		})
	}
}

// check checks an error of openai-go.
func check(t *testing.T, err error, status int, code string) {
	t.Helper()
	failed, ok := errors.AsType[*openai.Error](err)
	if !ok {
		t.Fatalf("got %v", err)
	}
	if failed.StatusCode != status || failed.Code != code || failed.Message == "" || failed.Type == "" {
		t.Errorf("status %d, %s", failed.StatusCode, failed.RawJSON())
	}
	h := failed.Response.Header
	if h.Get("X-Request-Id") == "" {
		t.Errorf("no request ID: %v", h)
	}
	limited := status == http.StatusTooManyRequests && code != "insufficient_quota"
	if (limited || status == http.StatusServiceUnavailable) && h.Get("Retry-After") == "" {
		t.Errorf("no Retry-After: %v", h)
	}
}

// A path that the service does not have is a typed error too.
func TestUnknownPath(t *testing.T) {
	t.Parallel()
	s := start(t, vendorsim.Config{})
	check(t, s.openAI().Get(t.Context(), "files", nil, nil), 404, "not_found")
}

// The client waits for Retry-After before it repeats a call.
func TestRetryAfterIsObeyed(t *testing.T) {
	t.Parallel()
	s := start(t, vendorsim.Config{}, "LLM_RETRY_MAX=0")
	if err := s.AddFault(vendorsim.Fault{Kind: "answer", Name: "429-seconds", Calls: 1}); err != nil {
		t.Fatal(err)
	}
	seen := &counter{}
	client := s.openAI(option.WithHTTPClient(&http.Client{Transport: seen}), option.WithMaxRetries(3))
	got, err := client.Chat.Completions.New(t.Context(), hello())
	if err != nil || !strings.HasPrefix(got.Choices[0].Message.Content, "You said") {
		t.Fatalf("%v, %+v", err, got)
	}
	at := seen.requests()
	if len(at) != 2 || at[1].Sub(at[0]) < 2*time.Second {
		t.Errorf("requests at %v", at)
	}
}

// The vendor's x-should-retry reaches the client, which then repeats a call or does not, whatever the status is.
func TestShouldRetryIsObeyed(t *testing.T) {
	t.Parallel()
	s := start(t, vendorsim.Config{}, "LLM_RETRY_MAX=0")
	for model, want := range map[string]int{
		"play:400-should-retry-true": 2, "play:400-context-length": 1, "play:429-should-retry-false": 1,
		"play:500-should-retry-false": 1, "play:500": 2, "play:401-key": 1, "play:429-billing": 1,
	} {
		seen := &counter{}
		params := hello()
		params.Model = model
		client := s.openAI(option.WithHTTPClient(&http.Client{Transport: seen}), option.WithMaxRetries(1))
		_, err := client.Chat.Completions.New(t.Context(), params)
		if n := len(seen.requests()); n != want {
			t.Errorf("%s: %d requests, %v", model, n, err)
			if failed, ok := errors.AsType[*openai.Error](err); ok {
				t.Log(failed.Response.Header)
			}
		}
	}
}

// For paths, endpoints and models that are not served the client gets typed errors that name what is served.
func TestWhatIsNotServed(t *testing.T) {
	t.Parallel()
	s := start(t, vendorsim.Config{}, "LLM_VENDOR_ENDPOINTS=chat", "LLM_LANES=more", "LLM_LANE_MORE_MODELS=embed*",
		"LLM_LANE_MORE_VENDOR_ENDPOINTS=embeddings", "LLM_LANE_MORE_QUOTA_REQUESTS=0")
	input := openai.EmbeddingNewParamsInputUnion{OfString: openai.String("hello")}
	if _, err := s.openAI().Embeddings.New(t.Context(),
		openai.EmbeddingNewParams{Model: "embed", Input: input}); err != nil {
		t.Error(err)
	}
	_, err := s.openAI().Embeddings.New(t.Context(), openai.EmbeddingNewParams{Model: "demo", Input: input})
	check(t, err, 404, "endpoint_not_served")
	_, err = s.openAI().Responses.New(t.Context(), ask())
	check(t, err, 404, "not_found")
	if failed, ok := errors.AsType[*openai.Error](err); !ok ||
		!strings.Contains(failed.Message, "/v1/responses is not open here") {
		t.Error(err)
	}
	_, err = s.openAI().Models.Get(t.Context(), "none")
	check(t, err, 404, "model_not_found")
}
