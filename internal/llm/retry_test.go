package llm_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spillway-dev/spillway/internal/deadline"
	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/llm/llmtest"
)

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
		limited := llmtest.Always(http.StatusTooManyRequests, http.Header{"Retry-After": {"100"}}, "")
		c := llmtest.Caller(t, llmtest.Config(), limited)
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

// The vendor is silent and the SLA is sixty seconds: a second attempt after a call timeout of 30 s would be cut short.
// It is not made, and the error is the vendor's timeout and not the end of the SLA.
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

// A timeout that came long before the call timeout, as that of a connection or of a stream's first event, leaves time
// for another attempt that is as long.
func TestRetryAfterATimeoutThatCameSoon(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		seen := 0
		c := llmtest.Caller(t, llmtest.Config(), func(*http.Request) (*http.Response, error) {
			seen++
			time.Sleep(5 * time.Second)
			return nil, os.ErrDeadlineExceeded
		})
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second) // below the call timeout
		defer cancel()
		_, err := c.Do(ctx, llmtest.NewCall())
		if failed, isVendor := errors.AsType[*llm.VendorError](err); seen != 2 || !isVendor ||
			failed.Kind != llm.KindTimeout {
			t.Errorf("%d attempts, then %v", seen, err)
		}
	})
}

// When the SLA ends before another attempt reaches the vendor, the error is that of the last attempt that did.
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
		bad := llmtest.Always(http.StatusBadGateway, nil, "")
		c := llmtest.Caller(t, llmtest.Config(), bad, llm.Named("full", full))
		ctx, cancel := context.WithTimeoutCause(t.Context(), 3*time.Second, llm.TimeoutCause("the SLA deadline"))
		defer cancel()
		_, err := c.Do(ctx, llmtest.NewCall())
		if failed, isVendor := errors.AsType[*llm.VendorError](err); !isVendor ||
			failed.Status != http.StatusBadGateway {
			t.Errorf("got %v", err)
		}
	})
}

// A stream that a second attempt has begun, and that ends after the SLA, ends for its own reason, not for the failure
// of the first attempt.
func TestTheEndOfAStreamIsToldAfterARetry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		stalls := llmtest.EventStream(func(ctx context.Context, w *io.PipeWriter) {
			_, _ = io.WriteString(w, "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n")
			<-ctx.Done()
		})
		c := llmtest.Caller(t, llmtest.Config(), func(r *http.Request) (*http.Response, error) {
			if asked++; asked == 1 {
				return llmtest.Answer(http.StatusServiceUnavailable, nil, ""), nil
			}
			return stalls(r)
		})
		ctx := deadline.New(t.Context(), time.Now().Add(3*time.Second), llm.TimeoutCause("the SLA deadline"))
		defer ctx.Stop()
		_, err := c.Do(ctx, llmtest.NewStreamCall(&llmtest.Events{}))
		if failed, isVendor := errors.AsType[*llm.VendorError](err); !isVendor || failed.Kind != llm.KindIdle {
			t.Errorf("after %d attempts: %v", asked, err)
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
