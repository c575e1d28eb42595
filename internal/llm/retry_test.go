package llm

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

func TestAllowedRetries(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		pod    conditions
		wait   time.Duration
		errors float64
		want   int
	}{
		"calm":                  {want: 3},
		"breaker open":          {pod: conditions{breakerOpen: true}, want: 0},
		"long waits":            {wait: busyWait + 1, want: 0},
		"waits just bearable":   {wait: busyWait, want: 3},
		"slots nearly all used": {pod: conditions{slotUse: 0.91}, want: 0},
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
		b.deposit()
		for b.withdraw() {
			retries++
		}
		if limit := max(budgetLoan, calls/10); retries > limit {
			t.Fatalf("%d retries after %d calls, more than %d", retries, calls, limit)
		}
	}
	if retries < 95 {
		t.Errorf("only %d retries were granted over 1000 calls", retries)
	}
}

// A dead vendor sees at most 1.1 times the load.
func TestRetryAmplificationAgainstADeadVendor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg := localConfig()
		cfg.Retry.Budget = 0.1
		seen := 0
		c := localCaller(t, cfg, func(*http.Request) (*http.Response, error) {
			seen++
			return answer(http.StatusInternalServerError, nil, ""), nil
		})
		const calls = 1000
		for range calls {
			if _, err := c.Do(t.Context(), newCall()); err == nil {
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

func TestRetryHeedsRetryAfter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var at []time.Time
		c := localCaller(t, localConfig(), func(*http.Request) (*http.Response, error) {
			at = append(at, time.Now())
			if len(at) == 1 {
				return answer(http.StatusTooManyRequests, http.Header{"Retry-After": {"7"}}, ""), nil
			}
			return answer(http.StatusOK, nil, `{}`), nil
		})
		resp, err := c.Do(t.Context(), newCall())
		ok(t, err)
		resp.Close()
		if len(at) != 2 || at[1].Sub(at[0]) < 7*time.Second {
			t.Errorf("attempts at %v: the second came before the vendor's Retry-After", at)
		}
	})
}

func TestNoRetryThatCannotEndBeforeTheDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := localCaller(t, localConfig(), func(*http.Request) (*http.Response, error) {
			return answer(http.StatusTooManyRequests, http.Header{"Retry-After": {"100"}}, ""), nil
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start, call := time.Now(), newCall()
		_, err := c.Do(ctx, call)
		failed, isVendor := errors.AsType[*VendorError](err)
		if !isVendor || failed.RetryAfter != 100*time.Second || call.Attempts != 1 {
			t.Errorf("got %v after %d attempts", err, call.Attempts)
		}
		if d := time.Since(start); d != 0 {
			t.Errorf("waited %v for nothing", d)
		}
	})
}

func TestWhatIsRetried(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]int{
		http.StatusRequestTimeout: 4, http.StatusTooManyRequests: 4, http.StatusInternalServerError: 4, http.StatusBadGateway: 4,
		http.StatusServiceUnavailable: 4, http.StatusGatewayTimeout: 4, 529: 4,
		http.StatusBadRequest: 1, http.StatusUnauthorized: 1, http.StatusForbidden: 1, http.StatusNotFound: 1,
		http.StatusUnprocessableEntity: 1, http.StatusFound: 1,
	} {
		synctest.Test(t, func(t *testing.T) {
			seen := 0
			c := localCaller(t, localConfig(), func(*http.Request) (*http.Response, error) {
				seen++
				return answer(status, nil, ""), nil
			})
			resp, _ := c.Do(t.Context(), newCall())
			resp.Close()
			if seen != want {
				t.Errorf("status %d: %d attempts, want %d", status, seen, want)
			}
		})
	}
}

func TestErrorRateForgets(t *testing.T) {
	t.Parallel()
	var r recent
	now := time.Unix(1000, 0)
	for range 10 {
		r.attempt(now, 0, true)
	}
	if got := r.errorRate(now.Add(period)); got != 1 {
		t.Errorf("after one period: got %v, want 1", got)
	}
	if got := r.errorRate(now.Add(3 * period)); got != 0 {
		t.Errorf("after three periods: got %v, want 0", got)
	}
}
