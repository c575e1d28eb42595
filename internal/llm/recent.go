package llm

import "time"

// recent holds what the last calls of this pod were like: averages of durations over about the last sixteen attempts,
// and counts over the last one to two periods.
type recent struct {
	avgWait time.Duration // in the gates
	avgTook time.Duration // of vendor exchanges that succeeded

	began     time.Time // of the present period
	now, past counts
}

// counts counts whole calls. The last attempt of a call decides whether it failed.
type counts struct{ calls, failed int }

// period is the length of a period. A call is forgotten after one to two of them.
const period = 10 * time.Second

// enoughForRate is the number of calls below which an error rate says nothing.
const enoughForRate = 5

// wait records how long an attempt was in the gates.
func (r *recent) wait(d time.Duration) { r.avgWait += (d - r.avgWait) / 16 }

// took records how long an exchange took that succeeded.
func (r *recent) took(d time.Duration) { r.avgTook += (d - r.avgTook) / 16 }

// call records how a whole call ended.
func (r *recent) call(now time.Time, failed bool) {
	r.advance(now)
	r.now.calls++
	if failed {
		r.now.failed++
	}
}

// rate is the number of calls a second over the last one to two periods.
func (r *recent) rate(now time.Time) float64 {
	r.advance(now)
	return float64(r.now.calls+r.past.calls) / (now.Sub(r.began) + period).Seconds()
}

// errorRate is the share of the calls that failed, 0 when there are too few to tell.
func (r *recent) errorRate(now time.Time) float64 {
	r.advance(now)
	n := r.now.calls + r.past.calls
	if n < enoughForRate {
		return 0
	}
	return float64(r.now.failed+r.past.failed) / float64(n)
}

// advance begins a new period when the present one is over.
func (r *recent) advance(now time.Time) {
	age := now.Sub(r.began)
	if age < period {
		return
	}
	r.past = r.now
	if age >= 2*period {
		r.past = counts{}
	}
	r.now, r.began = counts{}, now
}
