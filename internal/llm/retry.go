package llm

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/spillway-dev/spillway/internal/outcome"
	"github.com/spillway-dev/spillway/internal/telemetry"
)

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
		errs = append(
			errs,
			fmt.Errorf(
				"RETRY_BASE is %v and RETRY_MAX_DELAY %v: use positive durations, the first not above the second",
				c.Base,
				c.MaxDelay,
			),
		)
	}
	if !(c.Budget >= 0 && c.Budget <= 1) {
		errs = append(errs, fmt.Errorf("RETRY_BUDGET is %v: use a share from 0 to 1", c.Budget))
	}
	return errors.Join(errs...)
}

// Conditions are the state of the pod, as far as it decides about a further attempt.
type Conditions struct {
	BreakerOpen bool
	SlotUse     float64 // part of the slots in use, 0 to 1
}

// retry decides whether and when a failed attempt is tried again. It holds nothing while it sleeps.
type retry struct {
	cfg         RetryConfig
	callTimeout time.Duration // of one attempt
	pod         func() Conditions
	metrics     *metrics

	mu     sync.Mutex
	budget budget
	recent recent
}

func newRetry(cfg RetryConfig, callTimeout time.Duration, pod func() Conditions, m *metrics) *retry {
	return &retry{cfg: cfg, callTimeout: callTimeout, pod: pod, metrics: m, budget: newBudget(cfg.Budget)}
}

// Conditions under which the guide's budget shrinks.
const (
	busyWait  = 2 * time.Second // average time in the gates above which nothing is retried
	busySlots = 0.9             // share of slots in use above which nothing is retried
	badErrors = 0.5             // share of calls that failed, retries included, above which one retry is left
	someError = 0.2             // error rate above which two are left
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

// waited records the time one attempt spent in the gates.
func (r *retry) waited(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.recent.wait(d)
}

// done records how one attempt ended. The first of a Do pays into the budget, more when it succeeded; a retry that
// succeeded gives back what it took.
func (r *retry) done(t *tries, took time.Duration, failed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	rate := r.recent.rate(now)
	if t.made == 1 {
		r.budget.deposit(rate)
	}
	switch {
	case failed:
		return
	case t.made == 1:
		r.budget.reward(rate)
	default:
		r.giveBackLocked(t, rate)
	}
	r.recent.took(took)
	r.recent.call(now, false)
}

// giveBackLocked returns what the last retry took from the budget, once.
func (r *retry) giveBackLocked(t *tries, rate float64) {
	if t.paid {
		r.budget.giveBack(rate)
		t.paid = false
	}
}

// left is how many retries the budget would pay for now.
func (r *retry) left() float64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return max(0, r.budget.balance)
}

// tries is what one Do has tried.
type tries struct {
	made  int   // attempts, counting the present one
	paid  bool  // the present one took a retry from the budget
	left  bool  // the next one is better made in another lane
	waits bool  // the next one is made when its owner has waited for the vendor
	last  error // what the last attempt that reached the vendor died of
	rekey bool  // one was made because the key had changed
}

// next returns how long to wait before another attempt, or false when there is to be none: no other attempt can mend
// the error, the pod is in no state for it, the budget is used up, or it could not end in time.
func (r *retry) next(ctx context.Context, t *tries, err error) (time.Duration, bool) {
	failed, ok := errors.AsType[*VendorError](err)
	if _, rejected := errors.AsType[*outcome.Rejected](err); rejected && t.made > 1 {
		r.unused(t)
	}
	if !ok || ctx.Err() != nil {
		return 0, false
	}
	t.last = err
	if failed.KeyChanged && !t.rekey { // the refusal says nothing about this attempt, and it cost nothing
		t.rekey, t.paid = true, false
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

// refusedLocked returns what speaks against another attempt, or "" when it may be made and is paid for.
func (r *retry) refusedLocked(
	ctx context.Context, now time.Time, t *tries, failed *VendorError, pod Conditions, delay time.Duration,
) string {
	deadline, bounded := ctx.Deadline()
	need := delay + r.recent.avgTook
	if failed.Kind == KindTimeout { // an attempt that is cut shorter than the last one can only die of the same
		need = delay + r.callTimeout
	}
	switch {
	case t.left:
		return "elsewhere"
	case t.waits:
		return "background"
	case t.made > allowed(pod, r.recent.avgWait, r.recent.errorRate(now), r.cfg.Max):
		return "conditions"
	case bounded && deadline.Sub(now) < need:
		return "deadline"
	case failed.askedToWait(): // the wait itself protects the vendor: one caller's 429s do not use up the budget of all
		t.paid = false
	case !r.budget.withdraw(now):
		return "budget"
	default:
		t.paid = true
	}
	return ""
}

// countFailureLocked counts a call that has failed for good. A vendor that asked for a pause has not failed.
func (r *retry) countFailureLocked(now time.Time, failed *VendorError) {
	if !failed.askedToWait() {
		r.recent.call(now, true)
	}
}

// unused gives back what a retry took that never reached the vendor. Its call has failed.
func (r *retry) unused(t *tries) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	r.giveBackLocked(t, r.recent.rate(now))
	r.recent.call(now, true)
}

// delay is random between half of a bound and all of it; the bound doubles with every attempt. The lower half is left
// out so that retries are never a few milliseconds apart. After a Retry-After it comes on top of what the vendor
// asked for, so that the pods do not all return at the same moment.
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
