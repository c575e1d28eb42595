package llm

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/spillway-dev/spillway/internal/outcome"
	"github.com/spillway-dev/spillway/internal/redisx"
	"github.com/spillway-dev/spillway/internal/telemetry"
)

// Quota keeps all pods together within the vendor's contract: requests and tokens in any window.
//
//	Enter    book a start, in one round trip                    quota.lua, quota_redis.go
//	         or from this pod's share while Redis is away       quota_local.go
//	         sleep once until then                              quota_sleep.go
//	         longer when the vendor asks for a pause            quota_hold.go
//	leave    give back what was not used                        quota_settle.go
//	         with the next booking, or after a moment           quota_pending.go, quota_flush.go
//
// The arithmetic stands in quota_arith.go and, for the shared state, in quota.lua. Calls start in the order in which they
// were booked, across pods. It is safe for concurrent use.
type Quota struct {
	contract contract
	reject   bool         // while Redis is away, instead of the share
	shared   *sharedQuota // nil: this pod is alone
	local    localQuota
	holds    holds
	pending  *pending
	tickets  sync.Pool
	details  [whySize + 1]string
	metrics  *quotaMetrics

	waiting atomic.Int64
	stop    context.CancelFunc
	done    sync.WaitGroup
}

// NewQuota returns the quota of the vendor called vendorName; pods and services that use the same name and Redis share
// it. queueTimeout is the longest time between Enter and the start of the call. With a nil rdb this pod keeps to its
// share. When the contract limits neither requests nor tokens the gate admits everything at no cost.
func NewQuota(cfg QuotaConfig, queueTimeout time.Duration, rdb *redisx.Client, vendorName string, log *slog.Logger, reg prometheus.Registerer) (*Quota, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	q := &Quota{reject: cfg.Fallback == fallbackReject, pending: newPending(), stop: func() {}}
	q.holds.init()
	if !cfg.on() {
		return q, nil
	}
	var err error
	if q.metrics, err = newQuotaMetrics(q, reg); err != nil {
		return nil, err
	}
	q.contract = newContract(cfg, queueTimeout)
	q.local.init(q.contract, cfg.Shares)
	q.details = details(cfg)
	q.tickets.New = func() any { return newTicket(q) }
	ctx, stop := context.WithCancel(context.Background())
	q.stop = stop
	if !q.local.ok && !q.reject {
		log.WarnContext(ctx, "quota: QUOTA_SHARES leaves no share of the contract; no call will start while redis is away", slog.Int("shares", cfg.Shares))
	}
	if rdb != nil {
		q.shared = newSharedQuota(q.contract, rdb, vendorName)
		q.done.Go(func() { q.listen(ctx) })
		q.done.Go(func() { q.flusher(ctx) })
	}
	return q, nil
}

// booking is what a call holds of the contract.
type booking struct {
	alone     bool   // of this pod's share
	tokens    int64  // booked: the estimate
	delay     micros // from the answer to the booked start
	mark      micros // with which the request can be given back
	tokenMark micros // the same for the tokens; only when alone
	cost      micros // that the tokens took of the pace
	slice     int64  // of the shared ledger, where the tokens are
	pause            // as it stood when the call was booked
}

// Enter books a start within the call's patience and sleeps until then, or rejects at once. High priority may book as far
// ahead as ctx and the queue timeout allow, normal half as far, low only when the call can start now.
func (q *Quota) Enter(ctx context.Context, call *Call) (leave func(Outcome), err error) {
	if q.metrics == nil {
		return noLeave, nil
	}
	arrival := time.Now()
	wait := q.patience(ctx, call.Priority, arrival)
	b, v := q.book(ctx, int64(call.Payload.Tokens()), wait.Microseconds())
	q.metrics.decided(&b, &v)
	if v.admitted == 0 {
		return nil, q.turnAway(ctx, &v)
	}
	t := q.tickets.Get().(*ticket)
	t.booking, t.prompt = b, int64(call.Payload.PromptTokens)
	if b.delay > 0 {
		if err := q.sleep(ctx, &b, arrival.Add(wait)); err != nil {
			t.leave(Outcome{})
			return nil, err
		}
	}
	return t.leave, nil
}

// instant is the wait that still counts as none.
const instant = time.Millisecond

// patience is how far ahead a call may book.
func (q *Quota) patience(ctx context.Context, class Priority, now time.Time) time.Duration {
	left := time.Duration(q.contract.queue) * time.Microsecond
	if deadline, ok := ctx.Deadline(); ok {
		left = max(0, min(left, deadline.Sub(now)))
	}
	switch class {
	case Low:
		return min(left, instant)
	case Normal:
		return left / 2
	default:
		return left
	}
}

// book asks Redis, or the pod's share when Redis does not answer. A command that failed may have booked all the same; that
// only counts one call too many.
func (q *Quota) book(ctx context.Context, tokens int64, wait micros) (booking, ruling) {
	if q.contract.tokens == 0 {
		tokens = 0
	} else if tokens > int64(q.contract.tokens) {
		return booking{}, ruling{why: whySize}
	}
	if q.shared != nil && !q.shared.rdb.Away() {
		args := q.pending.take(append(make([]any, 0, 16), tokens, wait), time.Now(), q.waiting.Load())
		if v, err := q.shared.run(ctx, args); err == nil {
			q.heard(&v)
			return booking{tokens: tokens, delay: v.delay, mark: v.mark, cost: v.cost, slice: v.slice, pause: v.pause}, v
		}
	}
	if q.reject {
		return booking{alone: true}, ruling{why: whyAway}
	}
	return q.bookAlone(tokens, wait)
}

// bookAlone books from the pod's share and notes for Redis's return what was used meanwhile.
func (q *Quota) bookAlone(tokens int64, wait micros) (booking, ruling) {
	q.local.begin(q.waiting.Load())
	b, v := q.local.book(tokens, wait)
	if v.admitted == 1 && q.shared != nil {
		q.pending.add(time.Now(), func() { q.pending.aloneLocked(tokens, 2*q.local.largest) })
	}
	return b, v
}

// heard takes in what every answer of the script says beside its verdict.
func (q *Quota) heard(v *ruling) {
	q.local.active.Store(false)
	q.holds.observe(v.pause, time.Now())
}

// turnAway is the rejection, with the time at which the call could have started.
func (q *Quota) turnAway(ctx context.Context, v *ruling) error {
	err := &outcome.Rejected{
		Layer: "quota", Reason: outcome.VendorRateLimited, Detail: q.details[v.why],
		RetryAfter: time.Duration(v.delay) * time.Microsecond,
	}
	if v.why == whyAway {
		err.RetryAfter, err.Err = time.Second, redisx.ErrAway
	}
	_, span := telemetry.Start(ctx, "quota")
	telemetry.End(span, err)
	return err
}

// Recheck rejects a call that has passed, when the vendor asked for a pause while it waited in a later gate.
func (q *Quota) Recheck(*Call) error {
	left := time.Until(q.holds.current.Load().until)
	if left <= holdSlack || q.metrics == nil {
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
