// Package quota keeps all pods together within the vendor's contract: requests and tokens in any window. It is a gate
// that books a start ahead and waits for it. It rejects at once what cannot start in time. Pods share their state in
// Redis, where only quota.lua changes it. While Redis is away each pod uses its share of the contract. The comment of
// type Quota shows which file does what; wire.go encodes what pods and script exchange.
//
// The package knows what a call is (package llm) and how Redis is reached (package redisx). It does not know the other
// gates.
package quota

import (
	"cmp"
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/outcome"
	"github.com/spillway-dev/spillway/internal/redisx"
)

// Quota keeps all pods together within the vendor's contract: requests and tokens in any window.
//
//	Enter    wait while the vendor refuses without a time       trial.go, backoff.go
//	         book a start, in one round trip                    book.go, quota.lua, redis.go, wire.go
//	         together with the calls that came at the same time batch.go
//	         or from this pod's share while Redis is away       local.go
//	         sleep once until then                              sleep.go
//	         longer when the vendor asks for a pause            pause.go
//	leave    give back what was not used                        settle.go, pod.go, report.go
//	         with the next booking, or after a moment           pending.go, flush.go
//
// The arithmetic stands in arith.go and, for the shared state, in quota.lua. Calls start in the order in which they
// were booked, across pods. It is safe for concurrent use.
type Quota struct {
	*podState
	backoff        backoff
	limited        bool         // there is a contract; without one the gate only obeys pauses
	rejectWhenAway bool         // while Redis is away, instead of the share
	shared         *sharedState // nil: this pod has no Redis
	batches        redisx.Gather[*entry]
	entries        sync.Pool
	tickets        sync.Pool
	details        map[rule]string
	metrics        *metrics

	leaveUnlimited func(llm.Result) // of every call that passes without a contract

	asleep atomic.Int64 // calls that have booked a start and wait for it
	held   atomic.Int64 // calls that wait while the vendor refuses calls, and have booked nothing
	stop   context.CancelFunc
	done   sync.WaitGroup
}

// New returns the quota of the vendor called vendorName. Pods and services that use the same name and the same Redis
// share it. queueTimeout is the longest time between Enter and the start of the call. With a nil rdb this pod uses its
// share only. When the contract limits neither requests nor tokens, the gate only applies the pauses that the vendor
// asks for, and makes no round trip.
func New(cfg Config, queueTimeout time.Duration, rdb *redisx.Client, vendorName string, log *slog.Logger,
	reg prometheus.Registerer) (*Quota, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	q := &Quota{limited: cfg.on(), rejectWhenAway: cfg.Fallback == fallbackReject, stop: func() {}}
	if !q.limited { // the window is only part of the name of the key in which pauses are shared
		cfg.Window, cfg.Shares = cmp.Or(cfg.Window, time.Minute), max(1, cfg.Shares)
	}
	var err error
	q.podState = newPodState(newContract(cfg, queueTimeout), cfg.Shares, rdb == nil, time.Now)
	if q.metrics, err = newMetrics(q, reg); err != nil {
		return nil, err
	}
	q.details = details(cfg)
	q.leaveUnlimited = func(out llm.Result) { q.observeOutcome(&out) }
	q.tickets.New = func() any { return newTicket(q) }
	q.entries.New = func() any { return new(entry) }
	q.batches.Limit = bookingTrips
	ctx, stop := context.WithCancel(context.Background())
	q.stop = stop
	if q.limited && !q.local.ok && !q.rejectWhenAway {
		log.WarnContext(ctx, "quota: QUOTA_SHARES leaves no share of the contract; "+
			"no call will start while redis is away", slog.Int("shares", cfg.Shares))
	}
	if rdb != nil {
		q.shared = newSharedState(q.contract, rdb, vendorName)
		q.done.Go(func() { q.listen(ctx) })
		q.done.Go(func() { q.flusher(ctx) })
		if q.limited { // an empty report: a new state begins now, so that its burst is there when calls come
			q.pending.add(time.Now(), func(*report) {})
		}
	}
	return q, nil
}

// Enter books a start within the patience of the call and sleeps until then, or rejects at once. A call of high
// priority may book as far ahead as ctx and the queue timeout allow, normal half as far. A call of low priority must
// be able to start now. A background call may only start when half of the burst is left afterwards, so that calls of
// low priority find room.
func (q *Quota) Enter(ctx context.Context, call *llm.Call) (leave func(llm.Result), err error) {
	tries, err := q.awaitBackoff(ctx, call)
	if err != nil {
		return nil, err
	}
	booked, err := q.enter(ctx, call)
	if !tries {
		return booked, err
	}
	if err != nil {
		q.backoff.ended()
		return nil, err
	}
	call.OnCommit(func() { q.backoff.succeeded(time.Now(), 0) }) // others need not wait for the end of a stream
	return func(out llm.Result) {
		booked(out)
		q.backoff.ended()
	}, nil
}

// enter books a start and waits for it.
func (q *Quota) enter(ctx context.Context, call *llm.Call) (leave func(llm.Result), err error) {
	arrival := time.Now()
	wait := q.patience(ctx, call, arrival)
	if !q.limited {
		return q.enterUnlimited(ctx, arrival, wait)
	}
	r := request{tokens: q.estimate(&call.Payload), wait: wait.Microseconds()}
	if call.Background {
		r.kind = background
	}
	b, v := q.book(ctx, r)
	q.metrics.decided(&b, &v)
	if !v.admitted {
		return nil, q.rejection(ctx, &v)
	}
	t := q.tickets.Get().(*ticket)
	t.booking, t.prompt = b, int64(call.Payload.Prompt())
	// A booking can overtake the report of a pause that this pod knows of: then Redis books a start within the pause.
	if b.delay > 0 || q.pauses.current.Load().until.After(arrival) {
		if err := q.sleep(ctx, &b, arrival.Add(wait)); err != nil {
			t.leave(llm.Result{})
			return nil, err
		}
	}
	return t.leave, nil
}

// enterUnlimited is enter without a contract: only pauses that the vendor has asked for delay the call.
func (q *Quota) enterUnlimited(ctx context.Context, arrival time.Time, wait time.Duration) (func(llm.Result), error) {
	known := q.pauses.current.Load()
	switch left := known.until.Sub(arrival); {
	case left <= 0:
	case left > wait:
		q.metrics.of(false).rejected.Inc()
		return nil, q.rejection(ctx, &ruling{delay: left.Microseconds(), why: whyPause})
	default:
		if err := q.sleep(ctx, &booking{pause: known.pause}, arrival.Add(wait)); err != nil {
			return nil, err
		}
	}
	return q.leaveUnlimited, nil
}

// Recheck rejects a call that has passed when the vendor asked for a pause while the call waited in a later gate.
func (q *Quota) Recheck(*llm.Call) error {
	left := time.Until(q.pauses.current.Load().until)
	if left <= pauseSlack {
		return nil
	}
	q.metrics.of(q.local.active.Load()).recheck.Inc()
	return &outcome.Rejected{Layer: "quota", Reason: outcome.VendorRateLimited, RetryAfter: left,
		Detail: q.details[whyPause]}
}

// pauseSlack is how much of a pause may remain when a call that has waited for its end starts. It covers the time that
// announcements take.
const pauseSlack = 50 * time.Millisecond

// Waiting is the number of calls that sleep until their booked start, or wait while the vendor refuses calls.
func (q *Quota) Waiting() int { return int(q.asleep.Load() + q.held.Load()) }

// Close sends the last report and waits for the goroutines to end. Calls must have ended before: what a call that ends
// later adds to the report is not sent.
func (q *Quota) Close() error {
	q.stop()
	q.done.Wait()
	return nil
}
