package quota

import (
	"context"
	"errors"
	"time"
)

// bookingTrips is the number of runs of the script that this pod has under way at a time. Calls that come together
// share one run: Redis then reads and writes the state once for all of them, which is most of what a booking costs it.
const bookingTrips = 8

// attempt is one request of a batch, with its answer. Attempts are reused.
type attempt struct {
	request
	ruling
	asked pause // what this pod knew of the vendor's pauses when the script was sent
	err   error
}

// bookShared books in Redis. Calls that come together share the round trip.
func (q *Quota) bookShared(ctx context.Context, r request) (booking, ruling, error) {
	a := q.attempts.Get().(*attempt)
	defer q.attempts.Put(a)
	*a = attempt{request: r, err: errNotSent} // send replaces the error
	q.batches.Join(a, func(batch []*attempt) { q.send(ctx, batch) })
	if a.err != nil {
		return booking{}, ruling{}, a.err
	}
	return q.accept(&a.ruling, r.tokens, a.asked, time.Now()), a.ruling, nil
}

// send makes the round trip for batch, and carries the pending report.
func (q *Quota) send(ctx context.Context, batch []*attempt) {
	now, asked := time.Now(), q.pauses.current.Load().pause
	r := q.pending.take(now, q.waiting.Load())
	err := q.shared.run(ctx, batch, r)
	if err != nil {
		q.pending.restore(r, now)
	}
	q.pending.release(r)
	for _, a := range batch {
		a.asked, a.err = asked, err
	}
}

// errNotSent is the error of a booking until the script has answered.
var errNotSent = errors.New("the booking was not sent")
