package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/spillway-dev/spillway/internal/config"
	"github.com/spillway-dev/spillway/internal/outcome"
)

// TestCutSaysWhy: a handler that is still running at the end of the grace period gets the reason from its context, and
// has time to answer its client.
func TestCutSaysWhy(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	entered, cause := make(chan struct{}), make(chan error, 1)
	var events []string
	s := &service{
		cfg: config.ServerConfig{Addr: "127.0.0.1:0", AdminAddr: "127.0.0.1:0", ReadTimeout: time.Minute,
			IdleTimeout: time.Minute, ShutdownGrace: 50 * time.Millisecond, MaxConnections: 10},
		log: slog.New(slog.DiscardHandler), reg: prometheus.NewRegistry(),
		handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			close(entered)
			<-r.Context().Done()
			cause <- context.Cause(r.Context())
			w.WriteHeader(http.StatusServiceUnavailable)
		}),
		admin:   http.NotFoundHandler(),
		started: func() { events = append(events, "started") },
		drain:   func() { events = append(events, "drain") },
	}
	answered := make(chan int, 1)
	s.greet = func() {
		url := "http://" + s.addr.String()
		go func() {
			code := 0
			if res, err := http.Get(url); err == nil {
				code = res.StatusCode
				res.Body.Close()
			}
			answered <- code
		}()
		go func() { <-entered; stop() }()
	}
	if err := s.serve(ctx); err != nil && !errors.Is(err, http.ErrServerClosed) {
		t.Error(err)
	}
	if r, ok := errors.AsType[*outcome.Rejected](<-cause); !ok || r.Reason != outcome.ShuttingDown {
		t.Errorf("the handler was told %v", r)
	}
	if code := <-answered; code != http.StatusServiceUnavailable {
		t.Errorf("the client got %d", code)
	}
	if len(events) != 2 || events[0] != "started" || events[1] != "drain" {
		t.Errorf("events %q", events)
	}
}
