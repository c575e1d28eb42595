package upstream_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/llm/llmtest"
	"github.com/spillway-dev/spillway/internal/llm/upstream"
	"github.com/spillway-dev/spillway/internal/vendorsim/script"
)

// playing is a Vendor behind a real socket that gives the named answer of the catalogue to every call.
func playing(t testing.TB, name string) (*upstream.Vendor, script.Named) {
	t.Helper()
	named, ok := script.Find(name)
	if !ok {
		t.Fatalf("no answer is named %s", name)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter,
		r *http.Request) {
		named.Answer.Play(w, r)
	}))
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	return vendorAt(t, server.URL, nil), named
}

// TestRefusals: which failure a refusal is, or that it is the client's, and what is kept of it.
func TestRefusals(t *testing.T) {
	t.Parallel()
	auth, quota, limit, status := llm.KindAuth, llm.KindQuota, llm.KindRateLimit, llm.KindStatus
	for name, want := range map[string]struct {
		kind   llm.Kind // empty: the client gets the answer
		status int
		code   string
		kindOf string // its type
		retry  bool
	}{
		"400-context-length":     {"", 400, "", "", false},
		"400-anthropic-too-long": {"", 400, "", "", false},
		"400-content-filter":     {"", 400, "", "", false},
		"400-anthropic-credit":   {quota, 400, "", "invalid_request_error", false},
		"400-should-retry-true":  {"", 400, "", "", false},
		"400-gemini-key":         {auth, 400, "API_KEY_INVALID", "INVALID_ARGUMENT", false},
		"401-key":                {auth, 401, "invalid_api_key", "", false},
		"401-bare":               {auth, 401, "", "", false},
		"401-anthropic":          {auth, 401, "", "authentication_error", false},
		"402-credit":             {quota, 402, "", "", false},
		"403-moderation":         {"", 403, "", "", false},
		"403-key":                {auth, 403, "invalid_api_key", "invalid_request_error", false},
		"403-region":             {"", 403, "", "", false},
		"403-html":               {"", 403, "", "", false},
		"404-model":              {"", 404, "", "", false},
		"empty-404":              {"", 404, "", "", false},
		"407-proxy":              {llm.KindConnection, 0, "", "", true},
		"408-timeout":            {status, 408, "timeout", "server_error", true},
		"409-conflict":           {"", 409, "", "", false},
		"413-large":              {"", 413, "", "", false},
		"422-schema":             {"", 422, "", "", false},
		"text-422":               {"", 422, "", "", false},
		"gzip-error":             {"", 400, "", "", false},
		"429-bare":               {limit, 429, "rate_limit_exceeded", "requests", true},
		"429-billing":            {quota, 429, "insufficient_quota", "insufficient_quota", false},
		"429-billing-limit":      {quota, 429, "billing_hard_limit_reached", "billing_hard_limit_reached", false},
		"429-quota-exceeded":     {quota, 429, "quota_exceeded", "quota_exceeded", false},
		"429-should-retry-false": {limit, 429, "rate_limit_exceeded", "requests", false},
		"429-anthropic-reset":    {limit, 429, "", "rate_limit_error", true},
		"429-too-large":          {"", 429, "", "", false},
		"429-gemini":             {limit, 429, "", "RESOURCE_EXHAUSTED", true},
		"500":                    {status, 500, "server_error", "server_error", true},
		"500-should-retry-false": {status, 500, "server_error", "server_error", false},
		"500-azure":              {status, 500, "server_error", "server_error", true},
		"529-overloaded":         {status, 529, "", "overloaded_error", true},
		"html-502":               {status, 502, "", "", true},
		// An error within a 200.
		"json-error-200":        {status, 502, "", "", true},
		"json-overloaded-200":   {status, 529, "", "overloaded_error", true},
		"json-openai-error-200": {status, 500, "server_error", "server_error", true},
		"json-vllm-error-200":   {status, 500, "", "InternalServerError", true},
		"json-error-null":       {"", 200, "", "", false},
		// An answer that is not what it says, or odd and whole.
		"json-half-chunked": {llm.KindBadContent, 200, "", "", true},
		"empty-200":         {llm.KindBadContent, 200, "", "", true},
		"json-cut-length":   {llm.KindConnection, 0, "", "", true},
		"json-bom":          {"", 200, "", "", false},
		"json-nan":          {"", 200, "", "", false},
		"json-null":         {"", 200, "", "", false},
		"json-no-type":      {"", 200, "", "", false},
		"json-as-text":      {"", 200, "", "", false},
		"html-200":          {"", 200, "", "", false},
		"gzip-json":         {"", 200, "", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v, named := playing(t, name)
			resp, out := v.Send(t.Context(), llmtest.NewCall())
			defer resp.Close()
			if want.kind == "" {
				llmtest.OK(t, out.Err)
				var sent strings.Builder
				for _, p := range named.Answer.Body {
					sent.WriteString(p.Text)
				}
				if resp.Status != want.status || string(resp.Body) != sent.String() || out.ClientGone {
					t.Errorf("got %d %q, want %d %q", resp.Status, resp.Body, want.status, sent.String())
				}
				return
			}
			failed, _ := errors.AsType[*llm.VendorError](out.Err)
			if failed == nil {
				t.Fatalf("got %+v, want %s", out.Err, want.kind)
			}
			if failed.Kind != want.kind || failed.Status != want.status || failed.Retryable() != want.retry {
				t.Errorf("got %v, retryable %v", failed, failed.Retryable())
			}
			if failed.Code != want.code || failed.Type != want.kindOf {
				t.Errorf("code %q, type %q", failed.Code, failed.Type)
			}
			against := failed.Kind == llm.KindConnection || failed.Kind == llm.KindBadContent || failed.Status >= 500
			if failed.Failure() != against {
				t.Errorf("%v counts against the vendor: %v", failed, failed.Failure())
			}
			if name == "500-azure" && failed.RequestID != "azure-7" {
				t.Errorf("the request's name at the vendor is %q", failed.RequestID)
			}
			if strings.Contains(failed.Error(), "sk-abc") || strings.Contains(failed.Error(), "AIza") {
				t.Errorf("the vendor's text is kept: %v", failed)
			}
		})
	}
}

// TestRefusalsOfTheWorstKind: a 4xx is the client's also when its body is cut, does not end in time, or never ends.
func TestRefusalsOfTheWorstKind(t *testing.T) {
	t.Parallel()
	for name, rest := range map[string]func(http.ResponseWriter, *http.Request){
		"breaks off": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"stalls":     func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"endless": func(w http.ResponseWriter, _ *http.Request) {
			for _, err := w.Write(make([]byte, 1<<16)); err == nil; _, err = w.Write(make([]byte, 1<<16)) {
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := llmtest.Config()
			cfg.CallTimeout, cfg.Vendor.URL = time.Second, serve(t, func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(http.StatusBadRequest)
				_, _ = w.Write([]byte("no"))
				_ = http.NewResponseController(w).Flush()
				rest(w, r)
			})
			c := llmtest.Caller(t, cfg, http.DefaultTransport.(*http.Transport).Clone().RoundTrip)
			resp, err := c.Do(t.Context(), llmtest.NewCall())
			llmtest.OK(t, err)
			defer resp.Close()
			if resp.Status != http.StatusBadRequest || !strings.HasPrefix(string(resp.Body), "no") {
				t.Errorf("got %d with %d bytes", resp.Status, len(resp.Body))
			}
		})
	}
}

// TestDeepAnswers: no answer can exhaust the stack, which would end the process.
func TestDeepAnswers(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("[", 1<<20-1)
	for status, kind := range map[int]llm.Kind{200: llm.KindBadContent, 500: llm.KindStatus} {
		url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			_, _ = w.Write([]byte(deep))
		})
		_, out := vendorAt(t, url, nil).Send(t.Context(), llmtest.NewCall())
		if failed, ok := errors.AsType[*llm.VendorError](out.Err); !ok || failed.Kind != kind {
			t.Errorf("%d: got %v", status, out.Err)
		}
	}
}
