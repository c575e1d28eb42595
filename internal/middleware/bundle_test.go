package middleware_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/spillway-dev/spillway/internal/await"
	"github.com/spillway-dev/spillway/internal/middleware"
	"github.com/spillway-dev/spillway/internal/outcome"
	"github.com/spillway-dev/spillway/internal/telemetry"
)

// config is the default configuration.
func config() middleware.Config {
	return middleware.Config{
		SLA: 60e9, AdmissionMax: 200, QueueMax: 100, ShedFree: 0.7, ShedAll: 0.9,
		TierRates: map[string]int{"free": 10, "pro": 100, "enterprise": 1000},
	}
}

// statuses stands in for the table of the api package.
var statuses = map[outcome.Reason]int{
	outcome.Overloaded: 503, outcome.VendorUnavailable: 503, outcome.Unauthenticated: 401, outcome.Shed: 429,
	outcome.ShedLatency: 503, outcome.UserRateLimited: 429, outcome.TooManyCalls: 429, outcome.HeaderTooLong: 400,
	outcome.PayloadTooLarge: 413,
}

// fail stands in for the one of the api package: the reason is the body.
func fail(c *gin.Context, err error) {
	c.Abort()
	in := middleware.InfoFrom(c.Request.Context())
	in.Reason, in.Status = "internal", 500
	if r, ok := errors.AsType[*outcome.Rejected](err); ok {
		in.Reason, in.Layer, in.Status = string(r.Reason), r.Layer, statuses[r.Reason]
		c.Writer.Header().Set("X-Retry-After", r.RetryAfter.String())
	}
	c.String(in.Status, in.Reason)
}

// served is the handler of tests that are about what stands before it.
func served(c *gin.Context) { c.String(http.StatusOK, "served") }

// chain serves h at POST /llm behind the layers.
func chain(h gin.HandlerFunc, layers ...gin.HandlerFunc) http.Handler {
	engine := gin.New()
	engine.HandleMethodNotAllowed = true
	engine.Use(layers...)
	engine.POST("/llm", h)
	return engine
}

// as puts a user of the tier in the place of Identity.
func as(user, tier string) gin.HandlerFunc {
	return func(c *gin.Context) {
		in := middleware.InfoFrom(c.Request.Context())
		in.User, in.Tier = user, tier
	}
}

// post sends a request with headers given as name, value, name, value.
func post(h http.Handler, headers ...string) *httptest.ResponseRecorder {
	return send(h, http.MethodPost, "/llm", headers...)
}

func send(h http.Handler, method, path string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader("{}"))
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// lines collects what is logged. It is safe for concurrent use.
type lines struct {
	mu  sync.Mutex
	all []map[string]any
	new chan map[string]any
}

func newLog(level slog.Level) (*slog.Logger, *lines) {
	l := &lines{new: make(chan map[string]any, 1000)}
	return telemetry.NewLogger(l, level), l
}

func (l *lines) Write(p []byte) (int, error) {
	line := map[string]any{}
	if err := json.Unmarshal(p, &line); err != nil {
		return 0, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, line)
	l.new <- line
	return len(p), nil
}

// with returns the lines whose message is msg.
func (l *lines) with(msg string) []map[string]any {
	l.mu.Lock()
	defer l.mu.Unlock()
	var some []map[string]any
	for _, line := range l.all {
		if line["msg"] == msg {
			some = append(some, line)
		}
	}
	return some
}

// await returns the next line whose message is msg.
func (l *lines) await(tb testing.TB, msg string) map[string]any {
	tb.Helper()
	for {
		if line := await.Value(tb, "the log line "+msg, l.new); line["msg"] == msg {
			return line
		}
	}
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// keyLine is the line of a key file for key.
func keyLine(key, user, tier string) string {
	return fmt.Sprintf("%x %s %s\n", sha256.Sum256([]byte(key)), user, tier)
}

func write(tb testing.TB, path, text string) {
	tb.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
}

// newKeys returns keys from a file with the given content.
func newKeys(tb testing.TB, text string) *middleware.Keys {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "keys")
	write(tb, path, text)
	keys, err := middleware.NewKeys(path, config().TierRates, discard(), prometheus.NewRegistry())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = keys.Close() })
	return keys
}

// infoContext is the context of a request of a user.
func infoContext(tb testing.TB, user, tier string) context.Context {
	tb.Helper()
	var request *http.Request
	post(chain(func(c *gin.Context) { request = c.Request }, middleware.RequestID(), as(user, tier)))
	return context.WithoutCancel(request.Context())
}
