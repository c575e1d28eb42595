package quota

import (
	"sync"
	"time"
)

// flushAfter is how long what is to tell Redis waits for a booking that takes it along.
const flushAfter = 50 * time.Millisecond

// maxMarks bounds the refunds that one message carries; what is over is not given back.
const maxMarks = 256

// pending collects what finished calls have to tell Redis, until the next booking takes it along in its own round trip,
// or the flusher does when none comes. It is safe for concurrent use.
type pending struct {
	wake   chan struct{} // something is there after a quiet time
	urgent chan struct{} // something is there that must not wait

	mu         sync.Mutex
	parked     bool      // the flusher waits for wake
	since      time.Time // of the oldest thing in here; zero when there is none
	generation int64     // of the state that marks and slices are about
	marks      []int64
	changes    []change // merged by slice
	estimated  int64
	used       int64
	pace       micros
	hold       time.Time // until when the vendor asked for a pause; zero: it did not
	returning  bool      // this pod has worked alone
}

// change is a correction of one slice of the ledger. Slice 0 is whatever slice is the current one.
type change struct {
	slice, tokens int64
}

func newPending() *pending {
	return &pending{wake: make(chan struct{}, 1), urgent: make(chan struct{}, 1), parked: true}
}

// add runs f, which notes something, under the lock and sees to it that the flusher looks.
func (p *pending) add(now time.Time, f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
	if p.since.IsZero() {
		p.since = now
	}
	if p.parked {
		p.parked = false
		p.wake <- struct{}{} // buffered, and sent once for each time the flusher parks
	}
}

// refundLocked gives a booked call back that was not made.
func (p *pending) refundLocked(b *booking) {
	if !p.ofLocked(b.generation) {
		return
	}
	if len(p.marks) < maxMarks {
		p.marks = append(p.marks, b.mark)
	}
	p.changeLocked(b.slice, -b.tokens)
	p.pace -= b.cost
}

// settleLocked corrects a finished call's tokens from the estimate to what was used.
func (p *pending) settleLocked(b *booking, used int64, pace micros) {
	if !p.ofLocked(b.generation) {
		return
	}
	p.estimated += b.tokens
	p.used += used
	p.pace += pace
	p.changeLocked(b.slice, used-b.tokens)
}

// ofLocked forgets what was about an older state than generation, because Redis has forgotten it too, and reports whether
// generation itself is still of use.
func (p *pending) ofLocked(generation int64) bool {
	if generation <= p.generation {
		return generation == p.generation
	}
	p.aboutLocked(generation)
	return true
}

// goBack says that an older state than the one known is Redis's state again.
func (p *pending) goBack(generation int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if generation != p.generation {
		p.aboutLocked(generation)
	}
}

// aboutLocked drops what is about another state than generation.
func (p *pending) aboutLocked(generation int64) {
	p.generation = generation
	p.marks, p.estimated, p.used, p.pace = p.marks[:0], 0, 0, 0
	kept := p.changes[:0]
	for _, c := range p.changes {
		if c.slice == 0 {
			kept = append(kept, c)
		}
	}
	p.changes = kept
}

// aloneLocked notes tokens that were booked without Redis, for when it is back: at most limit, which is what this pod may
// use in a window.
func (p *pending) aloneLocked(tokens, limit int64) {
	p.returning = true
	p.changeLocked(0, tokens)
	for i := range p.changes {
		if p.changes[i].slice == 0 {
			p.changes[i].tokens = min(p.changes[i].tokens, limit)
		}
	}
}

// settleAloneLocked corrects them, as long as Redis has not been told: later it would correct another slice.
func (p *pending) settleAloneLocked(tokens int64) {
	for i := range p.changes {
		if p.changes[i].slice == 0 {
			p.changes[i].tokens = max(0, p.changes[i].tokens+tokens)
		}
	}
}

func (p *pending) changeLocked(slice, tokens int64) {
	for i := range p.changes {
		if p.changes[i].slice == slice {
			p.changes[i].tokens += tokens
			return
		}
	}
	if tokens != 0 {
		p.changes = append(p.changes, change{slice, tokens})
	}
}

// take appends everything to the arguments of quota.lua and forgets it. asleep is the number of calls that wait for their
// booked start. Nothing is appended when there is nothing to tell.
func (p *pending) take(args []any, now time.Time, asleep int64) []any {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.since.IsZero() {
		return args
	}
	var returning, hold int64
	if p.returning {
		returning = 1 + asleep
	}
	if !p.hold.IsZero() {
		hold = max(0, p.hold.Sub(now).Microseconds())
	}
	args = append(args, returning, hold, p.generation, p.estimated, p.used, p.pace, len(p.marks))
	for _, mark := range p.marks {
		args = append(args, mark)
	}
	for _, c := range p.changes {
		args = append(args, c.slice, c.tokens)
	}
	p.since, p.hold, p.returning = time.Time{}, time.Time{}, false
	p.marks, p.changes, p.estimated, p.used, p.pace = p.marks[:0], p.changes[:0], 0, 0, 0
	return args
}

// untold notes again what take gave away in args at the time now, when the script did not answer, as far as others must not miss
// it: the vendor's pause, that this pod worked alone, and the tokens it used meanwhile. That may be counted twice then. Refunds and
// corrections are not told twice.
func (p *pending) untold(args []any, now time.Time) {
	if len(args) <= 1 {
		return
	}
	returning, hold, alone := args[1].(int64), args[2].(int64), int64(0)
	for i := 8 + args[7].(int); i < len(args); i += 2 {
		if args[i].(int64) == 0 {
			alone = args[i+1].(int64)
		}
	}
	if returning == 0 && hold == 0 && alone == 0 {
		return
	}
	p.add(now, func() {
		p.returning = p.returning || returning > 0
		if hold > 0 {
			p.hold = later(p.hold, now.Add(time.Duration(hold)*time.Microsecond))
		}
		p.changeLocked(0, alone)
	})
}

// hurry lets the flusher act now.
func (p *pending) hurry() {
	select {
	case p.urgent <- struct{}{}:
	default:
	}
}

// due tells whether what is here has waited long enough. When there is nothing it reports that the flusher may park.
func (p *pending) due(now time.Time) (due, parked bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.since.IsZero() {
		p.parked = true
		return false, true
	}
	return now.Sub(p.since) >= flushAfter, false
}
