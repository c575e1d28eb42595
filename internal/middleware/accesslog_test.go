package middleware_test

import (
	"context"
	"log/slog"
	"net/http"
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
	}, middleware.RequestID(), middleware.AccessLog(log), as("ada", "pro"))
	post(h, "X-Request-Id", "req-1", "Authorization", "Bearer secret")
	if len(logged.all) != 1 {
		t.Fatalf("%d lines: %v", len(logged.all), logged.all)
	}
	line := logged.all[0]
	if _, ok := line["duration_ms"].(float64); !ok {
		t.Errorf("duration_ms is %v", line["duration_ms"])
	}
	for key, want := range map[string]any{
		"level": "INFO", "msg": "request", "request_id": "req-1", "method": "POST", "route": "/llm", "status": 200.0, "bytes": 5.0,
		"user": "ada", "tier": "pro", "model": "m-1", "attempts": 2.0, "reason": nil, "layer": nil, "error": nil,
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
				in.Reason, in.Layer, in.Status, in.Err = string(reason), "somewhere", tt.status, context.Canceled
			}, middleware.RequestID(), middleware.AccessLog(log))
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
	log, logged := newLog(slog.LevelInfo)
	send(chain(served, middleware.RequestID(), middleware.AccessLog(log)), "BREW", "/teapot?key=secret")
	if line := logged.all[0]; line["method"] != "other" || line["route"] != "other" {
		t.Errorf("got %v", line)
	}
}

func TestMoreAttributesThanFitAreDropped(t *testing.T) {
	t.Parallel()
	log, logged := newLog(slog.LevelInfo)
	h := chain(func(c *gin.Context) {
		for range 100 {
			middleware.InfoFrom(c.Request.Context()).Add(slog.Int("a", 1), slog.Int("b", 2))
		}
	}, middleware.RequestID(), middleware.AccessLog(log))
	if post(h); len(logged.all) != 1 {
		t.Errorf("%d lines", len(logged.all))
	}
}
