package llm

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/spillway-dev/spillway/internal/telemetry"
)

// This file decides whether and when a failed attempt is made again. retrybudget.go bounds the retries of a pod.

// RetryConfig sets how a failed attempt is tried again.
type RetryConfig struct {
	// Retries of one call at most, when the pod is calm. 0 switches retries off.
	Max int `split_words:"true" default:"3" desc:"Retries of one call at most, when the pod is calm. 0 switches retries off."`
	// Upper bound of the first delay, which is random between half of it and all of it; it doubles with every attempt.
	Base time.Duration `split_words:"true" default:"250ms" desc:"Upper bound of the first delay, which is random between half of it and all of it; it doubles with every attempt."`
	// Upper bound of every random delay. The vendor's own Retry-After may be longer.
	MaxDelay time.Duration `split_words:"true" default:"10s" desc:"Upper bound of every random delay. The vendor's own Retry-After may be longer."`
	// Retries per call this pod may make over time, those that succeed left out: 0.1 lets a dead vendor see at most 1.1
	// times the load. A quiet pod may make one retry every 5 s in any case. 0 switches retries off.
	Budget float64 `split_words:"true" default:"0.1" desc:"Retries per call this pod may make over time, those that succeed left out: 0.1 lets a dead vendor see at most 1.1 times the load. A quiet pod may make one retry every 5 s in any case. 0 switches retries off."`
}

// Validate reports values that make no sense.
func (c RetryConfig) Validate() error {
	var errs []error
	if c.Max < 0 {
		errs = append(errs, fmt.Errorf("RETRY_MAX is %d: use 0 (off) or more", c.Max))
	}
	if c.Base <= 0 || c.MaxDelay < c.Base {
		errs = append(errs, fmt.Errorf("RETRY_BASE is %v and RETRY_MAX_DELAY %v: "+
			"use positive durations, the first not above the second", c.Base, c.MaxDelay))
	}
	if !(c.Budget >= 0 && c.Budget <= 1) {
		errs = append(errs, fmt.Errorf("RETRY_BUDGET is %v: use a share from 0 to 1", c.Budget))
	}
	return errors.Join(errs...)
}

// Conditions are the part of the pod's state that decides about a further attempt.
type Conditions struct {
	BreakerOpen bool
	SlotUse     float64 // share of the slots in use, 0 to 1
}

// retry decides whether and when a failed attempt is tried again. It holds nothing while it sleeps.
type retry struct {
	cfg     RetryConfig
	pod     func() Conditions
	metrics *metrics

	mu     sync.Mutex
	budget budget
	recent recent
}

func newRetry(cfg RetryConfig, pod func() Conditions, m *metrics) *retry {
	return &retry{cfg: cfg, pod: pod, metrics: m, budget: newBudget(cfg.Budget)}
}

// tries is what one Do has tried.
type tries struct {
	made   int           // attempts, counting the present one
	called bool          // the present one has called the vendor
	took   time.Duration // the vendor exchange of the present one
	paid   bool          // the present one took a retry from the budget
	last   error         // of the last attempt that reached the vendor
	newKey bool          // an attempt was made because the key had changed

	fallbackBetter bool // the next attempt is better made in another lane
	ownerWaits     bool // the job worker that made the call waits, and then makes another call
}

// next returns how long to wait before another attempt. It returns false when none is to be made: because the error
// would stay, or for one of the reasons of refusedLocked.
func (r *retry) next(ctx context.Context, t *tries, err error) (time.Duration, bool) {
	failed, ok := errors.AsType[*VendorError](err)
	if t.made > 1 && !t.called {
		r.unused(t)
	}
	if !ok || ctx.Err() != nil {
		return 0, false
	}
	t.last = err
	if failed.KeyChanged && !t.newKey { // the refusal was of the former key, and cost nothing
		t.newKey, t.paid = true, false
		r.metrics.retries.WithLabelValues(string(failed.Kind)).Inc()
		return 0, true
	}
	pod := r.pod()
	delay := r.delay(t.made, failed.RetryAfter)
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if !failed.Retryable() {
		r.countFailureLocked(now, failed)
		return 0, false
	}
	if reason := r.refusedLocked(ctx, now, t, failed, pod, delay); reason != "" {
		r.countFailureLocked(now, failed)
		r.metrics.retryDenied.WithLabelValues(reason).Inc()
		return 0, false
	}
	r.metrics.retries.WithLabelValues(string(failed.Kind)).Inc()
	return delay, true
}

// refusedLocked returns the reason against another attempt, a value of a metric's label, or "" when it may be made and
// is paid for.
func (r *retry) refusedLocked(
	ctx context.Context, now time.Time, t *tries, failed *VendorError, pod Conditions, delay time.Duration,
) string {
	deadline, bounded := ctx.Deadline()
	need := delay + r.recent.avgTook
	if failed.Kind == KindTimeout { // with less time than the last attempt had, the next one would time out too
		need = delay + max(r.recent.avgTook, t.took)
	}
	switch {
	case t.fallbackBetter:
		return "elsewhere"
	case t.ownerWaits:
		return "background"
	case t.made > allowed(pod, r.recent.avgWait, r.recent.errorRate(now), r.cfg.Max):
		return "conditions"
	case bounded && deadline.Sub(now) < need:
		return "deadline"
	case failed.askedToWait(): // the wait protects the vendor, so one client's 429s do not use up the budget of all
		t.paid = false
	case !r.budget.withdraw(now):
		return "budget"
	default:
		t.paid = true
	}
	return ""
}

// Conditions above which a call has fewer retries than RETRY_MAX.
const (
	busyWait  = 2 * time.Second // average time in the gates above which nothing is retried
	busySlots = 0.9             // share of slots in use above which nothing is retried
	badErrors = 0.5             // share of calls that failed, retries included, above which a call has one retry
	someError = 0.2             // share above which a call has two
)

// allowed is the number of retries a call has under the given conditions, at most limit.
func allowed(c Conditions, avgWait time.Duration, errorRate float64, limit int) int {
	switch {
	case c.BreakerOpen, avgWait > busyWait, c.SlotUse > busySlots:
		return 0
	case errorRate > badErrors:
		return min(1, limit)
	case errorRate > someError:
		return min(2, limit)
	}
	return limit
}

// delay is random between half of a bound and all of it; the bound doubles with every attempt. The lower half is left
// out so that retries are never a few milliseconds apart. It is added to the vendor's Retry-After, so that the pods do
// not all return at the same moment.
func (r *retry) delay(attempts int, after time.Duration) time.Duration {
	bound := min(r.cfg.MaxDelay, r.cfg.Base<<min(attempts-1, 20))
	return after + bound/2 + rand.N(bound/2+1)
}

// sleep waits before the next attempt, or returns the cause of ctx when that ends first.
func (r *retry) sleep(ctx context.Context, call *Call, d time.Duration) error {
	start := time.Now()
	ctx, span := telemetry.Start(ctx, "retry")
	timer := time.NewTimer(d)
	defer timer.Stop()
	var err error
	select {
	case <-timer.C:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	call.Timing.Retry += time.Since(start)
	telemetry.End(span, err)
	return err
}
