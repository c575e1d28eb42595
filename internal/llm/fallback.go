package llm

import (
	"context"
	"errors"
	"time"

	"github.com/spillway-dev/spillway/internal/deadline"
)

// This file decides when a gate or the retry gives up early: for the lane that is the fallback, or for the job worker
// that made a background call.

// FallbackPatience is how long a call of high priority waits in a gate of its lane at most while another lane would
// take it at once.
const FallbackPatience = 500 * time.Millisecond

// impatient returns ctx for the wait in a gate of the lane. While another lane would take the call it ends soon, for
// calls below high priority after half of FallbackPatience, with the cause of the queue timeout. A background call has
// the time to wait for its own lane.
func impatient(ctx context.Context, call *Call) (_ context.Context, stop func()) {
	if !call.FallbackReady || call.Background {
		return ctx, func() {}
	}
	patience := FallbackPatience
	if call.Priority < High {
		patience /= 2
	}
	c := deadline.New(ctx, time.Now().Add(patience), ErrQueueTimeout)
	return c, c.Stop
}

// quick is the time within which a failure must have come, and the vendor's Retry-After must end, for one more attempt
// while another lane would take the call.
const quick = time.Second

// worthHere reports whether a call that another lane would take now is tried once more where it has failed. That is so
// after the first attempt only, when it failed quickly, and not after a timeout, which has cost the client enough time.
func worthHere(err error, try int, took time.Duration) bool {
	failed, ok := errors.AsType[*VendorError](err)
	return ok && try == 1 && took <= quick && failed.Kind != KindTimeout && failed.RetryAfter <= quick
}

// asksToWait reports whether the vendor is well and said when to come again. A background call then ends at once: the
// code that made it waits, and may do other work meanwhile.
func asksToWait(err error) bool {
	failed, ok := errors.AsType[*VendorError](err)
	return ok && failed.askedToWait()
}
