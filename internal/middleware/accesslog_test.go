package middleware_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/spillway-dev/spillway/internal/middleware"
	"github.com/spillway-dev/spillway/internal/outcome"
)

func TestAccessLogSaysEverythingInOneLine(t *testing.T) {
	t.Parallel()
	log, logged := newLog(slog.LevelInfo)
	h := chain(func(c *gin.Context) {
		middleware.InfoFrom(c.Request.Context()).Add(slog.String("model", "m-1"), slog.Int("attempts", 2))
		c.String(http.StatusOK, "12345")
	}, middleware.RequestID(), middleware.AccessLog(log, nil), as("ada", "pro"))
	post(h, "X-Request-Id", "req-1", "Authorization", "Bearer secret")
	if len(logged.all) != 1 {
		t.Fatalf("%d lines: %v", len(logged.all), logged.all)
	}
	line := logged.all[0]
	if _, ok := line["duration_ms"].(float64); !ok {
		t.Errorf("duration_ms is %v", line["duration_ms"])
	}
	for key, want := range map[string]any{
		"level": "INFO", "msg": "request", "request_id": "req-1", "method": "POST", "route": "/llm", "status": 200.0,
		"bytes": 5.0,
		"user":  "ada", "tier": "pro", "model": "m-1", "attempts": 2.0, "reason": nil, "layer": nil, "error": nil,
	} {
		if line[key] != want {
			t.Errorf("%s is %v, want %v", key, line[key], want)
		}
	}
}

func TestAccessLogLevels(t *testing.T) {
	t.Parallel()
	for reason, tt := range map[outcome.Reason]struct {
		status int
		level  string
	}{
		outcome.InvalidJSON:       {400, "INFO"},
		outcome.ClientClosed:      {499, "INFO"},
		outcome.DeadlineExceeded:  {504, "WARN"},
		"vendor_error":            {502, "WARN"},
		"internal":                {500, "ERROR"},
		outcome.Overloaded:        {503, "DEBUG"},
		outcome.Shed:              {429, "DEBUG"},
		outcome.UserRateLimited:   {429, "DEBUG"},
		outcome.VendorUnavailable: {503, "DEBUG"},
	} {
		t.Run(string(reason), func(t *testing.T) {
			t.Parallel()
			log, logged := newLog(slog.LevelDebug)
			h := chain(func(c *gin.Context) {
				in := middleware.InfoFrom(c.Request.Context())
				in.User = "ada"
				in.Reason, in.Layer, in.Status, in.Err = string(reason), "somewhere", tt.status, context.Canceled
			}, middleware.RequestID(), middleware.AccessLog(log, nil))
			post(h)
			line := logged.all[0]
			if line["level"] != tt.level || line["status"] != float64(tt.status) || line["reason"] != string(reason) ||
				line["layer"] != "somewhere" || line["error"] != "context canceled" {
				t.Errorf("got %v", line)
			}
		})
	}
}

func TestAccessLogKeepsClientsWordsOut(t *testing.T) {
	t.Parallel()
	log, logged := newLog(slog.LevelDebug)
	send(chain(served, middleware.RequestID(), middleware.AccessLog(log, nil)), "BREW", "/teapot?key=secret")
	if line := logged.all[0]; line["method"] != "other" || line["route"] != "other" {
		t.Errorf("got %v", line)
	}
}

func TestMoreAttributesThanFitAreDropped(t *testing.T) {
	t.Parallel()
	log, logged := newLog(slog.LevelInfo)
	h := chain(func(c *gin.Context) {
		middleware.InfoFrom(c.Request.Context()).User = "ada"
		for range 100 {
			middleware.InfoFrom(c.Request.Context()).Add(slog.Int("a", 1), slog.Int("b", 2))
		}
	}, middleware.RequestID(), middleware.AccessLog(log, nil))
	if post(h); len(logged.all) != 1 {
		t.Errorf("%d lines", len(logged.all))
	}
}

// Without a known key a client cannot fill the log, whatever it asks for. Failures of the service are lines.
func TestRequestsWithoutAKeyAreNoLines(t *testing.T) {
	t.Parallel()
	for code, level := range map[int]string{200: "DEBUG", 401: "DEBUG", 404: "DEBUG", 405: "DEBUG", 408: "DEBUG",
		413: "DEBUG", 431: "DEBUG", 500: "ERROR", 502: "WARN"} {
		for _, user := range []string{"", "ada"} {
			log, logged := newLog(slog.LevelDebug)
			post(chain(func(c *gin.Context) {
				middleware.InfoFrom(c.Request.Context()).User = user
				c.Status(code)
			}, middleware.RequestID(), middleware.AccessLog(log, nil)))
			want := level
			if user != "" && code < 500 {
				want = "INFO"
			}
			if got := logged.all[0]["level"]; got != want {
				t.Errorf("user %q, status %d: level %v, want %s", user, code, got, want)
			}
		}
	}
}

func TestErrorsAreClippedInTheLog(t *testing.T) {
	t.Parallel()
	log, logged := newLog(slog.LevelInfo)
	post(chain(func(c *gin.Context) {
		in := middleware.InfoFrom(c.Request.Context())
		in.User, in.Err = "ada", errors.New(strings.Repeat("ä", 5000))
	}, middleware.RequestID(), middleware.AccessLog(log, nil)))
	if text, _ := logged.all[0]["error"].(string); text != strings.Repeat("ä", 250)+"…" {
		t.Errorf("%d bytes are logged", len(text))
	}
}

// TestRefusalsAreTold looks at requests that the log leaves out.
func TestRefusalsAreTold(t *testing.T) {
	t.Parallel()
	var told []middleware.Refusal
	log := slog.New(slog.DiscardHandler)
	watch := middleware.AccessLog(log, func(r middleware.Refusal) { told = append(told, r) })
	send(chain(served, middleware.RequestID(), watch), http.MethodPost, "/llm")
	if len(told) != 0 {
		t.Errorf("a request that succeeded was told: %+v", told)
	}
	send(chain(func(c *gin.Context) {
		in := middleware.InfoFrom(c.Request.Context())
		in.Layer, in.Reason, in.User = "shed", "shed", "ada"
		c.Status(http.StatusTooManyRequests)
	}, middleware.RequestID(), watch), http.MethodPost, "/llm")
	if len(told) != 1 || told[0].Layer != "shed" || told[0].Status != 429 || told[0].RequestID == "" ||
		told[0].At.IsZero() {
		t.Errorf("told %+v, want one shed request with its ID", told)
	}
}
