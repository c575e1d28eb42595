package llm

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	"github.com/spillway-dev/spillway/internal/outcome"
	"github.com/spillway-dev/spillway/internal/telemetry"
)

// PacerConfig sets how fast this pod may start calls.
type PacerConfig struct {
	// Vendor calls this pod starts per second at most, smoothed. 0 switches the pacer off.
	Rate float64 `split_words:"true" default:"0" desc:"Vendor calls this pod starts per second at most, smoothed. 0 switches the pacer off."`
	// Calls that may start at once before the pacer smooths. 0 means a tenth of a second's worth, at least 1.
	Burst int `split_words:"true" default:"0" desc:"Calls that may start at once before the pacer smooths. 0 means a tenth of a second's worth, at least 1."`
}

// Validate reports values that make no sense.
func (c PacerConfig) Validate() error {
	var errs []error
	if c.Rate < 0 || math.IsNaN(c.Rate) || math.IsInf(c.Rate, 0) {
		errs = append(errs, fmt.Errorf("PACER_RATE is %v: use a number of calls per second, or 0 for off", c.Rate))
	}
	if c.Burst < 0 {
		errs = append(errs, fmt.Errorf("PACER_BURST is %d: use 0 or more", c.Burst))
	}
	return errors.Join(errs...)
}

// Pacer is the local rate limiter: it spreads the starts of this pod's calls, so that a burst that the contract allows
// does not reach the vendor within one millisecond. It protects no limit; the quota does.
type Pacer struct {
	limiter *rate.Limiter
	wait    prometheus.Histogram

	mu sync.Mutex // held while a start is reserved
}

// NewPacer returns a pacer; with rate 0 it lets everything through.
func NewPacer(cfg PacerConfig, reg prometheus.Registerer) (*Pacer, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	limit, burst := rate.Limit(cfg.Rate), cfg.Burst
	if cfg.Rate == 0 {
		limit = rate.Inf
	}
	if burst == 0 {
		burst = max(1, int(cfg.Rate/10))
	}
	p := &Pacer{limiter: rate.NewLimiter(limit, burst), wait: prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "llm_pacer_wait_seconds", Buckets: WaitBuckets,
		Help: "Time calls were held back by the pacer, those that passed at once left out.",
	})}
	return p, reg.Register(p.wait)
}

// Enter waits for the start of this call. It rejects at once when that would be after the queue timeout, or later than
// a call waits that another lane would take.
func (p *Pacer) Enter(ctx context.Context, call *Call) (func(Result), error) {
	if p.limiter.Limit() == rate.Inf {
		return NoLeave, nil
	}
	ctx, stop := impatient(ctx, call)
	defer stop()
	start, delay, late := p.reserve(ctx)
	if !late && delay == 0 {
		return NoLeave, nil
	}
	ctx, span := telemetry.Start(ctx, "pacer")
	var err error
	if late {
		err = &outcome.Rejected{Layer: "pacer", Reason: outcome.QueueTimeout, RetryAfter: delay, Err: ErrQueueTimeout}
	} else if err = p.sleep(ctx, delay); err != nil {
		start.Cancel() // which gives the start back when no later one is reserved
	}
	telemetry.End(span, err)
	if err != nil {
		return nil, err
	}
	p.wait.Observe(delay.Seconds())
	return NoLeave, nil
}

// reserve reserves the next start. One that is too late is given back before another call can reserve behind it.
func (p *Pacer) reserve(ctx context.Context) (start *rate.Reservation, delay time.Duration, late bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	start = p.limiter.Reserve()
	delay = start.Delay()
	if end, ok := ctx.Deadline(); ok && delay > time.Until(end) {
		start.Cancel()
		return nil, delay, true
	}
	return start, delay, false
}

func (p *Pacer) sleep(ctx context.Context, delay time.Duration) error {
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return Ended(ctx, "pacer")
	}
}
