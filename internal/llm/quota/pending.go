package quota

import (
	"sync"
	"time"
)

// flushAfter is how long a report waits for a booking that carries it. After that the flusher sends it.
const flushAfter = 50 * time.Millisecond

// maxMarks limits the refunds of one report. Refunds beyond it are lost, which counts too much rather than too little.
const maxMarks = 256

// pending collects the report for Redis. The next booking carries the report in its own round trip. When no booking
// comes, the flusher sends it. It is safe for concurrent use.
type pending struct {
	wake   chan struct{} // something is there after a quiet time
	urgent chan struct{} // something is there that must not wait

	mu       sync.Mutex
	parked   bool      // the flusher waits for wake
	since    time.Time // of the oldest thing in here; zero when there is none
	pauseEnd time.Time // until when the vendor asked for a pause; zero: it did not
	report   *report   // what is collected so far
	reports  sync.Pool
}

func newPending() *pending {
	p := &pending{wake: make(chan struct{}, 1), urgent: make(chan struct{}, 1), parked: true, report: new(report)}
	p.reports.New = func() any { return new(report) }
	return p
}

// add runs f under the lock and wakes the flusher. f adds something to the report.
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

// refundLocked gives back the booking of a call that was not made.
func (p *pending) refundLocked(b *booking) {
	if !p.acceptsLocked(b.generation) {
		return
	}
	if len(p.report.marks) < maxMarks {
		p.report.marks = append(p.report.marks, b.mark)
	}
	p.correctLocked(b.slice, -b.tokens)
	p.report.pace -= b.cost
}

// settleLocked replaces the estimate of a finished call by the tokens that it used.
func (p *pending) settleLocked(b *booking, used int64, pace micros) {
	if !p.acceptsLocked(b.generation) {
		return
	}
	p.report.estimated += b.tokens
	p.report.used += used
	p.report.pace += pace
	p.correctLocked(b.slice, used-b.tokens)
}

// acceptsLocked reports whether a booking of the generation still belongs in the report. A newer generation drops what
// the report holds of older ones, because Redis has lost their state.
func (p *pending) acceptsLocked(generation int64) bool {
	if generation <= p.report.generation {
		return generation == p.report.generation
	}
	p.switchLocked(generation)
	return true
}

// revert returns to the generation of an answer that is older than the generation known so far.
func (p *pending) revert(generation int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if generation != p.report.generation {
		p.switchLocked(generation)
	}
}

// switchLocked sets the generation of the report and drops what belongs to another one.
func (p *pending) switchLocked(generation int64) {
	p.report.generation = generation
	p.report.marks, p.report.estimated, p.report.used, p.report.pace = p.report.marks[:0], 0, 0, 0
	kept := p.report.corrections[:0]
	for _, c := range p.report.corrections {
		if c.slice == currentSlice {
			kept = append(kept, c)
		}
	}
	p.report.corrections = kept
}

// addLocalLocked adds tokens that were booked from the share, for the time when Redis is back. The sum is at most
// limit, which is what this pod may use in a window.
func (p *pending) addLocalLocked(tokens, limit int64) {
	p.report.returning = true
	p.correctLocked(currentSlice, tokens)
	for i := range p.report.corrections {
		if p.report.corrections[i].slice == currentSlice {
			p.report.corrections[i].tokens = min(p.report.corrections[i].tokens, limit)
		}
	}
}

// correctLocalLocked corrects tokens that addLocalLocked added. It does nothing after the report was taken: the
// correction would then go to another slice.
func (p *pending) correctLocalLocked(tokens int64) {
	for i := range p.report.corrections {
		if p.report.corrections[i].slice == currentSlice {
			p.report.corrections[i].tokens = max(0, p.report.corrections[i].tokens+tokens)
		}
	}
}

func (p *pending) correctLocked(slice, tokens int64) {
	for i := range p.report.corrections {
		if p.report.corrections[i].slice == slice {
			p.report.corrections[i].tokens += tokens
			return
		}
	}
	if tokens != 0 {
		p.report.corrections = append(p.report.corrections, correction{slice, tokens})
	}
}

// take hands over everything and begins a new report. asleep is the number of calls that wait for their start. It
// returns nil when there is nothing to tell. The report goes back with release.
func (p *pending) take(now time.Time, asleep int64) *report {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.since.IsZero() {
		return nil
	}
	r := p.report
	r.asleep = asleep
	if !p.pauseEnd.IsZero() {
		r.pause = max(0, p.pauseEnd.Sub(now).Microseconds())
	}
	next := p.reports.Get().(*report)
	*next = report{generation: r.generation, marks: next.marks[:0], corrections: next.corrections[:0]}
	p.report, p.since, p.pauseEnd = next, time.Time{}, time.Time{}
	return r
}

// release makes a report that take returned available for reuse.
func (p *pending) release(r *report) {
	if r != nil {
		p.reports.Put(r)
	}
}

// restore notes again the part of r that other pods must not miss, after the script did not answer: the vendor's pause,
// that this pod booked locally, and the tokens of those bookings. Redis may then count them twice. now is the time of
// take. Refunds and other corrections are not sent again.
func (p *pending) restore(r *report, now time.Time) {
	if r == nil {
		return
	}
	var local int64
	for _, c := range r.corrections {
		if c.slice == currentSlice {
			local = c.tokens
		}
	}
	if !r.returning && r.pause == 0 && local == 0 {
		return
	}
	p.add(now, func() {
		p.report.returning = p.report.returning || r.returning
		if r.pause > 0 {
			p.pauseEnd = latest(p.pauseEnd, now.Add(time.Duration(r.pause)*time.Microsecond))
		}
		p.correctLocked(currentSlice, local)
	})
}

// hurry makes the flusher send the report at once.
func (p *pending) hurry() {
	select {
	case p.urgent <- struct{}{}:
	default:
	}
}

// due reports whether the report has waited long enough. parked is true when the report is empty: the flusher then
// waits for wake.
func (p *pending) due(now time.Time) (due, parked bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.since.IsZero() {
		p.parked = true
		return false, true
	}
	return now.Sub(p.since) >= flushAfter, false
}
