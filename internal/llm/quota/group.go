package quota

import (
	"context"
	"errors"
	"strconv"
	"time"
)

// bookingTrips is the number of this pod's runs of the script under way at a time. Calls of a pod that come together are booked
// in one: Redis reads and writes the state once for all of them, which is most of what a booking costs it.
const bookingTrips = 8

// seat is the place of one call in a batch. Seats are used again.
type seat struct {
	tokens int64
	wait   micros // longest wait

	ruling
	asked pause // what was known of the vendor's pauses when the script was sent
	err   error
}

// pairs is what quota.lua reads of seats: their tokens and longest waits.
func pairs(seats []*seat) string {
	text := make([]byte, 0, 24*len(seats))
	for _, s := range seats {
		text = append(strconv.AppendInt(text, s.tokens, 10), ' ')
		text = append(strconv.AppendInt(text, s.wait, 10), ' ')
	}
	return string(text)
}

// bookShared books in Redis, in one round trip, which calls that come together share.
func (q *Quota) bookShared(ctx context.Context, tokens int64, wait micros) (booking, ruling, error) {
	s := q.seats.Get().(*seat)
	defer q.seats.Put(s)
	*s = seat{tokens: tokens, wait: wait, err: errNotSent} // until send knows better
	q.group.Join(s, func(batch []*seat) { q.send(ctx, batch) })
	if s.err != nil {
		return booking{}, ruling{}, s.err
	}
	return q.heard(&s.ruling, tokens, s.asked, time.Now()), s.ruling, nil
}

// send makes the round trip for batch and takes along what is to be told.
func (q *Quota) send(ctx context.Context, batch []*seat) {
	now, asked := time.Now(), q.holds.current.Load().pause
	args := q.pending.take(append(make([]any, 0, 16), pairs(batch)), now, q.waiting.Load())
	err := q.shared.run(ctx, batch, args)
	if err != nil {
		q.pending.untold(args, now)
	}
	for _, s := range batch {
		s.asked, s.err = asked, err
	}
}

// errNotSent is the error of a booking until the script has answered.
var errNotSent = errors.New("the booking was not sent")
