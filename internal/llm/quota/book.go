package quota

import (
	"context"
	"time"

	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/outcome"
	"github.com/spillway-dev/spillway/internal/redisx"
	"github.com/spillway-dev/spillway/internal/telemetry"
)

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

// instant is the wait that still counts as none.
const instant = time.Millisecond

// patience is how far ahead a call may book.
func (q *Quota) patience(ctx context.Context, call *llm.Call, now time.Time) time.Duration {
	if call.Background {
		return yielding
	}
	left := time.Duration(q.contract.queue) * time.Microsecond
	if deadline, ok := ctx.Deadline(); ok {
		left = max(0, min(left, deadline.Sub(now)))
	}
	return patience(call.Priority, left)
}

// yielding, in place of a wait, says that the call may start at once or not at all, and only while a part of the burst is
// left for others afterwards.
const yielding = -time.Microsecond

// book asks Redis, or the pod's share when Redis does not answer. A command that failed may have booked all the same; that
// only counts one call too many.
func (q *Quota) book(ctx context.Context, tokens int64, wait micros) (booking, ruling) {
	if q.contract.tokens == 0 {
		tokens = 0
	} else if tokens > int64(q.contract.tokens) {
		return booking{}, ruling{why: whySize}
	}
	if q.shared != nil && !q.shared.rdb.Away() {
		if b, v, err := q.bookShared(ctx, tokens, wait); err == nil {
			return b, v
		}
	}
	if q.reject {
		return booking{alone: true}, ruling{why: whyAway}
	}
	return q.bookAlone(tokens, max(0, wait), q.waiting.Load(), time.Now())
}

// turnAway is the rejection, with the time at which the call could have started.
func (q *Quota) turnAway(ctx context.Context, v *ruling) error {
	err := &outcome.Rejected{
		Layer: "quota", Reason: outcome.VendorRateLimited, Detail: q.details[v.why],
		RetryAfter: time.Duration(v.delay) * time.Microsecond,
	}
	switch v.why {
	case whySize: // no time will come at which it fits
		err.Reason = outcome.PayloadTooLarge
	case whyAway, whyShare: // Redis is soon back
		err.RetryAfter, err.Err = time.Second, redisx.ErrAway
	}
	_, span := telemetry.Start(ctx, "quota")
	telemetry.End(span, err)
	return err
}
