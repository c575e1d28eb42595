package llm

import "time"

// budget caps retries at a share of calls. Every call pays in the share, every retry takes out one. A new budget lends
// a few retries, so that the first failure after a start is not fatal; the calls that follow pay the loan back first, so
// that over the first calls too no more than the share is retried.
type budget struct {
	share   float64
	balance float64
	loan    float64
}

const (
	budgetLoan = 3  // retries lent at the start
	budgetCap  = 10 // retries that can be saved up
)

func newBudget(share float64) budget {
	if share == 0 {
		return budget{}
	}
	return budget{share: share, balance: budgetLoan, loan: budgetLoan}
}

func (b *budget) deposit() {
	if b.loan > 0 {
		b.loan -= b.share
		return
	}
	b.balance = min(budgetCap, b.balance+b.share)
}

func (b *budget) withdraw() bool {
	if b.balance < 1-1e-9 {
		return false
	}
	b.balance--
	return true
}

// recent is what the last attempts of this pod were like: moving averages, and counts over the last one to two periods.
// Durations average over about the last sixteen.
type recent struct {
	avgWait time.Duration // in the gates
	avgTook time.Duration // of vendor exchanges that succeeded

	began     time.Time // of the present period
	now, past counts
}

type counts struct{ attempts, failed int }

// period is the time after which an attempt counts as old, and after twice of which it is forgotten.
const period = 10 * time.Second

// enough is the number of attempts below which an error rate says nothing.
const enough = 5

func (r *recent) wait(d time.Duration) { r.avgWait += (d - r.avgWait) / 16 }

func (r *recent) attempt(now time.Time, took time.Duration, failed bool) {
	r.turn(now)
	r.now.attempts++
	if failed {
		r.now.failed++
		return
	}
	r.avgTook += (took - r.avgTook) / 16
}

func (r *recent) errorRate(now time.Time) float64 {
	r.turn(now)
	n := r.now.attempts + r.past.attempts
	if n < enough {
		return 0
	}
	return float64(r.now.failed+r.past.failed) / float64(n)
}

// turn begins a new period when the present one is over.
func (r *recent) turn(now time.Time) {
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
