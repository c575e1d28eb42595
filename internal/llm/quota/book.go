package quota

import (
	"context"
	"time"

	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/outcome"
	"github.com/spillway-dev/spillway/internal/redisx"
	"github.com/spillway-dev/spillway/internal/telemetry"
)

// This file books the start of a call, in Redis or from this pod's share, and decides how long the call may wait.

// booking is what a call has booked of the contract.
type booking struct {
	local     bool   // of this pod's share
	tokens    int64  // booked: the estimate
	delay     micros // from the answer to the booked start
	mark      micros // with which the request can be given back
	tokenMark micros // the same for the tokens; only of a local booking
	cost      micros // that the tokens took of the pace
	slice     int64  // of the shared ledger, in which the tokens are booked
	pause            // as it was when the call was booked
}

// instant is the longest wait that counts as an immediate start.
const instant = time.Millisecond

// patience is how far ahead a call may book. A background call may start at once or not at all.
func (q *Quota) patience(ctx context.Context, call *llm.Call, now time.Time) time.Duration {
	if call.Background {
		return 0
	}
	left := time.Duration(q.contract.queue) * time.Microsecond
	if deadline, ok := ctx.Deadline(); ok {
		left = max(0, min(left, deadline.Sub(now)))
	}
	if call.FallbackReady {
		left = min(left, llm.FallbackPatience)
	}
	return patience(call.Priority, left)
}

// estimate returns the tokens that a call books. What an image or a recording costs is a guess, so a call with one is
// not too large for the contract while its text fits. It then books the whole contract.
func (q *Quota) estimate(p *llm.Payload) int64 {
	tokens, most := int64(p.Tokens()), int64(q.contract.tokens)
	if int64(p.Text()) <= most {
		return min(tokens, most)
	}
	return tokens
}

// book books in Redis, or from this pod's share when Redis does not answer. A failed command may have booked too,
// which only counts one call too many.
func (q *Quota) book(ctx context.Context, r request) (booking, ruling) {
	if q.contract.tokens == 0 {
		r.tokens = 0
	} else if r.tokens > int64(q.contract.tokens) {
		return booking{}, ruling{why: whySize}
	}
	if q.shared != nil && !q.shared.rdb.Away() {
		if b, v, err := q.bookShared(ctx, r); err == nil {
			return b, v
		}
	}
	if q.rejectWhenAway {
		return booking{local: true}, ruling{why: whyAway}
	}
	return q.bookLocal(r.tokens, r.wait, q.asleep.Load(), time.Now())
}

// rejection returns the error of a call that may not start, with the time at which it could have started.
func (q *Quota) rejection(ctx context.Context, v *ruling) error {
	err := &outcome.Rejected{
		Layer: "quota", Reason: outcome.VendorRateLimited, Detail: q.details[v.why],
		RetryAfter: time.Duration(v.delay) * time.Microsecond,
	}
	switch v.why {
	case whySize: // no wait would help
		err.Reason = outcome.PayloadTooLarge
	case whyAway, whyShare: // Redis may be back soon
		err.RetryAfter, err.Err = time.Second, redisx.ErrAway
	}
	_, span := telemetry.Start(ctx, "quota")
	telemetry.End(span, err)
	return err
}
