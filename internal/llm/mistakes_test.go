package llm_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/llm/llmtest"
	"github.com/spillway-dev/spillway/internal/outcome"
)

// The guide this service follows ends with ten mistakes. Each has its test here, so that none can come back.

// Mistake 1: the retry loop inside the semaphore. A call that waits for its next attempt must not keep others out.
func TestRetryHoldsNoSlotWhileItSleeps(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg := llmtest.Config()
		cfg.Slots = 1
		first := true
		c := llmtest.Caller(t, cfg, func(*http.Request) (*http.Response, error) {
			if first {
				first = false
				return llmtest.Answer(http.StatusTooManyRequests, http.Header{"Retry-After": {"20"}}, ""), nil
			}
			return llmtest.Answer(http.StatusOK, nil, `{}`), nil
		})
		var wg sync.WaitGroup
		wg.Go(func() {
			resp, err := c.Do(t.Context(), llmtest.NewCall())
			resp.Close()
			if err != nil {
				t.Error(err)
			}
		})
		synctest.Wait() // the first call sleeps before its second attempt
		start := time.Now()
		resp, err := c.Do(t.Context(), llmtest.NewCall())
		llmtest.OK(t, err)
		resp.Close()
		if d := time.Since(start); d != 0 {
			t.Errorf("the second call waited %v for a call that was asleep", d)
		}
		wg.Wait()
	})
}

// Mistake 2: no queue timeout. A call that gets no slot is turned away, and not after minutes.
func TestQueueTimeoutTurnsAwayWhatGetsNoSlot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg := llmtest.Config()
		cfg.Slots = 1
		c := llmtest.Caller(t, cfg, llmtest.Hang)
		ctx, hangUp := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = c.Do(ctx, llmtest.NewCall()) })
		synctest.Wait()
		start := time.Now()
		_, err := c.Do(t.Context(), llmtest.NewCall())
		if r, ok := errors.AsType[*outcome.Rejected](err); !ok || r.Reason != outcome.QueueTimeout {
			t.Errorf("got %v", err)
		}
		if d := time.Since(start); d != cfg.QueueTimeout {
			t.Errorf("turned away after %v, want the queue timeout", d)
		}
		hangUp()
		wg.Wait()
	})
}

// Mistake 3: no client timeout. A vendor that never answers costs a call the call timeout, and no more.
func TestCallTimeoutEndsACallThatIsNeverAnswered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg := llmtest.Config()
		cfg.Retry.Max = 0
		c := llmtest.Caller(t, cfg, llmtest.Hang)
		start := time.Now()
		_, err := c.Do(t.Context(), llmtest.NewCall())
		if failed, ok := errors.AsType[*llm.VendorError](err); !ok || failed.Kind != llm.KindTimeout {
			t.Errorf("got %v", err)
		}
		if d := time.Since(start); d != cfg.CallTimeout {
			t.Errorf("given up after %v, want the call timeout", d)
		}
	})
}

// Mistake 4: catching only one kind of timeout. Every way in which a vendor is slow is a vendor timeout, and is
// retried.
func TestEverySlownessOfTheVendorIsAVendorTimeout(t *testing.T) {
	t.Parallel()
	network := &netTimeout{}
	for name, slow := range map[string]llmtest.RoundTrip{
		"connect, TLS or header limit of net/http": func(*http.Request) (*http.Response, error) { return nil, network },
		"the call timeout before the headers":      llmtest.Hang,
		"the call timeout within the body": func(r *http.Request) (*http.Response, error) {
			res := llmtest.Answer(http.StatusOK, nil, "")
			pr, pw := io.Pipe()
			context.AfterFunc(r.Context(), func() { pw.CloseWithError(context.Cause(r.Context())) })
			res.Body, res.ContentLength = pr, -1
			return res, nil
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			attempts := 0
			var first llm.Result
			spy := llmtest.GateFunc(func(context.Context, *llm.Call) (func(llm.Result), error) {
				return func(o llm.Result) {
					if first.Err == nil {
						first = o
					}
				}, nil
			})
			c := llmtest.Caller(t, llmtest.Config(), func(r *http.Request) (*http.Response, error) {
				if attempts++; attempts == 1 {
					return slow(r)
				}
				return llmtest.Answer(http.StatusOK, nil, `{}`), nil
			}, llm.Named("spy", spy))
			resp, err := c.Do(t.Context(), llmtest.NewCall())
			resp.Close()
			failed, isVendor := errors.AsType[*llm.VendorError](first.Err)
			if err != nil || attempts != 2 || !isVendor || failed.Kind != llm.KindTimeout {
				t.Errorf("%s: %d attempts, first ended with %v, the call with %v", name, attempts, first.Err, err)
			}
		})
	}
}

type netTimeout struct{}

func (*netTimeout) Error() string   { return "i/o timeout" }
func (*netTimeout) Timeout() bool   { return true }
func (*netTimeout) Temporary() bool { return true }

// Mistake 5: the limiter inside the semaphore. A call that waits for the limiter holds no slot.
func TestACallThatWaitsForThePacerHoldsNoSlot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg := llmtest.Config()
		cfg.Slots = 1
		cfg.Pacer = llm.PacerConfig{Rate: 1, Burst: 1}
		c := llmtest.Caller(t, cfg, func(*http.Request) (*http.Response,
			error) {
			return llmtest.Answer(http.StatusOK, nil, `{}`), nil
		})
		resp, err := c.Do(t.Context(), llmtest.NewCall()) // uses the burst
		llmtest.OK(t, err)
		resp.Close()
		var wg sync.WaitGroup
		wg.Go(func() {
			resp, err := c.Do(t.Context(), llmtest.NewCall())
			resp.Close()
			if err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		if used, waiting := c.Slots.Used(), c.Slots.Waiting(); used != 0 || waiting != 0 {
			t.Errorf("while a call waits for the pacer %d slots are used and %d calls wait for one", used, waiting)
		}
		wg.Wait()
	})
}

// Mistake 6: primitives made per request, which limit nothing. Calls at the same time share the slots.
func TestCallsAtTheSameTimeShareTheSlots(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		flying, most := 0, 0
		cfg := llmtest.Config()
		c := llmtest.Caller(t, cfg, func(*http.Request) (*http.Response, error) {
			mu.Lock()
			flying++
			most = max(most, flying)
			mu.Unlock()
			time.Sleep(time.Second)
			mu.Lock()
			flying--
			mu.Unlock()
			return llmtest.Answer(http.StatusOK, nil, `{}`), nil
		})
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				resp, err := c.Do(t.Context(), llmtest.NewCall())
				resp.Close()
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if most != cfg.Slots {
			t.Errorf("%d calls in flight at once, want %d", most, cfg.Slots)
		}
	})
}

// Mistake 9: sleeping while holding. A gate that waits has not reserved what comes after it, and a retry that sleeps
// has left every gate.
func TestNothingIsHeldWhileAGateWaitsOrARetrySleeps(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		holding := 0
		spy := llm.Named("spy", llmtest.GateFunc(func(context.Context, *llm.Call) (func(llm.Result), error) {
			holding++
			return func(llm.Result) { holding-- }, nil
		}))
		down := llmtest.Always(http.StatusServiceUnavailable, http.Header{"Retry-After": {"10"}}, "")
		c := llmtest.Caller(t, llmtest.Config(), down, spy)
		ctx, hangUp := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = c.Do(ctx, llmtest.NewCall()) })
		synctest.Wait()
		if holding != 0 || c.Slots.Used() != 0 {
			t.Errorf("asleep before a retry the call holds %d gates and %d slots", holding, c.Slots.Used())
		}
		hangUp()
		wg.Wait()
	})
}

// Mistake 10: retrying a queue timeout. A full pod rejects a call once; to try again would only make it fuller.
func TestAQueueTimeoutIsNotRetried(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		entered := 0
		full := llm.Named("full", llmtest.GateFunc(func(ctx context.Context, _ *llm.Call) (func(llm.Result), error) {
			entered++
			<-ctx.Done()
			return nil, llm.Ended(ctx, "full")
		}))
		c := llmtest.Caller(t, llmtest.Config(), llmtest.Hang, full)
		call := llmtest.NewCall()
		_, err := c.Do(t.Context(), call)
		if r, ok := errors.AsType[*outcome.Rejected](err); !ok || r.Reason != outcome.QueueTimeout || entered != 1 ||
			call.Attempts != 0 {
			t.Errorf("got %v after entering %d times and calling %d times", err, entered, call.Attempts)
		}
	})
}
