package llm

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"time"
)

// group lets calls of this pod that come while others are being booked share the next round trip: Redis reads and writes the
// state once for all of them, which is most of what a booking costs it. A call that finds the way free goes at once and
// alone, so at a modest rate nobody waits for anybody. Calls are booked in the order in which they came.
//
// There is no goroutine behind it: whoever comes first into the next batch sends it. The zero value is ready; it is safe for
// concurrent use.
type group struct {
	seats sync.Pool

	mu      sync.Mutex
	flying  int     // batches under way
	waiting []*seat // the next batch
}

const (
	maxFlying = 2   // batches under way at a time; further calls gather
	maxBatch  = 128 // calls in one: Redis serves nobody else meanwhile
)

// seat is the place of one call in a batch. Seats are used again.
type seat struct {
	tokens int64
	wait   micros    // longest wait
	turn   chan bool // true: send batch; false: it has been sent, and the answer is here
	batch  []*seat   // that this call has to send
	alone  [1]*seat  // the seat itself

	ruling
	err error
}

func newSeat(tokens int64, wait micros) *seat {
	s := &seat{tokens: tokens, wait: wait, turn: make(chan bool, 1)}
	s.alone[0] = s
	return s
}

// seat returns a seat that should be freed.
func (g *group) seat(tokens int64, wait micros) *seat {
	s, ok := g.seats.Get().(*seat)
	if !ok {
		return newSeat(tokens, wait)
	}
	s.tokens, s.wait, s.err = tokens, wait, nil
	return s
}

func (g *group) free(s *seat) {
	s.batch = nil
	g.seats.Put(s)
}

// book has s sent by send, alone or with others, and returns when its answer is there. send fills in all the seats it gets,
// their errors too.
func (g *group) book(s *seat, send func([]*seat)) {
	batch := g.board(s)
	if batch == nil {
		return
	}
	defer func() { // also when send panics: the others must not wait for ever
		g.land()
		for _, other := range batch {
			if other != s {
				other.turn <- false
			}
		}
	}()
	for _, one := range batch {
		one.err = errPanicked // until send knows better
	}
	send(batch)
}

// board returns the batch that s has to send, or nil when somebody else has sent it.
func (g *group) board(s *seat) []*seat {
	g.mu.Lock()
	if g.flying < maxFlying {
		g.flying++
		g.mu.Unlock()
		return s.alone[:]
	}
	g.waiting = append(g.waiting, s)
	g.mu.Unlock()
	if <-s.turn {
		return s.batch
	}
	return nil
}

// land ends a batch. The first of those who have gathered meanwhile sends the next one.
func (g *group) land() {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := min(len(g.waiting), maxBatch)
	if n == 0 {
		g.flying--
		return
	}
	first := g.waiting[0]
	first.batch = slices.Clone(g.waiting[:n])
	g.waiting = slices.Delete(g.waiting, 0, n)
	first.turn <- true // buffered
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
	s := q.group.seat(tokens, wait)
	defer q.group.free(s)
	q.group.book(s, func(batch []*seat) { q.send(ctx, batch) })
	if s.err != nil {
		return booking{}, ruling{}, s.err
	}
	return q.heard(&s.ruling, tokens, time.Now()), s.ruling, nil
}

// send makes the round trip for batch and takes along what is to be told.
func (q *Quota) send(ctx context.Context, batch []*seat) {
	args := q.pending.take(append(make([]any, 0, 16), pairs(batch)), time.Now(), q.waiting.Load())
	err := q.shared.run(ctx, batch, args)
	for _, s := range batch {
		s.err = err
	}
}
