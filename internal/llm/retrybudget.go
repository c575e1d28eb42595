package llm

import "time"

// budget caps retries at a share of calls. Every call pays in a quarter of the share, and three times the share when it
// succeeds at once. A retry takes one out, and gives it back when it succeeds. While the vendor is down nothing
// succeeds, and it sees at most 1 + share times the load: a quarter of the share from the calls of that time, and the
// rest from what was saved before. When the vendor fails now and then, the calls that succeed pay for as many retries
// as are needed.
//
// A new budget lends a few retries, so that the first calls after a start are retried too. The calls that follow pay
// the loan back first, so that no more than the share is retried over the first calls either.
type budget struct {
	share   float64
	balance float64
	loan    float64

	spare   float64   // retries that a quiet pod may make although the balance is used up
	spareAt time.Time // when spare was brought up to date
}

// spareRate is how many retries a second a pod may make without a balance, one at a time, so that at low traffic too a
// rare failure is retried. It is far below the share at any load that could harm a vendor.
const spareRate = 0.2

const (
	budgetLoan = 3        // retries lent at the start
	whole      = 1 - 1e-9 // one retry, less the error of adding up parts of one
	// Retries that every pod can save. A busy pod may save more, because more of its calls fail at once.
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

// giveBack pays in again what a retry took that succeeded.
func (b *budget) giveBack(rate float64) {
	if b.share > 0 {
		b.add(1, rate)
	}
}

// add saves n, up to what two seconds of calls would pay.
func (b *budget) add(n, rate float64) {
	b.balance = min(max(budgetCap, 2*rate*b.share), b.balance+n)
}

// withdraw takes one retry out, from the balance or else from the spare ones. It reports whether there was one.
func (b *budget) withdraw(now time.Time) bool {
	if b.share == 0 {
		return false
	}
	b.spare = min(1, b.spare+max(0, now.Sub(b.spareAt).Seconds())*spareRate)
	b.spareAt = now
	switch {
	case b.balance >= whole:
		b.balance--
	case b.spare >= whole:
		b.spare = 0
	default:
		return false
	}
	return true
}
