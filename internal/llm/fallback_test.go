package llm_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/llm/llmtest"
	"github.com/spillway-dev/spillway/internal/outcome"
)

// TestOneQuickRetryBeforeAnotherLane: a call that another lane would take is tried once more where it failed, when the
// failure came quickly. Without another lane it is tried as often as ever.
func TestOneQuickRetryBeforeAnotherLane(t *testing.T) {
	t.Parallel()
	after := func(d time.Duration, status int, header ...string) llmtest.RoundTrip {
		return func(*http.Request) (*http.Response, error) {
			time.Sleep(d)
			h := http.Header{}
			for i := 0; i < len(header); i += 2 {
				h.Set(header[i], header[i+1])
			}
			return llmtest.Answer(status, h, ""), nil
		}
	}
	for name, c := range map[string]struct {
		vendor           llmtest.RoundTrip
		elsewhere, alone int // attempts
	}{
		"a quick 500":                  {after(time.Millisecond, 500), 2, 4},
		"a 500 after a second":         {after(1001*time.Millisecond, 500), 1, 4},
		"a quick 529":                  {after(time.Millisecond, 529), 2, 4},
		"a 429 with a short wait":      {after(time.Millisecond, 429, "Retry-After", "1"), 2, 4},
		"a 429 with a longer wait":     {after(time.Millisecond, 429, "Retry-After", "2"), 1, 4},
		"a key that is refused":        {after(time.Millisecond, 401), 1, 1},
		"a vendor that wants no retry": {after(time.Millisecond, 500, "X-Should-Retry", "false"), 1, 1},
		"a timeout":                    {llmtest.Hang, 1, 4},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, elsewhere := range []bool{true, false} {
				synctest.Test(t, func(t *testing.T) {
					call := llmtest.NewCall()
					call.FallbackReady = elsewhere
					_, err := llmtest.Caller(t, llmtest.Config(), c.vendor).Do(t.Context(), call)
					if want := map[bool]int{true: c.elsewhere, false: c.alone}[elsewhere]; call.Attempts != want {
						t.Errorf("elsewhere %t: %d attempts, want %d; %v", elsewhere, call.Attempts, want, err)
					}
				})
			}
		})
	}
}

// TestNoLongWaitInAGateWhileAnotherLaneWouldTakeTheCall: the gates of the lane itself give up the call soon, unless
// it is a background call. A wait for a slot of the pod lasts as long as ever.
func TestNoLongWaitInAGateWhileAnotherLaneWouldTakeTheCall(t *testing.T) {
	t.Parallel()
	const queue = 10 * time.Second
	for name, c := range map[string]struct {
		call  llm.Call
		share time.Duration // that the call waits for a part of it
	}{
		"high":                  {llm.Call{Priority: llm.High, FallbackReady: true}, 500 * time.Millisecond},
		"normal":                {llm.Call{Priority: llm.Normal, FallbackReady: true}, 250 * time.Millisecond},
		"low":                   {llm.Call{Priority: llm.Low, FallbackReady: true}, 250 * time.Millisecond},
		"background":            {llm.Call{Background: true, FallbackReady: true}, queue},
		"without a second lane": {llm.Call{Priority: llm.Normal}, queue},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				share, err := llm.NewShare(1, prometheus.NewRegistry())
				llmtest.OK(t, err)
				if got := waitsFor(t, share, &c.call, queue); got != c.share {
					t.Errorf("waited %v for the share, want %v", got, c.share)
				}
				if got := waitsFor(t, newTestSlots(t, 1), &c.call, queue); got != queue {
					t.Errorf("waited %v for a slot, want %v", got, queue)
				}
			})
		})
	}
}

// waitsFor returns how long a call waits in a gate with one place, which is taken, until it is rejected.
func waitsFor(t *testing.T, gate llm.Gate, call *llm.Call, queue time.Duration) time.Duration {
	t.Helper()
	leave, err := gate.Enter(t.Context(), llmtest.NewCall())
	llmtest.OK(t, err)
	defer leave(llm.Result{})
	ctx, cancel := context.WithTimeoutCause(t.Context(), queue, llm.ErrQueueTimeout)
	defer cancel()
	began := time.Now()
	_, err = gate.Enter(ctx, call)
	if rejected, ok := errors.AsType[*outcome.Rejected](err); !ok || rejected.Reason != outcome.QueueTimeout {
		t.Errorf("got %v", err)
	}
	return time.Since(began)
}

// TestThePacerKeepsACallForWhatSmoothsABurst while another lane would take it, and lets it go at once when it would
// have to wait for longer.
func TestThePacerKeepsACallForWhatSmoothsABurst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for rate, elsewhere := range map[float64]bool{5: false, 3: true} {
			pacer, err := llm.NewPacer(llm.PacerConfig{Rate: rate, Burst: 1}, prometheus.NewRegistry())
			llmtest.OK(t, err)
			ctx, cancel := context.WithTimeoutCause(t.Context(), 10*time.Second, llm.ErrQueueTimeout)
			defer cancel()
			_, err = pacer.Enter(ctx, llmtest.NewCall())
			llmtest.OK(t, err)
			call := llmtest.NewCall()
			call.FallbackReady = true
			if _, err = pacer.Enter(ctx, call); (err != nil) != elsewhere {
				t.Errorf("%v calls a second: %v", rate, err)
			}
			_, err = pacer.Enter(ctx, llmtest.NewCall())
			llmtest.OK(t, err)
		}
	})
}

// TestTheQuickRetryNeedsTheConditions: when nothing may be retried, a call goes to the fallback at once.
func TestTheQuickRetryNeedsTheConditions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg := llmtest.Config()
		cfg.Retry.Max = 0
		call := llmtest.NewCall()
		call.FallbackReady = true
		_, err := llmtest.Caller(t, cfg, llmtest.Always(http.StatusInternalServerError, nil, "")).Do(t.Context(), call)
		if err == nil || call.Attempts != 1 {
			t.Errorf("%d attempts, %v", call.Attempts, err)
		}
	})
}

// TestABackgroundCallDoesNotSleepThroughThePauseOfTheVendor: it ends at once and names the time to wait, so that the
// code that made it can do other work meanwhile. Other failures are retried as for any call.
func TestABackgroundCallDoesNotSleepThroughThePauseOfTheVendor(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]int{http.StatusTooManyRequests: 1, http.StatusInternalServerError: 4} {
		synctest.Test(t, func(t *testing.T) {
			call := llmtest.NewCall()
			call.Background = true
			limited := llmtest.Always(status, http.Header{"Retry-After": {"3"}}, "")
			_, err := llmtest.Caller(t, llmtest.Config(), limited).Do(t.Context(), call)
			failed, ok := errors.AsType[*llm.VendorError](err)
			if !ok || call.Attempts != want || failed.RetryAfter != 3*time.Second {
				t.Errorf("%d: %d attempts, want %d; %v", status, call.Attempts, want, err)
			}
		})
	}
}
