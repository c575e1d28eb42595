package breaker

import (
	"context"
	"errors"
	"log/slog"
	"sync"
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

// fail makes calls of b fail until the breaker has enough of it.
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

// Mistake 8: the breaker in the memory of one pod. What one pod sees, all pods know.
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

// While a probe is out, no other call in the cluster gets through, however many try.
func TestOneProbeInTheCluster(t *testing.T) {
	t.Parallel()
	url := redistest.Start(t).URL()
	pods := []*Breaker{newPodBreaker(t, quickBreaker(), redisx.Config{URL: url}),
		newPodBreaker(t, quickBreaker(), redisx.Config{URL: url})}
	fail(t, pods[0])
	awaitState(t, HalfOpen, pods...)
	for range quickBreaker().Successes {
		admitted := make(chan func(llm.Result), 200)
		await.True(t, "a probe", func() bool { // pods that have just been refused do not ask again at once
			var crowd sync.WaitGroup
			for i := range cap(admitted) {
				crowd.Go(func() {
					if leave, ok := enter(t, pods[i%len(pods)]); ok {
						admitted <- leave
					}
				})
			}
			crowd.Wait()
			return len(admitted) > 0
		})
		if n := len(admitted); n != 1 {
			t.Fatalf("%d probes at the same time, want 1", n)
		}
		(<-admitted)(success)
	}
	awaitState(t, Closed, pods...)
}

// A pod that dies with the probe in its hands must not keep the breaker half-open without end.
func TestProbeOfADeadPod(t *testing.T) {
	t.Parallel()
	url := redistest.Start(t).URL()
	cfg := quickBreaker()
	cfg.Lease = 300 * time.Millisecond
	dying, other := newPodBreaker(t, cfg, redisx.Config{URL: url}), newPodBreaker(t, cfg, redisx.Config{URL: url})
	fail(t, dying)
	leave := awaitProbe(t, dying)
	ok(t, dying.Close()) // dead: it neither renews its lease nor gives it back
	leave(failure)
	for range cfg.Successes {
		awaitProbe(t, other)(success)
	}
	awaitState(t, Closed, other)
}

// A probe may run for longer than the lease, as a stream does: its pod lives, so no other pod gets it.
func TestLongProbeKeepsItsLease(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	cfg := quickBreaker()
	cfg.Lease = 3 * time.Second
	a, b := newPodBreaker(t, cfg, redisx.Config{URL: server.URL()}),
		newPodBreaker(t, cfg, redisx.Config{URL: server.URL()})
	fail(t, a)
	leave := awaitProbe(t, a)
	expiry, err := server.Client().HGet(t.Context(), a.sync.key, "lease").Int64()
	ok(t, err)
	await.True(t, "the first lease is over", func() bool {
		now, err := server.Client().Time(t.Context()).Result()
		ok(t, err)
		return now.UnixMilli() > expiry
	})
	if v, taken := b.sync.step(t.Context(), request{op: opProbe}); v.lease != 0 || !taken {
		t.Fatal("a second probe beside a living one")
	}
	leave(failure) // and the verdict still counts
	gen := b.snapshot.Load().gen
	await.True(t, "open again", func() bool { return b.snapshot.Load().gen > gen })
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

// A pod that was refused does not ask again at once, but does when its own probe has ended.
func TestAsksAgainAfterItsProbe(t *testing.T) {
	t.Parallel()
	b := newPodBreaker(t, quickBreaker(), redisx.Config{URL: redistest.Start(t).URL()})
	fail(t, b)
	awaitState(t, HalfOpen, b)
	leave := awaitProbe(t, b)
	if passes(t, b, success) || b.nextAt.Load() == 0 {
		t.Fatal("not refused")
	}
	leave(llm.Result{})
	await.True(t, "free to ask", func() bool { return b.nextAt.Load() == 0 })
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

// A probe that is a stream has its verdict at its first event: recovery does not wait for the end of one long answer.
func TestAProbesVerdictIsKnownAtItsFirstEvent(t *testing.T) {
	t.Parallel()
	b := newPodBreaker(t, quickBreaker(), redisx.Config{URL: redistest.Start(t).URL()})
	fail(t, b)
	var streams []func(llm.Result)
	for range b.cfg.Successes {
		awaitState(t, HalfOpen, b)
		call := newCall()
		var leave func(llm.Result)
		await.True(t, "a probe", func() (admitted bool) {
			var err error
			leave, err = b.Enter(t.Context(), call)
			return err == nil
		})
		call.Committed()
		streams = append(streams, leave)
	}
	awaitState(t, Closed, b)
	for _, leave := range streams {
		leave(success)
	}
}

// One user's failures say nothing about the vendor while others are served; without others they do.
func TestOneUserOpensNothingForTheOthers(t *testing.T) {
	t.Parallel()
	b := newPodBreaker(t, slowBreaker(), redisx.Config{URL: redistest.Start(t).URL()})
	ended := func(user string, out llm.Result) {
		t.Helper()
		leave, admitted := enter(t, b)
		if !admitted {
			t.Fatal("turned away")
		}
		out.User = user
		leave(out)
	}
	ended("bob", success)
	for range 30 {
		ended("alice", failure)
	}
	b.sync.report(t.Context())
	if b.State() != Closed {
		t.Fatal("one user opened it for all")
	}
	for i := range b.cfg.Failures + 5 {
		leave, admitted := enter(t, b)
		if !admitted {
			break
		}
		out := failure
		out.User = []string{"bob", "alice"}[i%2]
		leave(out)
	}
	awaitState(t, Open, b)
}

// Failures of one user that come all at once make no row, even when another user has failed too. A vendor that fails
// several users does.
func TestABurstOfOneUsersFailuresIsNoRow(t *testing.T) {
	t.Parallel()
	b := newPodBreaker(t, slowBreaker(), redisx.Config{URL: redistest.Start(t).URL()})
	enters := func(n int) (leaves []func(llm.Result)) {
		t.Helper()
		for range n {
			leave, admitted := enter(t, b)
			if !admitted {
				t.Fatal("turned away")
			}
			leaves = append(leaves, leave)
		}
		return leaves
	}
	ended := func(leave func(llm.Result), user string, out llm.Result) {
		out.User = user
		leave(out)
	}
	for _, leave := range enters(100) {
		ended(leave, "bob", success)
	}
	ended(enters(1)[0], "eve", failure)
	for _, leave := range enters(90) {
		ended(leave, "alice", failure)
	}
	b.sync.report(t.Context())
	if b.State() != Closed {
		t.Fatal("the streams of one user opened it for all")
	}
	for i, leave := range enters(20) {
		ended(leave, []string{"alice", "bob", "eve"}[i%3], failure)
	}
	b.sync.report(t.Context())
	awaitState(t, Open, b)
}

func BenchmarkBreaker(b *testing.B) {
	closed := newPodBreaker(b, slowBreaker(), redisx.Config{URL: redistest.Start(b).URL()})
	open := newPodBreaker(b, slowBreaker(), redisx.Config{URL: redistest.Start(b).URL()})
	fail(b, open)
	awaitState(b, Open, open)
	call := newCall()
	b.Run("closed", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			leave, _ := closed.Enter(b.Context(), call)
			leave(success)
		}
	})
	b.Run("closed parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				leave, _ := closed.Enter(b.Context(), call)
				leave(success)
			}
		})
	})
	b.Run("open", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = open.Enter(b.Context(), call)
		}
	})
}

// How long another pod takes to learn of a transition. A figure to look at, never asserted.
func BenchmarkAgreement(b *testing.B) {
	url := redistest.Start(b).URL()
	cfg := slowBreaker()
	one, other := newPodBreaker(b, cfg, redisx.Config{URL: url}), newPodBreaker(b, cfg, redisx.Config{URL: url})
	var worst time.Duration
	rdb := one.sync.rdb.Redis()
	for b.Loop() {
		b.StopTimer()
		ok(b, rdb.Del(b.Context(), one.sync.key).Err())
		for _, p := range []*Breaker{one, other} {
			p.sync.mu.Lock()
			p.snapshot.Store(p.newSnapshot(reply{}, time.Now(), true))
			p.sync.mu.Unlock()
		}
		b.StartTimer()
		start := time.Now()
		fail(b, one)
		await.True(b, "both know", func() bool { return one.State() == Open && other.State() == Open })
		worst = max(worst, time.Since(start))
	}
	b.ReportMetric(worst.Seconds()*1e3, "worst-ms")
}
