package llm

import "time"

// This file records how attempts and calls end, in the retry budget and in the figures of the last calls.

// waited records the time one attempt spent in the gates.
func (r *retry) waited(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.recent.wait(d)
}

// done records how one attempt ended. The first attempt of a call pays into the budget, and pays more when it
// succeeded. A retry that succeeded gives back what it took.
func (r *retry) done(t *tries, took time.Duration, failed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	rate := r.recent.rate(now)
	if t.made == 1 {
		r.budget.deposit(rate)
	}
	switch {
	case failed:
		return
	case t.made == 1:
		r.budget.reward(rate)
	default:
		r.giveBackLocked(t, rate)
	}
	r.recent.took(took)
	r.recent.call(now, false)
}

// giveBackLocked returns what the last retry took from the budget, once.
func (r *retry) giveBackLocked(t *tries, rate float64) {
	if t.paid {
		r.budget.giveBack(rate)
		t.paid = false
	}
}

// balance is how many retries the budget would pay for now.
func (r *retry) balance() float64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return max(0, r.budget.balance)
}

// countFailureLocked counts a call that has failed and is not tried again. A vendor that asked for a pause has not
// failed.
func (r *retry) countFailureLocked(now time.Time, failed *VendorError) {
	if !failed.askedToWait() {
		r.recent.call(now, true)
	}
}

// unused gives back what a retry took that did not reach the vendor. Its call has failed.
func (r *retry) unused(t *tries) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	r.giveBackLocked(t, r.recent.rate(now))
	r.recent.call(now, true)
}
