package middleware_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/spillway-dev/spillway/internal/middleware"
)

func TestPassedHeadersAreBounded(t *testing.T) {
	t.Parallel()
	h := chain(served, middleware.RequestID(), middleware.HeaderLimit([]string{"anthropic-beta"}, fail))
	half := strings.Repeat("x", 128)
	for _, name := range []string{"Idempotency-Key", "traceparent", "tracestate", "X-Request-ID"} {
		if w := post(h, name, half+half); w.Code != http.StatusOK {
			t.Errorf("%s with 256 bytes: %d", name, w.Code)
		}
		for what, headers := range map[string][]string{
			"one line":  {name, half + half + "x"},
			"two lines": {name, half, name, half + "x"},
		} {
			if w := post(h, headers...); w.Code != http.StatusBadRequest || w.Body.String() != "header_too_long" {
				t.Errorf("%s with 257 bytes in %s: %d %s", name, what, w.Code, w.Body)
			}
		}
	}
	longest := strings.Repeat(half, 8)
	if w := post(h, "anthropic-beta", longest); w.Code != http.StatusOK {
		t.Errorf("a vendor's header with 1024 bytes: %d", w.Code)
	}
	if w := post(h, "anthropic-beta", longest, "anthropic-beta", "x"); w.Body.String() != "header_too_long" {
		t.Errorf("a vendor's header with 1025 bytes: %d %s", w.Code, w.Body)
	}
	if w := post(h, "X-Other", half+half+half); w.Code != http.StatusOK {
		t.Errorf("a header that goes nowhere: %d", w.Code)
	}
}
