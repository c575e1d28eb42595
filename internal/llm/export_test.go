package llm

// BudgetLoan is the number of retries that a new budget lends.
const BudgetLoan = budgetLoan

// RetryBalance is the number of retries that are left in the budget.
func (c *Caller) RetryBalance() float64 { return c.retry.budget.balance }

// RecentCalls are the calls of the present period, and those among them that failed.
func (c *Caller) RecentCalls() (calls, failed int) {
	return c.retry.recent.now.calls, c.retry.recent.now.failed
}

// TimeoutCause is the cause of a timeout, for tests that need one of their own.
func TimeoutCause(text string) error { return timeoutCause(text) }

// ErrPanicked is how an attempt ends that panicked.
var ErrPanicked = errPanicked
