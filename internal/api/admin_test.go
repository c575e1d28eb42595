package api_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/spillway-dev/spillway/internal/api"
	"github.com/spillway-dev/spillway/internal/health"
)

// look fetches a page of h.
func look(h http.Handler, method, path string) answer {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, path, http.NoBody))
	text, _ := io.ReadAll(w.Body)
	return answer{w.Code, w.Header(), string(text)}
}

// TestReadinessIsAMetric: the metrics show the same state as the probe, with the reason.
func TestReadinessIsAMetric(t *testing.T) {
	t.Parallel()
	reg, full := prometheus.NewRegistry(), 0.0
	h := health.New(health.Config{SaturatedAfter: time.Nanosecond}, func() float64 { return full })
	check(t, api.RegisterReadiness(h, reg))
	says := func(ready string, state health.State) {
		t.Helper()
		text := look(api.NewAdmin(h, reg, false), http.MethodGet, "/metrics").body
		for _, want := range []string{"llm_ready " + ready + "\n", fmt.Sprintf("llm_pod_state{state=%q} 1\n", state)} {
			if !strings.Contains(text, want) {
				t.Errorf("no %s in\n%s", want, text)
			}
		}
		if strings.Count(text, "} 1\n") != 1 {
			t.Errorf("more than one state in\n%s", text)
		}
	}
	says("0", health.Starting)
	h.SetStarted()
	says("1", health.Ready)
	full = 1
	says("1", health.Ready) // not yet
	says("0", health.Saturated)
	h.Drain()
	says("0", health.Draining)
}

func TestAdminPort(t *testing.T) {
	t.Parallel()
	b := newBundle(t, answers, options{})
	b.post("/llm")
	b.accessLine() // which is written when the request is counted
	admin := api.NewAdmin(b.health, b.reg, false)
	for path, want := range map[string]struct {
		status int
		says   string
	}{
		"/metrics":      {200, `llm_http_requests_total{method="POST",reason="",route="/llm",status="200"} 1`},
		"/livez":        {200, "alive"},
		"/readyz":       {200, "ready"},
		"/debug/pprof/": {404, ""},
		"/llm":          {404, ""},
	} {
		if got := look(admin, http.MethodGet, path); got.status != want.status ||
			!strings.Contains(got.body, want.says) {
			t.Errorf("%s: got %d %s", path, got.status, got.body)
		}
	}
	b.health.Drain()
	if got := look(admin, http.MethodGet, "/readyz"); got.status != http.StatusServiceUnavailable ||
		!strings.Contains(got.body, "draining") {
		t.Errorf("draining: got %d %s", got.status, got.body)
	}
	if got := look(admin, http.MethodGet, "/livez"); got.status != http.StatusOK {
		t.Errorf("a draining pod lives: got %d %s", got.status, got.body)
	}
}

func TestAdminPortWithProfiles(t *testing.T) {
	t.Parallel()
	b := newBundle(t, answers, options{})
	admin := api.NewAdmin(b.health, b.reg, true)
	for path, methods := range map[string][]string{
		"/debug/pprof/": {"GET"}, "/debug/pprof/heap": {"GET"}, "/debug/pprof/cmdline": {"GET"},
		"/debug/pprof/symbol": {"GET", "POST"},
	} {
		for _, method := range methods {
			if got := look(admin, method, path); got.status != http.StatusOK {
				t.Errorf("%s %s: got %d", method, path, got.status)
			}
		}
	}
}

// TestPagesNeedNoKey, and are served when the pod is full or the vendor is down.
func TestPagesNeedNoKey(t *testing.T) {
	t.Parallel()
	b := newBundle(t, answers, options{down: 1e9})
	for path, want := range map[string]struct{ media, says string }{
		"/health":       {"application/json", "alive"},
		"/ready":        {"application/json", "ready"},
		"/openapi.json": {"application/json", `"openapi": "3.1.0"`},
		"/docs":         {"text/html; charset=utf-8", "<title>Spillway API</title>"},
		"/redoc":        {"text/html; charset=utf-8", "<title>Spillway API</title>"},
		"/docs/docs.js": {"text/javascript; charset=utf-8", "SwaggerUIBundle"},
	} {
		got := b.send(http.MethodGet, path, "", "Authorization", "")
		if got.status != http.StatusOK || got.header.Get("Content-Type") != want.media ||
			!strings.Contains(got.body, want.says) {
			t.Errorf("%s: got %d %s %.200s", path, got.status, got.header.Get("Content-Type"), got.body)
		}
		if got := b.send(http.MethodHead, path, "", "Authorization", ""); got.status != http.StatusOK ||
			got.body != "" {
			t.Errorf("HEAD %s: got %d %s", path, got.status, got.body)
		}
	}
	b.health.Drain()
	if got := b.send(http.MethodGet, "/ready", ""); got.status != http.StatusServiceUnavailable {
		t.Errorf("draining: got %d", got.status)
	}
}
