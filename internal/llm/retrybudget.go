package llm

import "time"

// budget caps retries at a share of calls. Every call pays in a quarter of the share, and three times the share when
// it succeeds at once. A retry takes one out, and gives it back when it succeeds. So a dead vendor, where nothing
// succeeds, sees at most 1 + share times the load, while behind one that fails now and then what succeeds pays for as
// many retries as are needed. The rest of the share is for what was saved up before the vendor died.
//
// A new budget lends a few retries, so that the first failure after a start is not fatal; the calls that follow pay the
// loan back first, so that over the first calls too no more than the share is retried.
type budget struct {
	share   float64
	balance float64
	loan    float64

	spare   float64   // retries a quiet pod has in any case, when the balance is used up
	spareAt time.Time // when spare was brought up to date
}

// spareRate is how many retries a second a pod may make in any case, one at a time, so that a failure now and then is
// retried at low traffic too. It is far below the share of any load at which a vendor could suffer from it.
const spareRate = 0.2

const (
	budgetLoan = 3 // retries lent at the start
	// Retries that can be saved up in any case; a busy pod may save more, since more are under way at once.
	budgetCap = 20
)

func newBudget(share float64) budget {
	if share == 0 {
		return budget{}
	}
	return budget{share: share, balance: budgetLoan, loan: budgetLoan}
}

// deposit pays in for one call, before it is known how it ends; rate is how many calls there are a second.
func (b *budget) deposit(rate float64) {
	if b.loan > 0 {
		b.loan -= b.share / 4
		return
	}
	b.add(b.share/4, rate)
}

// reward pays in more for a call that succeeded at once.
func (b *budget) reward(rate float64) { b.add(3*b.share, rate) }

// giveBack returns what a retry took that succeeded.
func (b *budget) giveBack(rate float64) {
	if b.share > 0 {
		b.add(1, rate)
	}
}

// add saves n, up to what two seconds of calls would pay.
func (b *budget) add(n, rate float64) {
	b.balance = min(max(budgetCap, 2*rate*b.share), b.balance+n)
}

// withdraw takes one retry out, from the balance or else from the spare ones.
func (b *budget) withdraw(now time.Time) bool {
	if b.share == 0 {
		return false
	}
	b.spare = min(1, b.spare+max(0, now.Sub(b.spareAt).Seconds())*spareRate)
	b.spareAt = now
	switch {
	case b.balance >= 1-1e-9:
		b.balance--
	case b.spare >= 1-1e-9:
		b.spare = 0
	default:
		return false
	}
	return true
}

// recent is what the last calls of this pod were like: moving averages, and counts over the last one to two periods.
// Durations average over about the last sixteen attempts.
type recent struct {
	avgWait time.Duration // in the gates
	avgTook time.Duration // of vendor exchanges that succeeded

	began     time.Time // of the present period
	now, past counts
}

// counts are of whole calls, whose last attempt decides: a failure that a retry mended is not one.
type counts struct{ calls, failed int }

// period is the time after which a call counts as old, and after twice of which it is forgotten.
const period = 10 * time.Second

// enough is the number of calls below which an error rate says nothing.
const enough = 5

func (r *recent) wait(d time.Duration) { r.avgWait += (d - r.avgWait) / 16 }

// took records how long an exchange took that succeeded.
func (r *recent) took(d time.Duration) { r.avgTook += (d - r.avgTook) / 16 }

// call records how a whole call ended.
func (r *recent) call(now time.Time, failed bool) {
	r.turn(now)
	r.now.calls++
	if failed {
		r.now.failed++
	}
}

// rate is the number of calls a second over the last one to two periods.
func (r *recent) rate(now time.Time) float64 {
	r.turn(now)
	return float64(r.now.calls+r.past.calls) / (now.Sub(r.began) + period).Seconds()
}

// errorRate is the share of those that failed, 0 when there are too few to tell.
func (r *recent) errorRate(now time.Time) float64 {
	r.turn(now)
	n := r.now.calls + r.past.calls
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
