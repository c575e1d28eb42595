package redisx

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
)

// ErrAway is returned while Redis is being skipped.
var ErrAway = errors.New("redis is away")

const (
	maxFailures = 3                      // failures in a row after which Redis is skipped
	probeEvery  = 200 * time.Millisecond // between two looks at a Redis that is away
)

// guard decides whether Redis is worth asking. While it is away a request pays one atomic load for it.
type guard struct {
	budget  time.Duration
	probe   func(context.Context) error
	log     *slog.Logger
	ok      prometheus.Counter
	failed  prometheus.Counter
	skipped prometheus.Counter

	away     atomic.Bool
	failures atomic.Int32 // in a row
	wake     chan struct{}
	stop     context.CancelFunc
	done     sync.WaitGroup

	mu        sync.Mutex
	listeners []func(away bool)
}

func newGuard(budget time.Duration, probe func(context.Context) error, log *slog.Logger, reg prometheus.Registerer) (*guard, error) {
	commands := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "llm_redis_commands_total", Help: "Round trips to Redis by result: ok, failed, or skipped while it was away.",
	}, []string{"result"})
	g := &guard{
		budget: budget, probe: probe, log: log, wake: make(chan struct{}, 1),
		ok: commands.WithLabelValues("ok"), failed: commands.WithLabelValues("failed"), skipped: commands.WithLabelValues("skipped"),
	}
	up := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "llm_redis_up", Help: "1 while limits are shared through Redis, 0 while this pod works from its own counts.",
	}, func() float64 {
		if g.away.Load() {
			return 0
		}
		return 1
	})
	if err := errors.Join(reg.Register(commands), reg.Register(up)); err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	g.stop = stop
	g.done.Go(func() { g.run(ctx) })
	return g, nil
}

// judge counts how a command ended.
func (g *guard) judge(err error) {
	if !isTrouble(err) {
		g.ok.Inc()
		if g.failures.Load() != 0 {
			g.failures.Store(0)
		}
		return
	}
	g.failed.Inc()
	if g.failures.Add(1) == maxFailures && g.away.CompareAndSwap(false, true) {
		g.wake <- struct{}{} // buffered, and sent once for each time away turns true
	}
}

// run announces every change, and probes while Redis is away.
func (g *guard) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-g.wake:
		}
		g.log.WarnContext(ctx, "redis is away: limits are kept by this pod alone until it is back")
		g.announce(true)
		if !g.awaitReturn(ctx) {
			return
		}
		g.failures.Store(0)
		g.away.Store(false)
		g.log.InfoContext(ctx, "redis is back: limits are shared again")
		g.announce(false)
	}
}

// awaitReturn probes until one answers, and reports false when ctx ends first. The pauses are random, so that a
// recovering Redis is not met by all pods at once.
func (g *guard) awaitReturn(ctx context.Context) bool {
	for {
		pause := time.NewTimer(probeEvery/2 + rand.N(probeEvery))
		select {
		case <-ctx.Done():
			pause.Stop()
			return false
		case <-pause.C:
		}
		probe, cancel := context.WithTimeout(ctx, max(g.budget, minDial)*2)
		err := g.probe(probe)
		cancel()
		if err == nil {
			return true
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

// unfit are the replies of a Redis that answers but cannot serve.
var unfit = []string{"LOADING", "READONLY", "CLUSTERDOWN", "MASTERDOWN", "TRYAGAIN", "NOREPLICAS", "MISCONF", "OOM", "BUSY"}

// isTrouble tells whether err speaks against Redis: no answer in time, no connection, or a reply that says it cannot
// serve. Other replies, nil among them, are answers.
func isTrouble(err error) bool {
	if err == nil || errors.Is(err, redis.Nil) {
		return false
	}
	if reply, ok := errors.AsType[redis.Error](err); ok {
		text := reply.Error()
		return slices.ContainsFunc(unfit, func(prefix string) bool { return strings.HasPrefix(text, prefix) })
	}
	return true
}
