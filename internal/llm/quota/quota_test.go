package quota

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/spillway-dev/spillway/internal/await"
	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/outcome"
	"github.com/spillway-dev/spillway/internal/redistest"
	"github.com/spillway-dev/spillway/internal/redisx"
)

// pod is a quota with a connection of its own, as another pod would have it.
func pod(t testing.TB, cfg Config, redis redisx.Config) *Quota {
	t.Helper()
	return newTestQuota(t, cfg, connect(t, redis))
}

func connect(t testing.TB, redis redisx.Config) *redisx.Client {
	t.Helper()
	redis.Budget = cmp.Or(redis.Budget, 10*time.Second) // a busy machine is not a Redis that is away
	redis.Pool = 16
	rdb, err := redisx.New(redis, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	ok(t, err)
	t.Cleanup(func() { _ = rdb.Close() })
	return rdb
}

func at(server *redistest.Server) redisx.Config { return redisx.Config{URL: server.URL()} }

// idle lets a state begin whose burst is there.
func idle(t testing.TB, q *Quota, server *redistest.Server) {
	t.Helper()
	leave, err := q.Enter(t.Context(), sized(llm.High, 1, 1))
	ok(t, err)
	leave(llm.Result{})
	q.flush(t.Context())
	ok(t, server.Client().HSet(t.Context(), q.shared.keys[0], "rtat", 0, "ttat", 0).Err())
}

func ledger(t testing.TB, q *Quota, server *redistest.Server) int64 {
	t.Helper()
	sum, err := strconv.ParseInt(server.Client().HGet(t.Context(), q.shared.keys[0], "sum").Val(), 10, 64)
	ok(t, err)
	return sum
}

// Two pods under pressure from many callers: no window sees more than the contract, calls and tokens.
func TestPodsShareOneContract(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	cfg := Config{Requests: 200, Tokens: 40_000, Window: time.Second}
	const queue = time.Second / 2
	pods := []*Quota{newQuotaFor(t, cfg, queue, connect(t, at(server))),
		newQuotaFor(t, cfg, queue, connect(t, at(server)))}
	idle(t, pods[0], server)
	var mu sync.Mutex
	var calls, tokens []started
	var wg sync.WaitGroup
	begin := time.Now()
	for i := range 100 {
		wg.Go(func() {
			for n := 0; time.Since(begin) < 3*time.Second; n++ {
				arrival := time.Now()
				ctx, cancel := context.WithTimeoutCause(t.Context(), queue, llm.ErrQueueTimeout)
				leave, err := pods[i%2].Enter(ctx, sized(llm.High, 20, 180))
				now := time.Now()
				cancel()
				switch {
				case err != nil:
					time.Sleep(min(queue, rejection(t, err).RetryAfter)) // as a client would
				case n%7 == 0 || now.Sub(arrival) > queue: // another gate said no
					leave(llm.Result{})
				default:
					mu.Lock()
					calls = append(calls, started{now.Sub(begin).Microseconds(), 1})
					tokens = append(tokens, started{now.Sub(begin).Microseconds(), 120})
					mu.Unlock()
					leave(llm.Result{Called: true, Usage: llm.Usage{Prompt: 20, Completion: 100}})
				}
			}
		})
	}
	wg.Wait()
	if got := most(calls, time.Second.Microseconds()); got > 200 || got == 0 {
		t.Errorf("%d calls in a window, the contract is 200", got)
	}
	if got := most(tokens, time.Second.Microseconds()); got > 40_000 {
		t.Errorf("%d tokens in a window, the contract is 40000", got)
	}
}

// Calls start in the order of their bookings, whichever pod they are in.
func TestServesPodsInOrder(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	cfg := Config{Requests: 26, Burst: 1, Window: 10 * time.Second} // 600 ms apart
	pods := []*Quota{pod(t, cfg, at(server)), pod(t, cfg, at(server))}
	var mu sync.Mutex
	var order []int
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			_, err := pods[i%2].Enter(t.Context(), sized(llm.High, 1, 1))
			ok(t, err)
			mu.Lock()
			order = append(order, i)
			mu.Unlock()
		})
		await.True(t, "the call sleeps", func() bool { return pods[0].Waiting()+pods[1].Waiting() >= 1 || i == 0 })
		await.True(t, "it is booked", func() bool {
			mu.Lock()
			defer mu.Unlock()
			return pods[0].Waiting()+pods[1].Waiting()+len(order) == i+1
		})
	}
	wg.Wait()
	if !slices.IsSorted(order) {
		t.Errorf("served in the order %v", order)
	}
}

// A pause that the vendor asks of one pod reaches a call that sleeps in another pod at once.
func TestAPauseReachesOtherPods(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	cfg := Config{Requests: 21, Burst: 1, Window: 10 * time.Minute} // 33 s apart
	const queue, asked = time.Minute, time.Hour
	one, other := newQuotaFor(t, cfg, queue, connect(t, at(server))), newQuotaFor(t, cfg, queue, connect(t, at(server)))
	await.True(t, "the other pod listens", func() bool {
		n := server.Client().PubSubNumSub(t.Context(), one.shared.channel()).Val()[one.shared.channel()]
		return n == 2
	})
	leave, err := one.Enter(t.Context(), sized(llm.High, 1, 1))
	ok(t, err)
	result := make(chan error, 1)
	go func() {
		_, err := other.Enter(t.Context(), sized(llm.High, 1, 1))
		result <- err
	}()
	await.True(t, "the call sleeps", func() bool { return other.Waiting() == 1 })
	leave(llm.Result{Called: true, Err: &llm.VendorError{Status: http.StatusTooManyRequests, RetryAfter: asked}})
	r := rejection(t, <-result)
	if r.Reason != outcome.VendorRateLimited || r.RetryAfter < asked/2 || r.Detail != other.details[whyPause] {
		t.Errorf("the call that slept: %+v", r)
	}
	if err := other.Recheck(nil); rejection(t, err).RetryAfter < asked/2 {
		t.Errorf("a call that had passed: %v", err)
	}
	_, err = other.Enter(t.Context(), sized(llm.High, 1, 1))
	if r := rejection(t, err); r.RetryAfter < asked/2 {
		t.Errorf("a new call: %+v", r)
	}
	if got := testutil.ToFloat64(one.metrics.pauses); got != 1 {
		t.Errorf("%v pauses counted", got)
	}
}

// A call that is booked before Redis knows of a pause waits for its end too, and is rejected when that is too late.
func TestABookingThatOvertakesAPauseWaits(t *testing.T) {
	t.Parallel()
	q := pod(t, Config{Requests: 1000, Burst: 100, Window: 55 * time.Second}, at(redistest.Start(t)))
	const asked = 300 * time.Millisecond
	begin := time.Now()
	q.pauses.begin(asked, begin) // in this pod, as applyPause does before Redis knows
	_, err := q.Enter(t.Context(), sized(llm.High, 1, 1))
	ok(t, err)
	if took := time.Since(begin); took < asked {
		t.Errorf("a call passed after %v of a pause of %v", took, asked)
	}
	q.pauses.begin(time.Hour, time.Now())
	_, err = q.Enter(t.Context(), sized(llm.High, 1, 1))
	if r := rejection(t, err); r.RetryAfter < time.Hour/2 || r.Detail != q.details[whyPause] {
		t.Errorf("during a long pause: %+v", r)
	}
}

// A call whose client leaves while it sleeps gives its start and its tokens back.
func TestGivesBackACallThatLeft(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	q := pod(t, Config{Requests: 21, Tokens: 10_000, Burst: 1, Window: 55 * time.Second}, at(server))
	_, err := q.Enter(t.Context(), sized(llm.High, 1, 99))
	ok(t, err)
	ctx, hangUp := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() {
		_, err := q.Enter(ctx, sized(llm.High, 1, 199))
		result <- err
	}()
	await.True(t, "the call sleeps", func() bool { return q.Waiting() == 1 })
	hangUp()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	// No further call comes: the flusher sends the report.
	await.True(t, "the tokens are back", func() bool { return ledger(t, q, server) == 100 })
	b, v := q.book(t.Context(), request{tokens: 1, wait: testQueue.Microseconds()})
	if !v.admitted || b.delay > 3*time.Second.Microseconds() {
		t.Errorf("the next call: %+v, want the place of the one that left", v)
	}
}

// Close sends the last report, and a call that leaves after it does no harm.
func TestCloseSendsTheLastReport(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	q := pod(t, Config{Tokens: 10_000}, at(server))
	leave, err := q.Enter(t.Context(), sized(llm.High, 10, 90))
	ok(t, err)
	late, err := q.Enter(t.Context(), sized(llm.High, 10, 90))
	ok(t, err)
	leave(llm.Result{Called: true, Usage: llm.Usage{Prompt: 10, Completion: 1}})
	ok(t, q.Close())
	if got := ledger(t, q, server); got != 111 {
		t.Errorf("%d tokens booked, want 11 + 100", got)
	}
	late(llm.Result{Called: true, Err: &llm.VendorError{Status: http.StatusTooManyRequests, RetryAfter: time.Second}})
	late, err = q.Enter(t.Context(), sized(llm.Low, 1, 1))
	if err == nil {
		late(llm.Result{})
	}
}

// Story of a Redis that hangs: this pod goes on with its share, and shares again when Redis does.
func TestWorksAloneWhileRedisIsAway(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	where := at(server)
	where.Budget = time.Second
	q := pod(t, Config{Requests: 60_000, Tokens: 6_000_000, Shares: 2}, where) // 2.2 ms apart when alone
	_, err := q.Enter(t.Context(), sized(llm.High, 10, 90))
	ok(t, err)
	server.Stop()
	await.True(t, "the pod is alone", func() bool {
		leave, err := q.Enter(t.Context(), sized(llm.High, 10, 90))
		if err != nil {
			t.Errorf("while Redis hangs: %v", err)
		} else {
			leave(llm.Result{Called: true, Usage: llm.Usage{Prompt: 10, Completion: 40}})
		}
		return q.local.active.Load() && q.shared.rdb.Away()
	})
	for range 3 {
		_, err := q.Enter(t.Context(), sized(llm.High, 10, 90))
		ok(t, err)
	}
	if testutil.ToFloat64(q.metrics.of(true).booked) == 0 {
		t.Error("no call of this pod's share waited: it began with credit")
	}
	server.Cont()
	await.True(t, "the pod shares again", func() bool {
		leave, err := q.Enter(t.Context(), sized(llm.High, 10, 90))
		if err == nil {
			leave(llm.Result{Called: true, Usage: llm.Usage{Prompt: 10, Completion: 90}})
		}
		return !q.local.active.Load() && !q.shared.rdb.Away()
	})
	// What was used meanwhile has arrived: 3 calls of 100 at least, beside the first one and the last.
	await.True(t, "Redis knows", func() bool { return ledger(t, q, server) >= 500 })
}

func TestMayRejectWhileRedisIsAway(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	q := pod(t, Config{Requests: 1000, Fallback: "reject"}, at(server))
	server.Kill()
	_, err := q.Enter(t.Context(), sized(llm.High, 1, 1))
	r := rejection(t, err)
	if r.Reason != outcome.VendorRateLimited || r.RetryAfter <= 0 || !errors.Is(r, redisx.ErrAway) {
		t.Errorf("got %+v", r)
	}
}

// Script, key and announcements work on a Cluster, whose nodes refuse the keys of other nodes.
func TestOnACluster(t *testing.T) {
	t.Parallel()
	redis := redisx.Config{URL: redistest.StartCluster(t), Cluster: true}
	q := pod(t, Config{Requests: 100, Tokens: 10_000}, redis)
	other := pod(t, Config{Requests: 100, Tokens: 10_000}, redis)
	leave, err := q.Enter(t.Context(), sized(llm.High, 1, 1))
	ok(t, err)
	if q.local.active.Load() {
		t.Fatal("the call was not booked in Redis")
	}
	leave(llm.Result{Called: true, Err: &llm.VendorError{Status: http.StatusTooManyRequests,
		RetryAfter: 10 * time.Minute}})
	await.True(t, "the other pod knows of the pause", func() bool {
		_, err := other.Enter(t.Context(), sized(llm.High, 1, 1))
		return err != nil && rejection(t, err).RetryAfter > 5*time.Minute
	})
}

func BenchmarkEnter(b *testing.B) {
	server := redistest.Start(b)
	q := pod(b, Config{Requests: 1_000_000_000, Tokens: 1_000_000_000}, at(server))
	call := sized(llm.High, 100, 200)
	for _, callers := range []int{1, 64} {
		b.Run(strconv.Itoa(callers), func(b *testing.B) {
			b.ReportAllocs()
			b.SetParallelism(callers)
			if callers == 1 {
				for b.Loop() {
					enterAndLeave(b, q, call)
				}
				return
			}
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					enterAndLeave(b, q, call)
				}
			})
		})
	}
}

func enterAndLeave(b *testing.B, q *Quota, call *llm.Call) {
	leave, err := q.Enter(b.Context(), call)
	if err != nil {
		b.Error(err)
		return
	}
	leave(llm.Result{Called: true, Usage: llm.Usage{Prompt: 100, Completion: 100}})
}

// The part of a report that other pods must not miss is sent again after a command that failed: the vendor's pause, and
// what this pod used in local mode.
func TestSendsAgainWhatRedisDidNotTake(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	q := newTestQuota(t, Config{Requests: 600, Tokens: 60000, Burst: 60, Shares: 10},
		connect(t, redisx.Config{URL: server.URL()}))
	q.stop() // no flusher: the test flushes
	q.done.Wait()
	leave, err := q.Enter(t.Context(), sized(llm.Low, 1, 1))
	if err == nil {
		leave(llm.Result{})
	}
	q.flush(t.Context()) // Redis has a state
	known := func() []any { return server.Client().HMGet(t.Context(), q.shared.keys[0], "paused", "sum").Val() }
	now := time.Now()
	q.bookLocal(100, time.Minute.Microseconds(), 0, now)
	q.bookLocal(100, time.Minute.Microseconds(), 0, now)
	q.applyPause(time.Minute, now)
	ok(t, server.Client().ACLSetUser(t.Context(), "default", "-@scripting").Err()) // scripts are refused
	q.flush(t.Context())
	ok(t, server.Client().ACLSetUser(t.Context(), "default", "+@scripting").Err())
	if got := known(); got[0] != "0" || got[1] != "0" {
		t.Fatalf("the first time was to fail: %v", got)
	}
	q.flush(t.Context())
	got := known()
	paused, _ := strconv.Atoi(fmt.Sprint(got[0]))
	if paused < 50_000_000 || got[1] != "200" {
		t.Errorf("Redis knows of a pause of %v µs and %v tokens", got[0], got[1])
	}
	if r := q.pending.take(time.Now(), 0); r != nil {
		t.Errorf("there is still something to tell: %+v", r)
	}
}
