package llm_test

import (
	"net/http"
	"testing"
	"testing/synctest"

	"github.com/spillway-dev/spillway/internal/llm/llmtest"
)

// TestTheRetryBudgetIsAMetric: the gauge has the loan of a new pod, falls with each retry, and rises with calls that
// succeed; a retry that the budget does not pay for is counted.
func TestTheRetryBudgetIsAMetric(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg := llmtest.Config()
		cfg.Retry.Budget = 0.5
		status := http.StatusInternalServerError
		c := llmtest.Caller(t, cfg, func(*http.Request) (*http.Response, error) {
			return llmtest.Answer(status, nil, "{}"), nil
		})
		metric := func(name, label string) (sum float64) {
			t.Helper()
			families, err := c.Reg.Gather()
			llmtest.OK(t, err)
			for _, f := range families {
				for _, m := range f.GetMetric() {
					if f.GetName() == name && (label == "" || m.GetLabel()[0].GetValue() == label) {
						sum += m.GetGauge().GetValue() + m.GetCounter().GetValue()
					}
				}
			}
			return sum
		}
		call := func() {
			resp, _ := c.Do(t.Context(), llmtest.NewCall())
			resp.Close()
		}
		if got := metric("llm_retry_budget", ""); got != 3 {
			t.Errorf("at the start the budget is %v, want the loan of 3", got)
		}
		call()
		retries, denied := metric("llm_retries_total", ""), metric("llm_retries_denied_total", "budget")
		if got := metric("llm_retry_budget", ""); got != 0 || retries != 3 || denied != 0 {
			t.Errorf("after three retries the budget is %v: %v retries, %v denied", got, retries, denied)
		}
		for range 3 { // a quiet pod makes one all the same
			call()
		}
		if denied := metric("llm_retries_denied_total", "budget"); denied == 0 {
			t.Error("the budget is used up, and no retry was denied for it")
		}
		status = http.StatusOK
		for range 50 {
			call()
		}
		if got := metric("llm_retry_budget", ""); got < 3 {
			t.Errorf("after calls that succeeded the budget is %v", got)
		}
	})
}
