package middleware_test

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/spillway-dev/spillway/internal/middleware"
	"github.com/spillway-dev/spillway/internal/telemetry"
)

func TestRequestID(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		sent  string
		taken bool
	}{
		"none":         {"", false},
		"well formed":  {"3f2a.b-c_9", true},
		"as long":      {strings.Repeat("x", 128), true},
		"too long":     {strings.Repeat("x", 129), false},
		"line feed":    {"a\nb", false},
		"quote":        {`a"b`, false},
		"not in ASCII": {"ü", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var inContext, inInfo string
			h := chain(func(c *gin.Context) {
				inContext, inInfo = telemetry.RequestID(c.Request.Context()),
					middleware.InfoFrom(c.Request.Context()).ID
			}, middleware.RequestID())
			got := post(h, middleware.RequestIDHeader, tt.sent).Header().Get("X-Request-ID")
			if inContext != got || inInfo != got {
				t.Errorf("answered %q, the context says %q, the record %q", got, inContext, inInfo)
			}
			if (got == tt.sent) != tt.taken {
				t.Errorf("sent %q, got %q", tt.sent, got)
			}
			if !tt.taken {
				if id, err := uuid.Parse(got); err != nil || id.Version() != 7 {
					t.Errorf("%q is no UUIDv7: %v", got, err)
				}
			}
		})
	}
}

func FuzzRequestID(f *testing.F) {
	f.Add("3f2a.b-c_9")
	f.Add("a\r\nSet-Cookie: x")
	f.Add(strings.Repeat("é", 70))
	h := chain(served, middleware.RequestID())
	safe := regexp.MustCompile(`^[A-Za-z0-9._-]{1,128}$`)
	f.Fuzz(func(t *testing.T, sent string) {
		r := httptest.NewRequest(http.MethodPost, "/llm", http.NoBody)
		r.Header[middleware.RequestIDHeader] = []string{sent}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		got := w.Header().Get(middleware.RequestIDHeader)
		if !safe.MatchString(got) || (got != sent && safe.MatchString(sent)) {
			t.Errorf("sent %q, got %q", sent, got)
		}
	})
}
