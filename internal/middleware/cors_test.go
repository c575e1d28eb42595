package middleware_test

import (
	"net/http"
	"testing"

	"github.com/spillway-dev/spillway/internal/middleware"
)

func TestCORS(t *testing.T) {
	t.Parallel()
	const app = "https://app.example"
	for name, tt := range map[string]struct {
		origins []string
		origin  string
		allowed bool
	}{
		"off":            {nil, app, false},
		"listed":         {[]string{"https://a.example", app}, app, true},
		"not listed":     {[]string{"https://a.example"}, app, false},
		"every origin":   {[]string{"*"}, app, true},
		"no browser":     {[]string{"*"}, "", false},
		"not its prefix": {[]string{app}, app + ".evil.example", false},
	} {
		h := chain(served, middleware.RequestID(), middleware.CORS(tt.origins))
		w := post(h, "Origin", tt.origin)
		if got := w.Header().Get("Access-Control-Allow-Origin"); w.Code != http.StatusOK ||
			(got == tt.origin && got != "") != tt.allowed {
			t.Errorf("%s: %d, allowed for %q", name, w.Code, got)
		}
		w = send(h, http.MethodOptions, "/llm", "Origin", tt.origin, "Access-Control-Request-Method", "POST",
			"Access-Control-Request-Headers", "authorization,content-type")
		got := w.Code == http.StatusNoContent &&
			w.Header().Get("Access-Control-Allow-Headers") == "authorization,content-type"
		if got != tt.allowed || w.Header().Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s: the preflight gets %d %v", name, w.Code, w.Header())
		}
	}
}
