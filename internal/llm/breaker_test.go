package llm

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/spillway-dev/spillway/internal/outcome"
	"github.com/spillway-dev/spillway/internal/redistest"
	"github.com/spillway-dev/spillway/internal/redisx"
)

// newPodBreaker is the breaker of one pod.
func newPodBreaker(t testing.TB, url string, cfg BreakerConfig) *Breaker {
	t.Helper()
	rdb, err := redisx.New(redisx.Config{URL: url, Budget: time.Second, Pool: 8}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	ok(t, err)
	b, err := NewBreaker(cfg, rdb, "vendor", slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	ok(t, err)
	t.Cleanup(func() { _ = b.Close(); _ = rdb.Close() })
	return b
}

// quickBreaker goes through its states fast enough for a test to wait.
func quickBreaker() BreakerConfig {
	return BreakerConfig{Failures: 3, Window: time.Minute, Open: 100 * time.Millisecond, Successes: 2, Lease: 300 * time.Millisecond}
}

func passes(t testing.TB, b *Breaker, out Outcome) bool {
	t.Helper()
	leave, err := b.Enter(t.Context(), newCall())
	if err != nil {
		r, isRejected := errors.AsType[*outcome.Rejected](err)
		if !isRejected || r.Reason != outcome.VendorUnavailable || r.RetryAfter <= 0 {
			t.Errorf("rejected with %v", err)
		}
		return false
	}
	leave(out)
	return true
}

// await waits for a state that Redis, and not this test, brings about.
func await(t testing.TB, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

var (
	failure = Outcome{Called: true, Err: &VendorError{Kind: KindStatus, Status: 503}}
	success = Outcome{Called: true}
)

// Mistake 8: the breaker in the memory of one pod. What one pod sees, all pods know.
func TestMistake08BreakerInMemory(t *testing.T) {
	t.Parallel()
	url := redistest.Start(t).URL()
	cfg := quickBreaker()
	cfg.Open = time.Hour
	a, b := newPodBreaker(t, url, cfg), newPodBreaker(t, url, cfg)
	for range cfg.Failures {
		passes(t, a, failure)
	}
	await(t, "the pod that saw the failures opens", func() bool { return a.State() == Open })
	await(t, "the other pod opens too", func() bool { return b.State() == Open })
	if passes(t, b, success) {
		t.Error("the other pod let a call through")
	}
}

// The whole story over two pods: open, half-open with one probe at a time, closed.
func TestBreakerStoryOverTwoPods(t *testing.T) {
	t.Parallel()
	url := redistest.Start(t).URL()
	cfg := quickBreaker()
	pods := []*Breaker{newPodBreaker(t, url, cfg), newPodBreaker(t, url, cfg)}
	for _, p := range pods { // failures add up over the pods: none has seen enough alone
		passes(t, p, failure)
		passes(t, p, failure)
	}
	await(t, "both open", func() bool { return pods[0].State() != Closed && pods[1].State() != Closed })

	// Its time over, calls come at once from everywhere; while a probe is out no second one passes.
	var probes, most atomic.Int32
	for pods[0].State() != Closed || pods[1].State() != Closed {
		var wg sync.WaitGroup
		for i := range 100 {
			wg.Go(func() {
				p := pods[i%2]
				leave, err := p.Enter(t.Context(), newCall())
				if err != nil {
					return
				}
				defer leave(success)
				if p.State() == Closed {
					return
				}
				if n := probes.Add(1); n > most.Load() {
					most.Store(n)
				}
				time.Sleep(time.Millisecond) // so that probes at the same time would meet
				if p.State() != Closed {
					probes.Add(-1)
				}
			})
		}
		wg.Wait()
		probes.Store(0)
	}
	if n := most.Load(); n != 1 {
		t.Errorf("%d probes at the same time, want 1", n)
	}
	if !passes(t, pods[0], success) || !passes(t, pods[1], success) {
		t.Error("closed, but a call was turned away")
	}
}

// A pod that dies with the probe in its hands must not keep the breaker half-open for ever.
func TestBreakerProbeOfADeadPod(t *testing.T) {
	t.Parallel()
	url := redistest.Start(t).URL()
	cfg := quickBreaker()
	dying, other := newPodBreaker(t, url, cfg), newPodBreaker(t, url, cfg)
	for range cfg.Failures {
		passes(t, dying, failure)
	}
	await(t, "the dying pod has the probe", func() bool {
		_, err := dying.Enter(t.Context(), newCall())
		return err == nil && dying.State() != Closed
	})
	await(t, "the other pod closes the breaker", func() bool {
		passes(t, other, success)
		return other.State() == Closed
	})
}

func TestWhatTheBreakerCounts(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		out  Outcome
		want verdict
	}{
		"answer":          {success, won},
		"5xx":             {failure, lost},
		"529":             {Outcome{Called: true, Err: &VendorError{Kind: KindStatus, Status: 529}}, lost},
		"no connection":   {Outcome{Called: true, Err: &VendorError{Kind: KindConnection}}, lost},
		"vendor timeout":  {Outcome{Called: true, Err: &VendorError{Kind: KindTimeout}}, lost},
		"429":             {Outcome{Called: true, Err: &VendorError{Kind: KindRateLimit, Status: 429}}, won},
		"our credentials": {Outcome{Called: true, Err: &VendorError{Kind: KindAuth, Status: 401}}, won},
		"not called":      {Outcome{}, freed},
		"client left":     {Outcome{Called: true, ClientGone: true, Err: context.Canceled}, freed},
		"our own SLA":     {Outcome{Called: true, Err: context.DeadlineExceeded}, freed},
	} {
		if got := judge(tt.out); got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
}

// Without Redis each pod works from its own counts, and takes the shared state again when Redis is back.
func TestBreakerWithoutRedis(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	cfg := quickBreaker()
	cfg.Open = time.Hour
	b := newPodBreaker(t, server.URL(), cfg)
	server.Kill()
	await(t, "Redis is given up", b.sync.rdb.Away)
	for range cfg.Failures {
		passes(t, b, failure)
	}
	await(t, "the pod opens by its own counts", func() bool { return b.State() == Open })

	server.Restart() // empty: it knows nothing of an outage
	await(t, "Redis is found again", func() bool { return !b.sync.rdb.Away() })
	b.sync.report(t.Context())
	if b.State() != Open {
		t.Error("a Redis that has lost its data closed a breaker that this pod knows to be open")
	}
}

// A lost message is made up for by the poll.
func TestBreakerPollCoversALostMessage(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	cfg := quickBreaker()
	cfg.Open = time.Hour
	b := newPodBreaker(t, server.URL(), cfg)
	// Another pod's report whose message goes astray: it is published where nobody listens.
	ok(t, b.sync.script.Run(t.Context(), server.Client(), []string{b.sync.key}, "report", 3, 3, "astray", cfg.Failures,
		cfg.Window.Milliseconds(), cfg.Open.Milliseconds(), cfg.Successes, cfg.Lease.Milliseconds()).Err())
	await(t, "the poll tells", func() bool { return b.State() == Open })
}

// A call that waited in a later gate while the breaker opened does not start.
func TestBreakerRecheck(t *testing.T) {
	t.Parallel()
	b := newPodBreaker(t, redistest.Start(t).URL(), quickBreaker())
	if err := b.Recheck(newCall()); err != nil {
		t.Errorf("closed: %v", err)
	}
	b.set(Open, 1, time.Now().Add(time.Hour))
	if err := b.Recheck(newCall()); err == nil {
		t.Error("open, and the call may start")
	}
}

// A call that began before the breaker opened says nothing about the time after it closed.
func TestBreakerForgetsCallsOfAnEarlierState(t *testing.T) {
	t.Parallel()
	b := newPodBreaker(t, redistest.Start(t).URL(), quickBreaker())
	leave, err := b.Enter(t.Context(), newCall())
	ok(t, err)
	b.set(Closed, 7, time.Time{})
	leave(failure)
	if n := b.sync.failures.Load(); n != 0 {
		t.Errorf("%d failures are to be reported", n)
	}
}

func BenchmarkBreaker(b *testing.B) {
	pod := newPodBreaker(b, redistest.Start(b).URL(), quickBreaker())
	call := newCall()
	b.Run("closed", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			leave, _ := pod.Enter(b.Context(), call)
			leave(success)
		}
	})
	b.Run("open", func(b *testing.B) {
		pod.set(Open, 1<<60, time.Now().Add(time.Hour))
		b.ReportAllocs()
		for b.Loop() {
			_, _ = pod.Enter(b.Context(), call)
		}
	})
}
