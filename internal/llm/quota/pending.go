package quota

import (
	"sync"
	"time"
)

// flushAfter is how long a report waits for a booking that carries it. After that the flusher sends it.
const flushAfter = 50 * time.Millisecond

// pending collects the report for Redis. The next booking carries the report in its own round trip. When no booking
// comes, the flusher sends it. It is safe for concurrent use.
type pending struct {
	wake   chan struct{} // the report is no longer empty
	urgent chan struct{} // the report must not wait

	mu       sync.Mutex
	parked   bool      // the flusher waits for wake
	since    time.Time // when the report got its first entry; zero while it is empty
	pauseEnd time.Time // end of the pause that the vendor asked for; zero when it asked for none
	report   *report   // what is collected so far
	reports  sync.Pool
}

func newPending() *pending {
	p := &pending{wake: make(chan struct{}, 1), urgent: make(chan struct{}, 1), parked: true, report: new(report)}
	p.reports.New = func() any { return new(report) }
	return p
}

// add runs f, which adds something to the report, and wakes the flusher.
func (p *pending) add(now time.Time, f func(*report)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f(p.report)
	p.noteLocked(now)
}

// addPause adds a pause that the vendor asked for.
func (p *pending) addPause(now, end time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pauseEnd = latest(p.pauseEnd, end)
	p.noteLocked(now)
}

// noteLocked notes that there is something to report.
func (p *pending) noteLocked(now time.Time) {
	if p.since.IsZero() {
		p.since = now
	}
	if p.parked {
		p.parked = false
		p.wake <- struct{}{} // buffered, and sent once for each time the flusher parks
	}
}

// revert returns to the generation of an answer that is older than the generation known so far.
func (p *pending) revert(generation int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if generation != p.report.generation {
		p.report.begin(generation)
	}
}

// take returns the report and begins a new one. asleep is the number of calls that wait for their start. It returns nil
// when there is nothing to report. The report goes back with release.
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
	next.empty(r.generation)
	p.report, p.since, p.pauseEnd = next, time.Time{}, time.Time{}
	return r
}

// release makes a report that take returned available for reuse.
func (p *pending) release(r *report) {
	if r != nil {
		p.reports.Put(r)
	}
}

// restore adds the part of r again that other pods must not miss, after the script did not answer: the vendor's pause,
// and the bookings from this pod's share. Redis may then count them twice. now is the time of take. Refunds and other
// corrections are not sent again.
func (p *pending) restore(r *report, now time.Time) {
	if r == nil {
		return
	}
	if r.pause > 0 {
		p.addPause(now, now.Add(time.Duration(r.pause)*time.Microsecond))
	}
	if r.returning || r.local > 0 {
		p.add(now, func(next *report) {
			next.returning = next.returning || r.returning
			next.local += r.local
		})
	}
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
