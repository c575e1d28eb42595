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
	cutTime     = time.Second      // for handlers to tell their clients that the request was cut
	reportCheck = 5 * time.Second  // time between two looks at what is left while the pod drains
	reportEvery = 30 * time.Second // time between two log lines when nothing has changed
)

// shutDown takes the pod out of service. First the pod becomes unready and goes on serving until every balancer has
// noticed. Then it stops accepting and finishes what is in flight, streams too. It cuts what is left when the grace
// period ends.
func (s *service) shutDown(ctx context.Context, main *http.Server, leaving *atomic.Bool,
	cut context.CancelCauseFunc) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.ShutdownGrace)
	defer cancel()
	s.drain()
	leaving.Store(true)
	s.log.LogAttrs(ctx, slog.LevelInfo, "draining",
		append(s.remaining(), slog.String("delay", s.cfg.DrainDelay.String()),
			slog.String("grace", s.cfg.ShutdownGrace.String()))...)
	reporting, stopReports := context.WithCancel(ctx)
	var reports sync.WaitGroup
	reports.Go(func() { s.reportRemaining(reporting) })
	defer func() { stopReports(); reports.Wait() }()
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
	s.log.LogAttrs(ctx, slog.LevelWarn, "the grace period is over: cutting what is left", s.remaining()...)
	cut(&outcome.Rejected{Layer: "server", Reason: outcome.ShuttingDown, RetryAfter: time.Second})
	last, cancelLast := context.WithTimeout(context.WithoutCancel(ctx), cutTime)
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

// remaining is what the pod still serves: requests, how many of them are streams, and the age of the oldest stream.
func (s *service) remaining() []slog.Attr {
	open, oldest := s.streams.Look()
	attrs := []slog.Attr{slog.Int64("requests", s.inside.Load()), slog.Int("streams", open)}
	if open > 0 {
		attrs = append(attrs, slog.String("oldest_stream", oldest.Round(time.Second).String()))
	}
	return attrs
}

// reportRemaining logs until ctx ends what the draining pod still waits for, and when the grace period ends. It logs
// within reportCheck when something has changed, else every reportEvery.
func (s *service) reportRemaining(ctx context.Context) {
	end, _ := ctx.Deadline()
	look := time.NewTicker(reportCheck)
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
		if inside == 0 || inside == requests && streams == open && time.Since(last) < reportEvery {
			continue
		}
		requests, open, last = inside, streams, time.Now()
		s.log.LogAttrs(ctx, slog.LevelInfo, "still draining",
			append(s.remaining(), slog.String("cut_in", time.Until(end).Round(time.Second).String()))...)
	}
}
