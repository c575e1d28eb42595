package quota

import (
	"context"
	"errors"
	"time"
)

// bookingTrips is the number of runs of the script that this pod has under way at a time. Calls that come together
// share one run: Redis then reads and writes the state once for all of them, which is most of what a booking costs it.
const bookingTrips = 8

// entry is one request of a batch, with its answer. Entries are reused.
type entry struct {
	request
	ruling
	asked pause // the vendor's pause as this pod knew it when the script was sent
	err   error
}

// bookShared books in Redis. Calls that come together share the round trip.
func (q *Quota) bookShared(ctx context.Context, r request) (booking, ruling, error) {
	e := q.entries.Get().(*entry)
	defer q.entries.Put(e)
	*e = entry{request: r, err: errNotSent} // send replaces the error
	q.batches.Join(e, func(batch []*entry) { q.send(ctx, batch) })
	if e.err != nil {
		return booking{}, ruling{}, e.err
	}
	return q.accept(&e.ruling, r.tokens, e.asked, time.Now()), e.ruling, nil
}

// send makes the round trip for batch, and carries the pending report.
func (q *Quota) send(ctx context.Context, batch []*entry) {
	now, asked := time.Now(), q.pauses.current.Load().pause
	r := q.pending.take(now, q.asleep.Load())
	err := q.shared.run(ctx, batch, r)
	if err != nil {
		q.pending.restore(r, now)
	}
	q.pending.release(r)
	for _, e := range batch {
		e.asked, e.err = asked, err
	}
}

// errNotSent is the error of a booking until the script has answered.
var errNotSent = errors.New("the booking was not sent")
