package breaker

import (
	"sync"
	"testing"
	"time"

	"github.com/spillway-dev/spillway/internal/await"
	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/redistest"
	"github.com/spillway-dev/spillway/internal/redisx"
)

// While a probe is under way, no other call in the cluster passes, however many try.
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

// When a pod dies during its probe, another pod gets the lease.
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
