package llm_test

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spillway-dev/spillway/internal/deadline"
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

// What was saved while the vendor was well does not make a storm when it dies.
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

// A vendor that fails three times in ten, at random, fails hardly a call, however much the budget is in use at once.
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

func TestRetryHeedsRetryAfter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var at []time.Time
		c := llmtest.Caller(t, llmtest.Config(), func(*http.Request) (*http.Response, error) {
			at = append(at, time.Now())
			if len(at) == 1 {
				return llmtest.Answer(http.StatusTooManyRequests, http.Header{"Retry-After": {"7"}}, ""), nil
			}
			return llmtest.Answer(http.StatusOK, nil, `{}`), nil
		})
		resp, err := c.Do(t.Context(), llmtest.NewCall())
		llmtest.OK(t, err)
		resp.Close()
		if len(at) != 2 || at[1].Sub(at[0]) < 7*time.Second {
			t.Errorf("attempts at %v: the second came before the vendor's Retry-After", at)
		}
	})
}

func TestNoRetryThatCannotEndBeforeTheDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := llmtest.Caller(t, llmtest.Config(), func(*http.Request) (*http.Response, error) {
			return llmtest.Answer(http.StatusTooManyRequests, http.Header{"Retry-After": {"100"}}, ""), nil
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start, call := time.Now(), llmtest.NewCall()
		_, err := c.Do(ctx, call)
		failed, isVendor := errors.AsType[*llm.VendorError](err)
		if !isVendor || failed.RetryAfter != 100*time.Second || call.Attempts != 1 {
			t.Errorf("got %v after %d attempts", err, call.Attempts)
		}
		if d := time.Since(start); d != 0 {
			t.Errorf("waited %v for nothing", d)
		}
	})
}

// Sixty seconds of silence: a second attempt after a call timeout of 30 s would be cut short, so it is not made, and
// the client is told what happened and not that the time is over.
func TestNoRetryAfterATimeoutThatCannotBeWhole(t *testing.T) {
	t.Parallel()
	for sla, attempts := range map[time.Duration]int{60 * time.Second: 1, 61 * time.Second: 2} {
		synctest.Test(t, func(t *testing.T) {
			seen := 0
			c := llmtest.Caller(t, llmtest.Config(),
				func(r *http.Request) (*http.Response, error) { seen++; return llmtest.Hang(r) })
			errSLA := llm.TimeoutCause("the SLA deadline")
			ctx, cancel := context.WithTimeoutCause(t.Context(), sla, errSLA)
			defer cancel()
			_, err := c.Do(ctx, llmtest.NewCall())
			failed, isVendor := errors.AsType[*llm.VendorError](err)
			if seen != attempts || !isVendor || failed.Kind != llm.KindTimeout || errors.Is(err, errSLA) {
				t.Errorf("within %v: %d attempts, then %v", sla, seen, err)
			}
		})
	}
}

// What the last attempt died of is told when the SLA ends before another one could reach the vendor.
func TestTheEndOfTheTimeHidesNoVendorFailure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		entered := 0
		full := llmtest.GateFunc(func(ctx context.Context, _ *llm.Call) (func(llm.Result), error) {
			if entered++; entered > 1 {
				<-ctx.Done()
				return nil, llm.Ended(ctx, "full")
			}
			return llm.NoLeave, nil
		})
		c := llmtest.Caller(t, llmtest.Config(), func(*http.Request) (*http.Response, error) {
			return llmtest.Answer(http.StatusBadGateway, nil, ""), nil
		}, llm.Named("full", full))
		ctx, cancel := context.WithTimeoutCause(t.Context(), 3*time.Second, llm.TimeoutCause("the SLA deadline"))
		defer cancel()
		_, err := c.Do(ctx, llmtest.NewCall())
		if failed, isVendor := errors.AsType[*llm.VendorError](err); !isVendor ||
			failed.Status != http.StatusBadGateway {
			t.Errorf("got %v", err)
		}
	})
}

// One caller's 429s with a pause of their own leave the retries of the others alone, and do not count as errors.
func TestPausesOfTheVendorCostNoBudget(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg := llmtest.Config()
		cfg.Retry.Budget = 0.1
		c := llmtest.Caller(t, cfg, func(*http.Request) (*http.Response, error) {
			return llmtest.Answer(http.StatusTooManyRequests, http.Header{"Retry-After": {"1"}}, ""), nil
		})
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

// A pod that is hardly used retries a failure now and then, although its calls pay nearly nothing into the budget.
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

// Retries are never a few milliseconds apart: a delay is at least half of its bound.
func TestRetriesKeepTheirDistance(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg := llmtest.Config()
		cfg.Retry.Max = 1
		for range 50 {
			var at []time.Time
			c := llmtest.Caller(t, cfg, func(*http.Request) (*http.Response, error) {
				at = append(at, time.Now())
				return llmtest.Answer(http.StatusBadGateway, nil, ""), nil
			})
			_, _ = c.Do(t.Context(), llmtest.NewCall())
			if apart := at[1].Sub(at[0]); apart < cfg.Retry.Base/2 || apart > cfg.Retry.Base {
				t.Fatalf("%v apart, the bound is %v", apart, cfg.Retry.Base)
			}
		}
	})
}

func TestWhatIsRetried(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]int{
		http.StatusRequestTimeout: 4, http.StatusTooManyRequests: 4, http.StatusInternalServerError: 4,
		http.StatusBadGateway:         4,
		http.StatusServiceUnavailable: 4, http.StatusGatewayTimeout: 4, 529: 4,
		http.StatusBadRequest: 1, http.StatusUnauthorized: 1, http.StatusForbidden: 1, http.StatusNotFound: 1,
		http.StatusUnprocessableEntity: 1, http.StatusFound: 1,
	} {
		synctest.Test(t, func(t *testing.T) {
			seen := 0
			c := llmtest.Caller(t, llmtest.Config(), func(*http.Request) (*http.Response, error) {
				seen++
				return llmtest.Answer(status, nil, ""), nil
			})
			resp, _ := c.Do(t.Context(), llmtest.NewCall())
			resp.Close()
			if seen != want {
				t.Errorf("status %d: %d attempts, want %d", status, seen, want)
			}
		})
	}
}

// A job goes through Do with the same Call until the vendor has room: each time it has its retries, and a success at
// once gives nothing back to the budget that no retry took.
func TestEveryDoHasItsOwnRetries(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg := llmtest.Config()
		cfg.Retry.Max, cfg.Retry.Budget = 1, 0.1
		var answers []int
		c := llmtest.Caller(t, cfg, func(*http.Request) (*http.Response, error) {
			code := answers[0]
			answers = answers[1:]
			return llmtest.Answer(code, nil, `{}`), nil
		})
		call := llmtest.NewCall()
		for range 2 { // of the three that the budget lends
			answers = []int{500, 500}
			if _, err := c.Do(t.Context(), call); err == nil || len(answers) > 0 {
				t.Fatalf("%v, with %v left", err, answers)
			}
		}
		answers = []int{500, 200}
		_, err := c.Do(t.Context(), call)
		llmtest.OK(t, err)
		before := c.RetryBalance()
		answers = []int{200}
		_, err = c.Do(t.Context(), call)
		llmtest.OK(t, err)
		if more := c.RetryBalance() - before; more >= 1 {
			t.Errorf("a success at once paid %v retries into the budget", more)
		}
	})
}

// A retry that a gate turns away has cost the vendor nothing: the budget has it back, and the call counts as one that
// failed.
func TestARetryThatAGateTurnsAwayIsNotSpent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg := llmtest.Config()
		cfg.Retry.Max, cfg.Retry.Budget = 1, 0.1
		entered := 0
		closes := llmtest.GateFunc(func(context.Context, *llm.Call) (func(llm.Result), error) {
			if entered++; entered%2 == 0 {
				return nil, &outcome.Rejected{Layer: "closed", Reason: outcome.QueueTimeout}
			}
			return llm.NoLeave, nil
		})
		c := llmtest.Caller(t, cfg, func(*http.Request) (*http.Response, error) {
			return llmtest.Answer(500, nil, `{}`),
				nil
		}, llm.Named("closes", closes))
		for range 10 {
			_, err := c.Do(t.Context(), llmtest.NewCall())
			rejection(t, err)
		}
		if balance := c.RetryBalance(); balance < llm.BudgetLoan {
			t.Errorf("%v retries are left of %d", balance, llm.BudgetLoan)
		}
		if calls, failed := c.RecentCalls(); calls != 10 || failed != 10 {
			t.Errorf("counted %d calls, %d failed", calls, failed)
		}
	})
}

// Where no gate makes a call wait, its client may have left unnoticed: that is checked before the vendor is called.
func TestACallWithoutAClientIsNotMade(t *testing.T) {
	t.Parallel()
	var left []llm.Result
	gate := llmtest.GateFunc(func(context.Context, *llm.Call) (func(llm.Result), error) {
		return func(out llm.Result) { left = append(left, out) }, nil
	})
	c := llmtest.Caller(t, llmtest.Config(), func(*http.Request) (*http.Response, error) {
		t.Error("the vendor was called")
		return llmtest.Answer(200, nil, `{}`), nil
	}, llm.Named("g", gate))
	gone := errors.New("the client left")
	ctx, leave := context.WithCancelCause(t.Context())
	leave(gone)
	errSLA := errors.New("SLA")
	late := deadline.New(t.Context(), time.Now().Add(-time.Second), errSLA)
	defer late.Stop()
	for want, ctx := range map[error]context.Context{gone: ctx, errSLA: late} {
		call := llmtest.NewCall()
		if _, err := c.Do(ctx, call); !errors.Is(err, want) || call.Attempts != 0 {
			t.Errorf("%v after %d attempts, want %v", err, call.Attempts, want)
		}
	}
	if len(left) != 2 || left[0].Called || left[1].Called {
		t.Errorf("left the gates with %+v", left)
	}
}

// A client's sink that panics leaves a call that was made.
func TestAPanicInAStreamIsACallThatWasMade(t *testing.T) {
	t.Parallel()
	var left []llm.Result
	gate := llmtest.GateFunc(func(context.Context, *llm.Call) (func(llm.Result), error) {
		return func(out llm.Result) { left = append(left, out) }, nil
	})
	c := llmtest.Caller(t, llmtest.Config(), llmtest.EventStream(func(_ context.Context, w *io.PipeWriter) {
		_, _ = io.WriteString(w, "data: {}\n\ndata: [DONE]\n\n")
		_ = w.Close()
	}), llm.Named("g", gate))
	func() {
		defer func() { _ = recover() }()
		_, _ = c.Do(t.Context(), llmtest.NewStreamCall(panics{}))
	}()
	if len(left) != 1 || !left[0].Called || !errors.Is(left[0].Err, llm.ErrPanicked) {
		t.Errorf("left the gates with %+v", left)
	}
}

type panics struct{}

func (panics) Start(http.Header) error { return nil }

func (panics) Event([]byte) error { panic("sink") }

func rejection(t testing.TB, err error) *outcome.Rejected {
	t.Helper()
	r, rejected := errors.AsType[*outcome.Rejected](err)
	if !rejected {
		t.Fatalf("not a rejection: %v", err)
	}
	return r
}
