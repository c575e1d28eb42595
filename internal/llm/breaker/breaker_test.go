package breaker

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/spillway-dev/spillway/internal/await"
	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/outcome"
	"github.com/spillway-dev/spillway/internal/redistest"
	"github.com/spillway-dev/spillway/internal/redisx"
)

// newPodBreaker is the breaker of one pod, with a Redis client of its own.
func newPodBreaker(t testing.TB, cfg Config, redis redisx.Config) *Breaker {
	t.Helper()
	if redis.Budget == 0 {
		redis.Budget, redis.Pool = 10*time.Second, 8 // a busy machine is not a Redis that is away
	}
	log, reg := slog.New(slog.DiscardHandler), prometheus.NewRegistry()
	rdb, err := redisx.New(redis, log, reg)
	ok(t, err)
	b, err := New(cfg, rdb, "vendor", log, reg)
	ok(t, err)
	t.Cleanup(func() { ok(t, b.Close()); _ = rdb.Close() })
	return b
}

// quickBreaker is half-open soon after it has opened, and keeps a lease for longer than any test.
func quickBreaker() Config {
	return Config{Failures: 3, Window: time.Minute, Open: 100 * time.Millisecond, Successes: 2, Lease: time.Hour}
}

// slowBreaker stays open for longer than any test.
func slowBreaker() Config {
	cfg := quickBreaker()
	cfg.Open = time.Hour
	return cfg
}

// enter reports whether the call is admitted. A rejection must say what it is, and when to come again.
func enter(t testing.TB, b *Breaker) (leave func(llm.Result), admitted bool) {
	t.Helper()
	leave, err := b.Enter(t.Context(), newCall())
	if err == nil {
		return leave, true
	}
	r, isRejected := errors.AsType[*outcome.Rejected](err)
	if !isRejected || r.Layer != "breaker" || r.Reason != outcome.VendorUnavailable || r.RetryAfter < time.Second {
		t.Errorf("rejected with %+v", err)
	}
	return nil, false
}

func passes(t testing.TB, b *Breaker, out llm.Result) bool {
	t.Helper()
	leave, admitted := enter(t, b)
	if admitted {
		leave(out)
	}
	return admitted
}

// awaitState waits until every pod knows the state.
func awaitState(t testing.TB, want State, pods ...*Breaker) {
	t.Helper()
	for _, b := range pods {
		await.True(t, want.String(), func() bool { return b.State() == want })
	}
}

// fail makes calls of b fail until the breaker is not closed.
func fail(t testing.TB, b *Breaker) {
	t.Helper()
	for range b.cfg.Failures {
		passes(t, b, failure)
	}
}

// awaitProbe waits until a call of b is the probe, and not one that is let in because the breaker is closed.
func awaitProbe(t testing.TB, b *Breaker) (leave func(llm.Result)) {
	t.Helper()
	await.True(t, "a probe", func() (admitted bool) {
		leave, admitted = enter(t, b)
		if admitted && b.probing.Load() == nil {
			leave(llm.Result{})
			return false
		}
		return admitted
	})
	return leave
}

var (
	failure = llm.Result{Called: true, Err: &llm.VendorError{Kind: llm.KindStatus, Status: 503}}
	success = llm.Result{Called: true}
)

// Mistake 8: the breaker in the memory of one pod. Failures that one pod sees count in all pods.
func TestPodsShareOneBreaker(t *testing.T) {
	t.Parallel()
	url := redistest.Start(t).URL()
	a, b := newPodBreaker(t, slowBreaker(), redisx.Config{URL: url}),
		newPodBreaker(t, slowBreaker(), redisx.Config{URL: url})
	fail(t, a)
	awaitState(t, Open, a, b)
	if passes(t, b, success) {
		t.Error("the other pod let a call through")
	}
}

// The whole story over two pods, on each kind of Redis.
func TestStoryOverTwoPods(t *testing.T) {
	t.Parallel()
	for name, redis := range map[string]func(*testing.T) redisx.Config{
		"single":   func(t *testing.T) redisx.Config { return redisx.Config{URL: redistest.Start(t).URL()} },
		"embedded": func(t *testing.T) redisx.Config { return redisx.Config{URL: "redis://" + runMiniredis(t)} },
		"cluster": func(t *testing.T) redisx.Config {
			return redisx.Config{URL: redistest.StartCluster(t),
				Cluster: true}
		},
		"sentinel": func(t *testing.T) redisx.Config {
			url, _ := redistest.StartSentinel(t)
			return redisx.Config{URL: url, Master: "mymaster"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			redis := redis(t)
			a, b := newPodBreaker(t, quickBreaker(), redis), newPodBreaker(t, quickBreaker(), redis)

			// Failures add up over the pods: neither has seen enough alone.
			passes(t, a, failure)
			passes(t, a, failure)
			passes(t, b, failure)
			// Open, and soon half-open, for both: no pod has asked yet, so none has the probe.
			awaitState(t, HalfOpen, a, b)

			// The probe fails: open again, and later half-open, everywhere.
			leave := awaitProbe(t, a)
			gen := a.snapshot.Load().gen
			leave(failure)
			for _, p := range []*Breaker{a, b} {
				await.True(t, "a new half-open state",
					func() bool { c := p.snapshot.Load(); return c.state == HalfOpen && c.gen > gen })
			}

			// A probe whose client left says nothing, and is free for the other pod at once.
			awaitProbe(t, a)(llm.Result{Called: true, ClientGone: true, Err: context.Canceled})
			// Two probes succeed, one on each pod: closed, everywhere.
			awaitProbe(t, b)(success)
			awaitProbe(t, a)(success)
			awaitState(t, Closed, a, b)
			if !passes(t, a, success) || !passes(t, b, success) {
				t.Error("closed, but a call was turned away")
			}
		})
	}
}

func TestWhatTheBreakerCounts(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		out  llm.Result
		want verdict
	}{
		"answer":         {success, won},
		"5xx":            {failure, lost},
		"529":            {llm.Result{Called: true, Err: &llm.VendorError{Kind: llm.KindStatus, Status: 529}}, lost},
		"no connection":  {llm.Result{Called: true, Err: &llm.VendorError{Kind: llm.KindConnection}}, lost},
		"vendor timeout": {llm.Result{Called: true, Err: &llm.VendorError{Kind: llm.KindTimeout}}, lost},
		"429": {llm.Result{Called: true, Err: &llm.VendorError{Kind: llm.KindRateLimit, Status: 429}},
			won},
		"our credentials": {llm.Result{Called: true, Err: &llm.VendorError{Kind: llm.KindAuth, Status: 401}}, won},
		"not called":      {llm.Result{}, freed},
		"client left":     {llm.Result{Called: true, ClientGone: true, Err: context.Canceled}, freed},
		"our own SLA":     {llm.Result{Called: true, Err: context.DeadlineExceeded}, freed},
	} {
		if got := judge(tt.out); got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
}

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	err := Config{Successes: 1, Window: time.Second, Open: time.Second}.Validate()
	if want := "BREAKER_FAILURES is 0: use at least 1\nBREAKER_LEASE is 0s: use at least 10ms"; err == nil ||
		err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	ok(t, quickBreaker().Validate())
}

// A call that waited in a later gate while the breaker opened does not start; the probe does.
func TestRecheck(t *testing.T) {
	t.Parallel()
	b := newPodBreaker(t, quickBreaker(), redisx.Config{URL: redistest.Start(t).URL()})
	waiting, probe := newCall(), newCall()
	_, err := b.Enter(t.Context(), waiting)
	ok(t, err)
	ok(t, b.Recheck(waiting))
	fail(t, b)
	var leave func(llm.Result)
	awaitState(t, HalfOpen, b)
	await.True(t, "a probe", func() bool { leave, err = b.Enter(t.Context(), probe); return err == nil })
	ok(t, b.Recheck(probe))
	if b.Recheck(waiting) == nil {
		t.Error("a call from before the outage started beside the probe")
	}
	leave(failure)
	gen := b.snapshot.Load().gen
	await.True(t, "open again", func() bool { return b.snapshot.Load().gen > gen })
	if b.Recheck(waiting) == nil {
		t.Error("open, and the call may start")
	}
}

// A call that began before the breaker opened says nothing about the time after it closed.
func TestForgetsCallsOfAnEarlierState(t *testing.T) {
	t.Parallel()
	b := newPodBreaker(t, quickBreaker(), redisx.Config{URL: redistest.Start(t).URL()})
	var old []func(llm.Result)
	for range b.cfg.Failures {
		leave, _ := enter(t, b)
		old = append(old, leave)
	}
	fail(t, b)
	for range b.cfg.Successes {
		awaitState(t, HalfOpen, b)
		awaitProbe(t, b)(success)
	}
	awaitState(t, Closed, b)
	for _, leave := range old {
		leave(failure)
	}
	b.sync.report(t.Context())
	if n := b.snapshot.Load().pending.failures; b.State() != Closed || n != 0 {
		t.Errorf("%v, and %d failures counted that are from before the outage", b.State(), n)
	}
}
