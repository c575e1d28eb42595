package redisx

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
)

// Doubt grows with every failure and shrinks, slower, with every answer. Three failures in a row are enough, and so is a
// Redis of which every second command fails; a lost one now and then is not.
const (
	perFailure = 2
	perAnswer  = 1
	tooMuch    = 3 * perFailure
	atFirst    = perAnswer // until Redis has answered once
)

// probeEvery is the mean pause between two looks at a Redis that is away.
const probeEvery = 200 * time.Millisecond

// remindEvery is the pause between two log lines about a Redis that stays away, or about commands that it refuses. What is the
// matter may change meanwhile, a refused connection into a wrong password, and whoever repairs it wants to read the latest.
const remindEvery = time.Minute

// guard decides whether Redis is worth asking. While it is away a request pays one atomic load for it.
type guard struct {
	budget  time.Duration
	probe   func(context.Context) error
	log     *slog.Logger
	metrics *metrics

	away  atomic.Bool
	doubt atomic.Int32
	wake  chan error // what made Redis count as away
	stop  context.CancelFunc
	done  sync.WaitGroup

	reminded atomic.Int64 // when a refused command was last said, in Unix nanoseconds

	mu        sync.Mutex
	listeners []func(away bool)
}

func newGuard(budget time.Duration, probe func(context.Context) error, log *slog.Logger, reg prometheus.Registerer) (*guard, error) {
	g := &guard{budget: budget, probe: probe, log: log, wake: make(chan error, 1)}
	g.doubt.Store(atFirst)
	var err error
	if g.metrics, err = newMetrics(reg, g.away.Load); err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	g.stop = stop
	g.done.Go(func() { g.run(ctx) })
	return g, nil
}

// inDoubt tells whether a command failed lately.
func (g *guard) inDoubt() bool { return g.doubt.Load() > 0 }

// judge counts how a command ended. A round trip that failed counts once, however many commands shared it.
func (g *guard) judge(err error) {
	if !isTrouble(err) {
		if d := g.doubt.Load(); d > 0 {
			g.doubt.CompareAndSwap(d, d-perAnswer)
		}
		if err == nil || errors.Is(err, redis.Nil) {
			g.metrics.ok.Inc()
		} else {
			g.refused(err)
		}
		return
	}
	g.metrics.failed.Inc()
	if _, heard := errors.AsType[*companionError](err); heard {
		return
	}
	if g.doubt.Add(perFailure) >= tooMuch && g.away.CompareAndSwap(false, true) {
		g.wake <- err // buffered, and sent once for each time away turns true
	}
}

// refused counts a command that a Redis in good health does not do for this pod, and says so once a minute: whoever asked now goes
// by this pod's count, and nobody would know that a limit is not shared.
func (g *guard) refused(err error) {
	g.metrics.refused.Inc()
	last, now := g.reminded.Load(), time.Now()
	if now.Sub(time.Unix(0, last)) >= remindEvery && g.reminded.CompareAndSwap(last, now.UnixNano()) {
		g.log.Warn("redis refuses a command: this pod decides alone what it was for", slog.Any("error", err))
	}
}

// run announces every change, and probes while Redis is away.
func (g *guard) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case err := <-g.wake:
			g.log.WarnContext(ctx, "redis is away: limits are kept by this pod alone until it is back", slog.Any("error", err))
		}
		g.announce(true)
		if !g.awaitReturn(ctx) {
			return
		}
		g.doubt.Store(atFirst)
		g.away.Store(false)
		g.log.InfoContext(ctx, "redis is back: limits are shared again")
		g.announce(false)
	}
}

// awaitReturn probes until one answers, and reports false when ctx ends first. The pauses are random, so that a
// recovering Redis is not met by all pods at once.
func (g *guard) awaitReturn(ctx context.Context) bool {
	since := time.Now()
	for reminded := since; ; {
		pause := time.NewTimer(probeEvery/2 + rand.N(probeEvery))
		select {
		case <-ctx.Done():
			pause.Stop()
			return false
		case <-pause.C:
		}
		probe, cancel := context.WithTimeoutCause(ctx, 2*dialTimeout(g.budget), errBudget)
		err := g.probe(probe)
		cancel()
		if err == nil {
			return true
		}
		if now := time.Now(); now.Sub(reminded) >= remindEvery && ctx.Err() == nil {
			reminded = now
			g.log.WarnContext(ctx, "redis is still away", slog.Int64("for_ms", now.Sub(since).Milliseconds()), slog.Any("error", err))
		}
	}
}

func (g *guard) onChange(f func(bool)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.listeners = append(g.listeners, f)
}

func (g *guard) announce(away bool) {
	g.mu.Lock()
	listeners := slices.Clone(g.listeners)
	g.mu.Unlock()
	for _, f := range listeners {
		f(away)
	}
}

func (g *guard) close() {
	g.stop()
	g.done.Wait()
}
