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

// The doubt about Redis grows by perFailure with every failed command and shrinks by perAnswer with every answer. At
// tooMuch Redis counts as away: after three failures in a row, or when every second command fails for a while. Rare
// failures are not enough.
const (
	perFailure = 2
	perAnswer  = 1
	tooMuch    = 3 * perFailure
	atFirst    = perAnswer // the doubt until Redis has answered once
)

// probeEvery is the mean time between two probes of a Redis that is away.
const probeEvery = 200 * time.Millisecond

// guard decides whether commands are sent to Redis or skipped. Skipping costs a request one atomic load.
type guard struct {
	budget  time.Duration
	probe   func(context.Context) error
	log     *slog.Logger
	metrics *metrics

	away  atomic.Bool
	doubt atomic.Int32
	wake  chan error // the error that made Redis count as away
	stop  context.CancelFunc
	done  sync.WaitGroup

	refusals   *refusals // of commands of requests
	full       *refusals // for lack of memory
	background *refusals // of commands of jobs

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
		what: "redis refuses a command: this pod decides without it"}
	g.background = &refusals{log: log, counter: g.metrics.refused,
		what: "redis refuses a command that jobs need: jobs stop until this is repaired"}
	g.full = &refusals{log: log, counter: g.metrics.full,
		what: "redis is full: no new jobs are accepted; limits are still shared, and accepted jobs go on"}
	ctx, stop := context.WithCancel(context.Background())
	g.stop = stop
	g.done.Go(func() { g.run(ctx) })
	return g, nil
}

// inDoubt reports whether a command failed lately.
func (g *guard) inDoubt() bool { return g.doubt.Load() > 0 }

// judge counts how a command ended. A failed round trip counts once, however many commands shared it.
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

// fullFor is how long Redis counts as full after its last refusal for lack of memory.
const fullFor = 10 * time.Second

func (g *guard) noteFull(err error) { g.full.note(err) }

// trouble returns what is wrong with Redis for this pod; "" when nothing is.
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

// run calls the listeners at every change, and probes while Redis is away.
func (g *guard) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case err := <-g.wake:
			g.log.WarnContext(ctx, "redis is away: limits are kept by this pod alone until it is back",
				slog.Any("error", err))
		}
		g.notify(true)
		if !g.awaitReturn(ctx) {
			return
		}
		g.doubt.Store(atFirst)
		g.away.Store(false)
		g.log.InfoContext(ctx, "redis is back: limits are shared again")
		g.notify(false)
	}
}

// awaitReturn probes until a probe is answered. It reports false when ctx ends first. The pauses are random, so that a
// recovering Redis does not get the probes of all pods at once.
func (g *guard) awaitReturn(ctx context.Context) bool {
	since := time.Now()
	for logged := since; ; {
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
		if now := time.Now(); now.Sub(logged) >= remindEvery && ctx.Err() == nil {
			logged = now
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

func (g *guard) notify(away bool) {
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
