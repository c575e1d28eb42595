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

// Doubt grows with every failure and shrinks, slower, with every answer. Three failures in a row are enough, and so is
// a Redis of which every second command fails; a lost one now and then is not.
const (
	perFailure = 2
	perAnswer  = 1
	tooMuch    = 3 * perFailure
	atFirst    = perAnswer // until Redis has answered once
)

// probeEvery is the mean pause between two looks at a Redis that is away.
const probeEvery = 200 * time.Millisecond

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

	refusals   *refusals // of what requests asked for
	full       *refusals // for want of memory
	background *refusals // of what jobs asked for

	mu        sync.Mutex
	listeners []func(away bool)
}

func newGuard(budget time.Duration, probe func(context.Context) error, log *slog.Logger,
	reg prometheus.Registerer) (*guard, error) {
	g := &guard{budget: budget, probe: probe, log: log, wake: make(chan error, 1)}
	g.doubt.Store(atFirst)
	var err error
	if g.metrics, err = newMetrics(reg, g.away.Load, func() bool { return g.full.recent(fullFor) != "" }); err != nil {
		return nil, err
	}
	g.refusals = &refusals{log: log, counter: g.metrics.refused,
		what: "redis refuses a command: this pod decides alone what it was for"}
	g.background = &refusals{log: log, counter: g.metrics.refused,
		what: "redis refuses a command that jobs need: they stand still until that is mended"}
	g.full = &refusals{log: log, counter: g.metrics.full,
		what: "redis is full: no jobs are taken; limits are still shared, and jobs under way go on"}
	ctx, stop := context.WithCancel(context.Background())
	g.stop = stop
	g.done.Go(func() { g.run(ctx) })
	return g, nil
}

// inDoubt reports whether a command failed lately.
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
			g.refusals.note(err)
		}
		return
	}
	g.metrics.failed.Inc()
	if _, counted := errors.AsType[*companionError](err); counted {
		return
	}
	if g.doubt.Add(perFailure) >= tooMuch && g.away.CompareAndSwap(false, true) {
		g.wake <- err // buffered, and sent once for each time away turns true
	}
}

// fullFor is how long after the last refusal for want of memory Redis counts as full.
const fullFor = 10 * time.Second

func (g *guard) noteFull(err error) { g.full.note(err) }

// trouble says what is wrong with Redis as this pod sees it; "" when nothing is.
func (g *guard) trouble() string {
	if g.away.Load() {
		return "away"
	}
	if reason := g.full.recent(remindEvery); reason != "" {
		return "full: " + reason
	}
	for _, r := range []*refusals{g.refusals, g.background} {
		if reason := r.recent(remindEvery); reason != "" {
			return "refuses commands: " + reason
		}
	}
	return ""
}

// run announces every change, and probes while Redis is away.
func (g *guard) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case err := <-g.wake:
			g.log.WarnContext(ctx, "redis is away: limits are kept by this pod alone until it is back",
				slog.Any("error", err))
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

// awaitReturn probes until a probe is answered, and reports false when ctx ends first. The pauses are random, so that a
// recovering Redis does not get the probes of all pods at once.
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
			g.log.WarnContext(ctx, "redis is still away", slog.Int64("for_ms", now.Sub(since).Milliseconds()),
				slog.Any("error", err))
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
