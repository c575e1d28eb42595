package llm

import (
	"testing"
	"time"
)

func TestAllowedRetries(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		pod    Conditions
		wait   time.Duration
		errors float64
		want   int
	}{
		"calm":                  {want: 3},
		"breaker open":          {pod: Conditions{BreakerOpen: true}, want: 0},
		"long waits":            {wait: busyWait + 1, want: 0},
		"waits just bearable":   {wait: busyWait, want: 3},
		"slots nearly all used": {pod: Conditions{SlotUse: 0.91}, want: 0},
		"some errors":           {errors: 0.21, want: 2},
		"many errors":           {errors: 0.51, want: 1},
	} {
		if got := allowed(tt.pod, tt.wait, tt.errors, 3); got != tt.want {
			t.Errorf("%s: got %d, want %d", name, got, tt.want)
		}
	}
}

func TestBudgetLendsFirstAndNeverPassesItsShare(t *testing.T) {
	t.Parallel()
	b := newBudget(0.1)
	retries := 0
	for calls := 1; calls <= 1000; calls++ {
		b.deposit(0)
		for b.withdraw(time.Time{}) {
			retries++
		}
		if limit := max(budgetLoan, calls/10); retries > limit {
			t.Fatalf("%d retries after %d calls, more than %d", retries, calls, limit)
		}
	}
	if retries < 22 { // a quarter of the share; the rest is for savings
		t.Errorf("only %d retries were granted over 1000 calls", retries)
	}
}

// What a retry took comes back when it succeeds; a busy pod may save up what its recent calls paid in, and no more.
func TestBudgetIsPaidBackBySuccess(t *testing.T) {
	t.Parallel()
	b := newBudget(0.1)
	for range 1000 {
		b.deposit(0)
	}
	if b.balance != budgetCap {
		t.Errorf("saved %v, want %v", b.balance, budgetCap)
	}
	for range 100 {
		if !b.withdraw(time.Time{}) {
			t.Fatal("a budget that is paid back was used up")
		}
		b.giveBack(0)
	}
	for range 1000 {
		b.reward(500)
	}
	if b.balance != 100 {
		t.Errorf("saved %v at 500 calls a second, want 100", b.balance)
	}
	if b.deposit(0); b.balance != budgetCap {
		t.Errorf("saved %v after the load has gone, want %v", b.balance, budgetCap)
	}
	if off := newBudget(0); off.withdraw(time.Time{}) {
		t.Error("a budget of 0 granted a retry")
	}
}

func TestErrorRateForgets(t *testing.T) {
	t.Parallel()
	var r recent
	now := time.Unix(1000, 0)
	for range 10 {
		r.call(now, true)
	}
	if got := r.errorRate(now.Add(period)); got != 1 {
		t.Errorf("after one period: got %v, want 1", got)
	}
	if got := r.errorRate(now.Add(3 * period)); got != 0 {
		t.Errorf("after three periods: got %v, want 0", got)
	}
}
