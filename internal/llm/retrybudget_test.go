package llm_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/llm/llmtest"
	"github.com/spillway-dev/spillway/internal/outcome"
)

// A dead vendor sees at most 1.1 times the load.
func TestRetryAmplificationAgainstADeadVendor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg := llmtest.Config()
		cfg.Retry.Budget = 0.1
		seen := 0
		c := llmtest.Caller(t, cfg, func(*http.Request) (*http.Response, error) {
			seen++
			return llmtest.Answer(http.StatusInternalServerError, nil, ""), nil
		})
		const calls = 1000
		for range calls {
			if _, err := c.Do(t.Context(), llmtest.NewCall()); err == nil {
				t.Fatal("a dead vendor answered")
			}
		}
		if ratio := float64(seen) / calls; ratio > 1.1 {
			t.Errorf("the vendor saw %.3f times the load", ratio)
		}
		if seen <= calls {
			t.Errorf("nothing was retried at all: %d attempts for %d calls", seen, calls)
		}
	})
}

// Retries that were saved while the vendor was well do not flood it when it fails.
func TestSavedRetriesAreNoStorm(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg := llmtest.Config()
		cfg.Retry.Budget = 0.1
		status, seen := http.StatusOK, 0
		c := llmtest.Caller(t, cfg, func(*http.Request) (*http.Response, error) {
			seen++
			return llmtest.Answer(status, nil, "{}"), nil
		})
		const calls = 1000
		for _, status = range []int{http.StatusOK, http.StatusInternalServerError} {
			seen = 0
			for range calls {
				resp, _ := c.Do(t.Context(), llmtest.NewCall())
				resp.Close()
				time.Sleep(20 * time.Millisecond)
			}
		}
		if ratio := float64(seen) / calls; ratio > 1.1 || ratio <= 1 {
			t.Errorf("the dead vendor saw %.3f times the load", ratio)
		}
	})
}

// When three of ten attempts fail at random, hardly a call fails, also when many retries are under way at once.
func TestRetriesMendWhatFailsNowAndThen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg := llmtest.Config()
		cfg.Retry.Budget = 0.1
		cfg.Breaker.Failures = 1 << 30
		random := rand.New(rand.NewPCG(1, 2))
		seen := 0
		c := llmtest.Caller(t, cfg, func(*http.Request) (*http.Response, error) {
			seen++
			if random.Float64() < 0.3 {
				return llmtest.Answer(http.StatusBadGateway, nil, ""), nil
			}
			return llmtest.Answer(http.StatusOK, nil, `{}`), nil
		})
		const calls = 20000
		var wg sync.WaitGroup
		var lost atomic.Int64
		for range calls {
			wg.Go(func() {
				resp, err := c.Do(t.Context(), llmtest.NewCall())
				resp.Close()
				if err != nil {
					lost.Add(1)
				}
			})
			time.Sleep(2 * time.Millisecond) // of the bubble's clock: 500 calls a second
			synctest.Wait()                  // one at a time, so that each run draws the same
		}
		wg.Wait()
		if share := float64(lost.Load()) / calls; share > 0.01 {
			t.Errorf("%.2f %% of the calls failed", 100*share)
		}
		if ratio := float64(seen) / calls; ratio > 1.5 {
			t.Errorf("the vendor saw %.2f times the load", ratio)
		}
	})
}

// A user's 429s with a Retry-After do not use up the retries of other users, and do not count as errors.
func TestPausesOfTheVendorCostNoBudget(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg := llmtest.Config()
		cfg.Retry.Budget = 0.1
		c := llmtest.Caller(t, cfg, llmtest.Always(http.StatusTooManyRequests, http.Header{"Retry-After": {"1"}}, ""))
		for range 20 {
			_, err := c.Do(t.Context(), llmtest.NewCall())
			if failed, isVendor := errors.AsType[*llm.VendorError](err); !isVendor || failed.Attempts != 1+
				cfg.Retry.Max {
				t.Fatalf("got %v", err)
			}
		}
		if balance := c.RetryBalance(); balance < llm.BudgetLoan {
			t.Errorf("%v retries are left", balance)
		}
		if _, failed := c.RecentCalls(); failed != 0 {
			t.Errorf("%d calls count as failed", failed)
		}
	})
}

// A pod with little traffic retries a failure now and then, although its calls pay nearly nothing into the budget.
func TestAQuietPodRetriesAFailureNowAndThen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg := llmtest.Config()
		cfg.Retry.Budget, cfg.Retry.Max = 0.01, 1
		attempts := 0
		c := llmtest.Caller(t, cfg, func(*http.Request) (*http.Response, error) {
			attempts++
			return llmtest.Answer(http.StatusBadGateway, nil, ""), nil
		})
		const calls = 50
		for range calls {
			_, _ = c.Do(t.Context(), llmtest.NewCall())
			time.Sleep(10 * time.Second)
		}
		if attempts != 2*calls {
			t.Errorf("%d attempts of %d calls, want one retry each", attempts, calls)
		}
	})
}

// A retry that does not get through the gates has cost the vendor nothing, whether a gate turns it away or its time
// ends there: the budget has it back, and the call counts as one that failed.
func TestARetryThatReachesNoVendorIsNotSpent(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(context.Context) error{
		"a gate turns it away": func(context.Context) error {
			return &outcome.Rejected{Layer: "closed", Reason: outcome.QueueTimeout}
		},
		"its time ends in a gate": func(ctx context.Context) error {
			<-ctx.Done()
			return llm.Ended(ctx, "closed")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				cfg := llmtest.Config()
				cfg.Retry.Max, cfg.Retry.Budget = 1, 0.1
				entered := 0
				closes := llmtest.GateFunc(func(ctx context.Context, _ *llm.Call) (func(llm.Result), error) {
					if entered++; entered%2 == 0 {
						return nil, end(ctx)
					}
					return llm.NoLeave, nil
				})
				c := llmtest.Caller(t, cfg, llmtest.Always(500, nil, `{}`), llm.Named("closes", closes))
				for range 10 {
					ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
					if _, err := c.Do(ctx, llmtest.NewCall()); err == nil {
						t.Error("a call was served")
					}
					cancel()
				}
				if balance := c.RetryBalance(); balance < llm.BudgetLoan {
					t.Errorf("%v retries are left of %d", balance, llm.BudgetLoan)
				}
				if calls, failed := c.RecentCalls(); calls != 10 || failed != 10 {
					t.Errorf("counted %d calls, %d failed", calls, failed)
				}
			})
		})
	}
}
