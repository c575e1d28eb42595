// Package quota keeps all pods together within the vendor's contract: requests and tokens in any window. It is the gate
// that books a start ahead and waits for it, or rejects at once what cannot start in time. The state that pods share is in
// Redis and changes only in quota.lua; while Redis is away each pod keeps to its share of the contract. Type Quota shows
// which file does what.
//
// It knows what a call is (package llm) and how Redis is reached (package redisx), and nothing of the other gates.
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
//	Enter    book a start, in one round trip                    book.go, quota.lua, redis.go
//	         together with the calls that came at the same time group.go
//	         or from this pod's share while Redis is away       local.go
//	         sleep once until then                              sleep.go
//	         longer when the vendor asks for a pause            hold.go
//	         or refuses without saying for how long             backoff.go
//	leave    give back what was not used                        settle.go, pod.go
//	         with the next booking, or after a moment           pending.go, flush.go
//
// The arithmetic stands in arith.go and, for the shared state, in quota.lua. Calls start in the order in which they
// were booked, across pods. It is safe for concurrent use.
type Quota struct {
	*quotaPod
	backoff backoff
	limited bool         // there is a contract; without one the gate only obeys pauses
	reject  bool         // while Redis is away, instead of the share
	shared  *sharedQuota // nil: this pod is alone
	group   redisx.Gather[*seat]
	seats   sync.Pool
	tickets sync.Pool
	details [whySize + 1]string
	metrics *metrics

	leaveUnlimited func(llm.Outcome) // of every call that passes without a contract

	waiting atomic.Int64
	stop    context.CancelFunc
	done    sync.WaitGroup
}

// New returns the quota of the vendor called vendorName; pods and services that use the same name and Redis share
// it. queueTimeout is the longest time between Enter and the start of the call. With a nil rdb this pod keeps to its
// share. When the contract limits neither requests nor tokens the gate only obeys the pauses that the vendor asks for, and costs nothing.
func New(cfg Config, queueTimeout time.Duration, rdb *redisx.Client, vendorName string, log *slog.Logger, reg prometheus.Registerer) (*Quota, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	q := &Quota{limited: cfg.on(), reject: cfg.Fallback == fallbackReject, stop: func() {}}
	if !q.limited { // the window only names the state in which pauses are shared
		cfg.Window, cfg.Shares = cmp.Or(cfg.Window, time.Minute), max(1, cfg.Shares)
	}
	var err error
	q.quotaPod = newQuotaPod(newContract(cfg, queueTimeout), cfg.Shares, rdb == nil, time.Now)
	if q.metrics, err = newMetrics(q, reg); err != nil {
		return nil, err
	}
	q.details = details(cfg)
	q.leaveUnlimited = func(out llm.Outcome) { q.obey(&out) }
	q.tickets.New = func() any { return newTicket(q) }
	q.seats.New = func() any { return new(seat) }
	q.group.Limit = bookingTrips
	ctx, stop := context.WithCancel(context.Background())
	q.stop = stop
	if q.limited && !q.local.ok && !q.reject {
		log.WarnContext(ctx, "quota: QUOTA_SHARES leaves no share of the contract; no call will start while redis is away", slog.Int("shares", cfg.Shares))
	}
	if rdb != nil {
		q.shared = newSharedQuota(q.contract, rdb, vendorName)
		q.done.Go(func() { q.listen(ctx) })
		q.done.Go(func() { q.flusher(ctx) })
	}
	return q, nil
}

// Enter books a start within the call's patience and sleeps until then, or rejects at once. High priority may book as far
// ahead as ctx and the queue timeout allow, normal half as far, low only when the call can start now. A background call may start
// only when that leaves half of the burst to the others, so that even those of low priority find room.
func (q *Quota) Enter(ctx context.Context, call *llm.Call) (leave func(llm.Outcome), err error) {
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
	call.OnCommit(q.backoff.succeeded) // a stream that has begun: the others need not wait for its end
	return func(out llm.Outcome) {
		booked(out)
		q.backoff.ended()
	}, nil
}

// enter books a start and waits for it.
func (q *Quota) enter(ctx context.Context, call *llm.Call) (leave func(llm.Outcome), err error) {
	arrival := time.Now()
	wait := q.patience(ctx, call, arrival)
	if !q.limited {
		return q.enterUnlimited(ctx, arrival, wait)
	}
	b, v := q.book(ctx, int64(call.Payload.Tokens()), wait.Microseconds())
	q.metrics.decided(&b, &v)
	if v.admitted == 0 {
		return nil, q.turnAway(ctx, &v)
	}
	t := q.tickets.Get().(*ticket)
	t.booking, t.prompt = b, int64(call.Payload.Prompt())
	if b.delay > 0 {
		if err := q.sleep(ctx, &b, arrival.Add(wait)); err != nil {
			t.leave(llm.Outcome{})
			return nil, err
		}
	}
	return t.leave, nil
}

// enterUnlimited is enter without a contract: only pauses that the vendor has asked for delay the call.
func (q *Quota) enterUnlimited(ctx context.Context, arrival time.Time, wait time.Duration) (func(llm.Outcome), error) {
	hold := q.holds.current.Load()
	switch left := hold.until.Sub(arrival); {
	case left <= 0:
	case left > wait:
		q.metrics.of(false).rejected.Inc()
		return nil, q.turnAway(ctx, &ruling{delay: left.Microseconds(), why: whyHold})
	default:
		if err := q.sleep(ctx, &booking{pause: hold.pause}, arrival.Add(wait)); err != nil {
			return nil, err
		}
	}
	return q.leaveUnlimited, nil
}

// Recheck rejects a call that has passed, when the vendor asked for a pause while it waited in a later gate.
func (q *Quota) Recheck(*llm.Call) error {
	left := time.Until(q.holds.current.Load().until)
	if left <= holdSlack {
		return nil
	}
	q.metrics.of(q.local.active.Load()).recheck.Inc()
	return &outcome.Rejected{Layer: "quota", Reason: outcome.VendorRateLimited, RetryAfter: left, Detail: q.details[whyHold]}
}

// holdSlack is how much of a pause may be left for a call that has waited it out by Redis's clock: announcements travel.
const holdSlack = 50 * time.Millisecond

// Waiting is the number of calls that sleep until their booked start.
func (q *Quota) Waiting() int { return int(q.waiting.Load()) }

// Close tells Redis what is left to tell and waits for the goroutines to end. Calls must have ended before; a leave that
// comes later is not told.
func (q *Quota) Close() error {
	q.stop()
	q.done.Wait()
	return nil
}
