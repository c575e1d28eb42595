package main

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spillway-dev/spillway/internal/outcome"
)

const (
	lastWords = time.Second      // for handlers to tell their clients that they were cut
	tellEvery = 5 * time.Second  // how often a pod that drains looks at what is left
	tellAgain = 30 * time.Second // and says it although nothing has changed
)

// shutDown takes the pod out of service. Readiness goes first; the pod serves on until every balancer has noticed, then
// stops accepting and finishes what is in flight, streams too. What is left when the grace period ends is cut.
func (s *service) shutDown(ctx context.Context, main *http.Server, leaving *atomic.Bool,
	cut context.CancelCauseFunc) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.ShutdownGrace)
	defer cancel()
	s.log.LogAttrs(ctx, slog.LevelInfo, "draining",
		append(s.rest(), slog.String("delay", s.cfg.DrainDelay.String()),
			slog.String("grace", s.cfg.ShutdownGrace.String()))...)
	s.drain()
	leaving.Store(true)
	telling, told := context.WithCancel(ctx)
	var teller sync.WaitGroup
	teller.Go(func() { s.tellRest(telling) })
	defer func() { told(); teller.Wait() }()
	delay := time.NewTimer(s.cfg.DrainDelay)
	defer delay.Stop()
	select {
	case <-delay.C:
	case <-ctx.Done():
	}
	if main.Shutdown(ctx) == nil {
		s.log.LogAttrs(ctx, slog.LevelInfo, "every request is finished")
		return nil
	}
	s.log.LogAttrs(ctx, slog.LevelWarn, "the grace period is over: cutting what is left", s.rest()...)
	cut(&outcome.Rejected{Layer: "server", Reason: outcome.ShuttingDown, RetryAfter: time.Second})
	last, cancelLast := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
	defer cancelLast()
	if main.Shutdown(last) == nil {
		return nil
	}
	return main.Close()
}

// count counts the requests that are inside.
func (s *service) count(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.inside.Add(1)
		defer s.inside.Add(-1)
		next.ServeHTTP(w, r)
	})
}

// rest is what the pod still has: requests, streams among them, and the age of the oldest stream.
func (s *service) rest() []slog.Attr {
	open, oldest := s.streams.Look()
	rest := []slog.Attr{slog.Int64("requests", s.inside.Load()), slog.Int("streams", open)}
	if open > 0 {
		rest = append(rest, slog.String("oldest_stream", oldest.Round(time.Second).String()))
	}
	return rest
}

// tellRest logs what a pod that drains still waits for, until ctx ends: soon when it has changed, now and then when
// not. It says too how long the grace period lasts, at whose end the rest is cut.
func (s *service) tellRest(ctx context.Context) {
	end, _ := ctx.Deadline()
	look := time.NewTicker(tellEvery)
	defer look.Stop()
	var requests int64
	var open int
	last := time.Now()
	for {
		select {
		case <-look.C:
		case <-ctx.Done():
			return
		}
		streams, _ := s.streams.Look()
		inside := s.inside.Load()
		if inside == 0 || inside == requests && streams == open && time.Since(last) < tellAgain {
			continue
		}
		requests, open, last = inside, streams, time.Now()
		s.log.LogAttrs(ctx, slog.LevelInfo, "still draining",
			append(s.rest(), slog.String("cut_in", time.Until(end).Round(time.Second).String()))...)
	}
}
