package breaker

import (
	"context"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/spillway-dev/spillway/internal/await"
	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/redistest"
	"github.com/spillway-dev/spillway/internal/redisx"
)

func runMiniredis(t testing.TB) (addr string) { return miniredis.RunT(t).Addr() }

// Without Redis each pod decides by its own counts, through the whole story, and shares the state again when Redis is
// back.
func TestWithoutRedis(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(*redistest.Server) (back func()){
		"gone":  func(s *redistest.Server) func() { s.Kill(); return s.Restart },
		"hangs": func(s *redistest.Server) func() { s.Stop(); return s.Cont },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			where := redisx.Config{URL: server.URL(), Budget: 500 * time.Millisecond, Pool: 8}
			a, b := newPodBreaker(t, quickBreaker(), where), newPodBreaker(t, quickBreaker(), where)
			back := lose(server)

			// The failures that were to be reported are not lost: they open the breaker of this pod alone.
			fail(t, a)
			awaitState(t, HalfOpen, a)
			if b.State() != Closed {
				t.Error("the other pod has seen no failure, but is not closed")
			}
			// One probe at a time, in this pod; it fails, then two succeed.
			awaitProbe(t, a)(failure)
			leave := awaitProbe(t, a)
			if _, second := enter(t, a); second {
				t.Error("a second probe in one pod")
			}
			leave(success)
			awaitProbe(t, a)(success)
			awaitState(t, Closed, a)

			// Back: failures add up over the pods again.
			back()
			await.True(t, "both share again", func() bool { return !a.isAlone() && !b.isAlone() })
			passes(t, a, failure)
			passes(t, a, failure)
			passes(t, b, failure)
			await.True(t, "both have opened", func() bool { return a.State() != Closed && b.State() != Closed })
		})
	}
}

func (b *Breaker) isAlone() bool {
	b.sync.mu.Lock()
	defer b.sync.mu.Unlock()
	return b.sync.localMode || b.sync.rdb.Away()
}

// An empty Redis does not end the open state that a pod has found by its own counts.
func TestKeepsItsOwnOpenStateBesideAnEmptyRedis(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	b := newPodBreaker(t, slowBreaker(), redisx.Config{URL: server.URL()})
	server.Kill()
	fail(t, b)
	awaitState(t, Open, b)
	server.Restart()
	await.True(t, "shared again", func() bool { return !b.isAlone() })
	b.sync.report(t.Context())
	if b.State() != Open {
		t.Error("closed by a Redis that knows nothing")
	}
	if n, err := server.Client().Exists(t.Context(), b.sync.key).Result(); n != 0 || err != nil {
		t.Errorf("what one pod saw was applied to all (%v)", err)
	}
}

// When Redis comes back empty, the pods that know the open state from it report it, so that new pods know it too.
func TestOpenStateSurvivesARedisThatLosesItsData(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	old := newPodBreaker(t, slowBreaker(), redisx.Config{URL: server.URL()})
	fail(t, old)
	awaitState(t, Open, old)
	gen := old.snapshot.Load().gen
	ok(t, server.Client().FlushAll(t.Context()).Err())

	fresh := newPodBreaker(t, slowBreaker(), redisx.Config{URL: server.URL()})
	awaitState(t, Open, fresh)
	if got := fresh.snapshot.Load(); got.gen != gen || time.Until(got.until) > time.Until(old.snapshot.Load().until)+
		time.Second {
		t.Errorf("another open state: generation %d for %v, want %d", got.gen, time.Until(got.until), gen)
	}
	if old.State() != Open {
		t.Error("the old pod forgot the open state")
	}
}

// A failover may lose the last writes, and a new master's clock may be behind: generations go back. The pods must
// follow, or they would reject every call until the next change, which needs calls.
func TestFollowsARedisThatWentBack(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	b := newPodBreaker(t, slowBreaker(), redisx.Config{URL: server.URL()})
	fail(t, b)
	awaitState(t, Open, b)
	_, err := server.Client().TxPipelined(t.Context(), func(p redis.Pipeliner) error {
		p.Del(t.Context(), b.sync.key)
		p.HSet(t.Context(), b.sync.key, "state", int(Closed), "gen", 5)
		return nil
	})
	ok(t, err)
	awaitState(t, Closed, b)
	await.True(t, "calls count in the earlier generation", func() bool { fail(t, b); return b.State() == Open })
}

// One slow answer does not begin local mode: a pod that cannot ask for the probe's lease does not probe.
func TestHiccupIsNoProbe(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	where := redisx.Config{URL: server.URL(), Budget: time.Second, Pool: 8}
	a, b := newPodBreaker(t, quickBreaker(), where), newPodBreaker(t, quickBreaker(), where)
	fail(t, a)
	awaitProbe(t, a)
	awaitState(t, HalfOpen, b)
	ok(t, server.Client().ClientPause(t.Context(), 1200*time.Millisecond).Err()) // one budget, not three
	await.True(t, "the hiccup", func() bool {
		if _, admitted := enter(t, b); admitted {
			t.Fatal("a second probe, because one command was slow")
		}
		b.sync.mu.Lock()
		defer b.sync.mu.Unlock()
		return b.sync.failed > 0
	})
}

// The poll finds a change whose message was lost.
func TestPollCoversALostMessage(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	b := newPodBreaker(t, slowBreaker(), redisx.Config{URL: server.URL()})
	// Another pod's report whose message is lost: it is published on a channel without subscribers.
	astray := &syncer{b: &Breaker{cfg: slowBreaker()}, script: b.sync.script, key: b.sync.key, channel: "astray"}
	_, err := astray.eval(t.Context(), server.Client(),
		request{op: opReport, tally: tally{3, 3, 3, some(1), some(1)}})
	ok(t, err)
	awaitState(t, Open, b)
}

// A text that is not a message, or an old message, changes nothing.
func TestIgnoresBadMessages(t *testing.T) {
	t.Parallel()
	b := newPodBreaker(t, slowBreaker(), redisx.Config{URL: redistest.Start(t).URL()})
	fail(t, b)
	awaitState(t, Open, b)
	for _, message := range []string{"", "open", "0", "0 99999999999999", "7 99999999999999 1", "-1 99999999999999 1",
		"0 1 0"} {
		b.sync.receive(message)
		if b.State() != Open {
			t.Fatalf("%q made it %v", message, b.State())
		}
	}
}

// When Redis refuses the script and serves all else, it is not away. The pod then decides by its own counts.
func TestWithoutItsScript(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	ok(t, server.Client().Set(t.Context(), "llm:{vendor}:breaker", "not a hash", 0).Err())
	b := newPodBreaker(t, slowBreaker(), redisx.Config{URL: server.URL()})
	fail(t, b)
	awaitState(t, Open, b)
	if b.sync.rdb.Away() {
		t.Error("Redis counts as away for all")
	}
	ok(t, server.Client().Del(t.Context(), b.sync.key).Err())
	await.True(t, "shared again", func() bool { return !b.isAlone() })
}

// Every call that ends is counted once, however many end together, and also those that end last.
func TestLosesNoCount(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	cfg := slowBreaker()
	cfg.Failures = 1_000_000
	pods := []*Breaker{newPodBreaker(t, cfg, redisx.Config{URL: server.URL()}),
		newPodBreaker(t, cfg, redisx.Config{URL: server.URL()})}
	var crowd sync.WaitGroup
	for i := range 16 {
		crowd.Go(func() {
			for j := range 500 {
				out := success
				if j%5 == 0 {
					out = failure
				}
				passes(t, pods[i%2], out)
			}
		})
	}
	crowd.Wait()
	for _, p := range pods {
		ok(t, p.Close()) // which reports what is left
	}
	all, err := server.Client().HGetAll(t.Context(), pods[0].sync.key).Result()
	ok(t, err)
	sum := map[string]int{}
	for field, value := range all {
		if field[0] != 'n' && field[0] != 'f' {
			continue
		}
		n, err := strconv.Atoi(value)
		ok(t, err)
		sum[field[:1]] += n
	}
	if sum["n"] != 8000 || sum["f"] != 1600 {
		t.Errorf("%d calls and %d failures counted, want 8000 and 1600", sum["n"], sum["f"])
	}
}

// quiet ends the background work of b, so that what would wake it can be seen.
func quiet(t testing.TB, b *Breaker) {
	t.Helper()
	ok(t, b.Close())
	for len(b.sync.wake) > 0 {
		<-b.sync.wake
	}
}

// A failure is reported at once, and so is a batch of successes: the calls of a busy pod must be known when the
// failures of another pod are judged.
func TestReportsInTime(t *testing.T) {
	t.Parallel()
	b := newPodBreaker(t, slowBreaker(), redisx.Config{URL: redistest.Start(t).URL()})
	quiet(t, b)
	for i := range successBatch {
		if len(b.sync.wake) != 0 {
			t.Fatalf("nudged after %d successes", i)
		}
		passes(t, b, success)
	}
	if len(b.sync.wake) != 1 {
		t.Fatal("not nudged by a batch")
	}
	<-b.sync.wake
	passes(t, b, failure)
	if len(b.sync.wake) != 1 {
		t.Error("not nudged by a failure")
	}
}

// A pod learns of a change by message, without asking; and asks when its subscription was broken.
func TestListens(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	where := redisx.Config{URL: server.URL()}
	teller, listener := newPodBreaker(t, slowBreaker(), where), newPodBreaker(t, slowBreaker(), where)
	quiet(t, listener)
	ctx, stop := context.WithCancel(t.Context())
	listener.sync.stop = stop
	listener.sync.done.Go(func() { listener.sync.listen(ctx) }) // and nothing else

	await.True(t, "subscribed, which is worth a look at the state", func() bool { return len(listener.sync.wake) == 1 })
	fail(t, teller)
	awaitState(t, Open, listener)

	<-listener.sync.wake
	ok(t, server.Client().ClientKillByFilter(t.Context(), "TYPE", "pubsub").Err())
	await.True(t, "subscribed again", func() bool { return len(listener.sync.wake) == 1 })
}

// Answers may cross: one that was asked for under an earlier copy does not undo a later change. Nor does a message, but
// one that seems old is worth a look at the state.
func TestOrdersWhatItHears(t *testing.T) {
	t.Parallel()
	b := newPodBreaker(t, slowBreaker(), redisx.Config{URL: redistest.Start(t).URL()})
	quiet(t, b)
	before := b.snapshot.Load()
	later := b.newSnapshot(reply{state: Open, gen: 9, left: time.Hour}, time.Now(), true)
	b.snapshot.Store(later)
	adopt := func(v reply, seen *snapshot) {
		b.sync.mu.Lock()
		defer b.sync.mu.Unlock()
		b.sync.adoptLocked(time.Now(), v, seen, true)
	}
	adopt(reply{state: Closed, gen: 5}, before)
	b.sync.receive("0 5 0")
	if b.snapshot.Load() != later {
		t.Fatal("an older state was taken for a newer one")
	}
	if len(b.sync.wake) != 1 {
		t.Error("an old message is not looked into")
	}
	adopt(reply{state: Closed, gen: 5}, later)
	if b.State() != Closed {
		t.Error("an answer to a question under the present copy was not believed")
	}
}

// When Redis goes or comes back, the breaker looks at the state without waiting for the poll.
func TestHearsOfRedis(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	b := newPodBreaker(t, slowBreaker(), redisx.Config{URL: server.URL()})
	quiet(t, b)
	server.Kill()
	await.True(t, "Redis is away", func() bool { b.sync.report(t.Context()); return b.sync.rdb.Away() })
	await.True(t, "a nudge", func() bool { return len(b.sync.wake) == 1 })
	<-b.sync.wake
	server.Restart()
	await.True(t, "a nudge for its return", func() bool { return len(b.sync.wake) == 1 })
}

// However many callers come, one of a pod asks for the probe at a time, and after a refusal none for a while. Redis
// hangs here, so that every question can be seen as a failed step.
func TestAsksOnceForAll(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	b := newPodBreaker(t, slowBreaker(), redisx.Config{URL: server.URL()})
	quiet(t, b)
	b.snapshot.Store(b.newSnapshot(reply{state: HalfOpen, gen: 9}, time.Now(), true))
	server.Stop()
	b.nextAt.Store(int64(time.Hour))
	passes(t, b, success)
	if b.asking.Load() || b.sync.failed != 0 {
		t.Fatal("asked, though it was not yet time")
	}
	b.nextAt.Store(0)
	var asker sync.WaitGroup
	asker.Go(func() { passes(t, b, success) })
	await.True(t, "one asks", b.asking.Load)
	for range 100 {
		passes(t, b, success)
	}
	asker.Wait()
	if b.sync.failed != 1 {
		t.Errorf("asked %d times, want once", b.sync.failed)
	}
}

// No lease of a pod's own machine has the number of a lease of Redis, or of one of an earlier local mode.
func TestOwnLeasesAreUnmistakable(t *testing.T) {
	t.Parallel()
	b := newPodBreaker(t, slowBreaker(), redisx.Config{URL: redistest.Start(t).URL()})
	quiet(t, b)
	s := b.sync
	b.snapshot.Store(b.newSnapshot(reply{state: HalfOpen, gen: 7}, time.Now(), true))
	seen := map[int64]bool{}
	s.mu.Lock()
	defer s.mu.Unlock()
	for range 3 {
		s.localModeLocked(redisx.ErrAway)
		v := s.own.take(time.Now(), request{op: opProbe})
		if v.lease >= 0 || seen[v.lease] {
			t.Errorf("lease %d, after %v", v.lease, seen)
		}
		seen[v.lease] = true
		s.sharedAgainLocked()
	}
}

// A clock that goes back leaves the ends of states in the future: no pod waits for them longer than it would otherwise.
func TestAndAClockThatWentBack(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	cfg := quickBreaker()
	cfg.Lease = 100 * time.Millisecond
	b := newPodBreaker(t, cfg, redisx.Config{URL: server.URL()})
	inAnHour := time.Now().Add(time.Hour).UnixMilli()
	ok(t, server.Client().HSet(t.Context(), b.sync.key, "state", int(Open), "gen", 7, "until", inAnHour).Err())
	awaitState(t, HalfOpen, b)
	ok(t, server.Client().HSet(t.Context(), b.sync.key, "lease", inAnHour).Err())
	await.True(t, "there is a probe again", func() bool {
		leave, err := b.Enter(t.Context(), newCall())
		if err == nil {
			leave(llm.Result{Called: true})
		}
		return err == nil
	})
}
