package llm

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/spillway-dev/spillway/internal/outcome"
	"github.com/spillway-dev/spillway/internal/redisx"
	"github.com/spillway-dev/spillway/internal/telemetry"
)

// BreakerConfig sets when the vendor counts as down, and for how long.
type BreakerConfig struct {
	Failures  int           `split_words:"true" default:"5" desc:"Failures within BREAKER_WINDOW that open the breaker, if they are at least half of the calls."`
	Window    time.Duration `split_words:"true" default:"60s" desc:"Time over which failures are counted."`
	Open      time.Duration `split_words:"true" default:"60s" desc:"Time the breaker stays open before it lets a probe through."`
	Successes int           `split_words:"true" default:"2" desc:"Probes in a row that must succeed before the breaker closes."`
	Lease     time.Duration `split_words:"true" default:"40s" desc:"Time after which a probe whose pod has died is given to another. Above CALL_TIMEOUT plus QUEUE_TIMEOUT."`
}

// Validate reports every value that makes no sense.
func (c BreakerConfig) Validate() error {
	var errs []error
	for name, n := range map[string]int{"BREAKER_FAILURES": c.Failures, "BREAKER_SUCCESSES": c.Successes} {
		if n < 1 {
			errs = append(errs, fmt.Errorf("%s is %d: use at least 1", name, n))
		}
	}
	for name, d := range map[string]time.Duration{"BREAKER_WINDOW": c.Window, "BREAKER_OPEN": c.Open, "BREAKER_LEASE": c.Lease} {
		if d < 10*time.Millisecond {
			errs = append(errs, fmt.Errorf("%s is %v: use at least 10ms", name, d))
		}
	}
	return errors.Join(errs...)
}

// Breaker fails fast while the vendor is down. All pods share one state, in Redis, which changes only in breaker.lua. Every
// pod keeps a copy, so that a closed or open breaker costs no round trip; only the probe of a half-open one does.
//
//	breaker.go         Enter and leave, on the pod's copy of the state
//	breakersync.go     keeps the copy true: pub/sub, a slow poll, reports in the background
//	breakermachine.go  the state machine, for when Redis is away
//	breaker.lua        the same machine, in Redis
type Breaker struct {
	cfg     BreakerConfig
	sync    *breakerSync
	metrics *breakerMetrics

	copy   atomic.Pointer[breakerCopy]
	asking atomic.Bool  // a caller of this pod is asking for the probe
	nextAt atomic.Int64 // no need to ask before, in ns since start; after a refusal
	start  time.Time
}

// breakerCopy is a pod's copy of the state. It never changes; a new state is a new copy, and a call that entered under
// another copy is not counted.
type breakerCopy struct {
	state BreakerState
	gen   int64
	until time.Time     // end of the open state, on this pod's monotonic clock
	leave func(Outcome) // of calls that enter in the closed state
}

// NewBreaker returns a closed breaker that soon knows better, and begins to follow the shared state.
func NewBreaker(cfg BreakerConfig, rdb *redisx.Client, vendorName string, log *slog.Logger, reg prometheus.Registerer) (*Breaker, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	b := &Breaker{cfg: cfg, start: time.Now()}
	b.set(Closed, 0, time.Time{})
	var err error
	if b.metrics, err = newBreakerMetrics(reg, b.State); err != nil {
		return nil, err
	}
	b.sync = newBreakerSync(b, rdb, vendorName, log)
	return b, nil
}

// State is this pod's copy of the shared state.
func (b *Breaker) State() BreakerState { return b.copy.Load().state }

// RetryAfter is the time until calls may pass again; 0 when they pass now.
func (b *Breaker) RetryAfter() time.Duration {
	c := b.copy.Load()
	if c.state == Closed {
		return 0
	}
	return max(time.Second, time.Until(c.until))
}

// Enter admits the call when the breaker is closed, or when this call is the probe.
func (b *Breaker) Enter(ctx context.Context, _ *Call) (func(Outcome), error) {
	c := b.copy.Load()
	if c.state == Closed {
		return c.leave, nil
	}
	now := time.Now()
	if c.state == Open && now.Before(c.until) || now.Sub(b.start) < time.Duration(b.nextAt.Load()) || !b.asking.CompareAndSwap(false, true) {
		return nil, b.reject()
	}
	defer b.asking.Store(false)
	ctx, span := telemetry.Start(ctx, "breaker")
	leave, err := b.probe(ctx)
	telemetry.End(span, err)
	return leave, err
}

// askAgain is how soon a pod asks again for a probe that another pod has.
const askAgain = 200 * time.Millisecond

// probe asks for the lease of the one probe in the cluster.
func (b *Breaker) probe(ctx context.Context) (func(Outcome), error) {
	id := b.sync.probe(ctx)
	if id == 0 {
		if c := b.copy.Load(); c.state == Closed { // it was closed meanwhile
			return c.leave, nil
		}
		b.nextAt.Store(int64(time.Since(b.start) + askAgain))
		return nil, b.reject()
	}
	var once sync.Once
	return func(out Outcome) {
		once.Do(func() {
			v := judge(out)
			b.metrics.probes.WithLabelValues(string(v)).Inc()
			b.sync.probed(id, v)
		})
	}, nil
}

// Recheck turns away a call that waited in a later gate while the breaker opened.
func (b *Breaker) Recheck(*Call) error {
	if c := b.copy.Load(); c.state == Open && time.Now().Before(c.until) {
		return b.reject()
	}
	return nil
}

func (b *Breaker) reject() error {
	b.metrics.rejected.Inc()
	return &outcome.Rejected{Layer: "breaker", Reason: outcome.VendorUnavailable, RetryAfter: b.RetryAfter()}
}

// set makes a new copy of the state. Its leave counts a call only while this copy is the one in force: what began before
// the breaker opened says nothing about the time after.
func (b *Breaker) set(state BreakerState, gen int64, until time.Time) {
	c := &breakerCopy{state: state, gen: gen, until: until}
	c.leave = func(out Outcome) {
		if b.copy.Load() != c {
			return
		}
		if v := judge(out); v != freed {
			b.sync.ended(v == lost)
		}
	}
	b.copy.Store(c)
}

// judge says what an outcome tells about the vendor. Rejections of other gates, clients that hung up, the SLA and answers
// of the 4xx kind say that it is not down, or nothing.
func judge(out Outcome) verdict {
	failed, isVendor := errors.AsType[*VendorError](out.Err)
	switch {
	case !out.Called || out.ClientGone:
		return freed
	case isVendor && failed.Failure():
		return lost
	case isVendor || out.Err == nil:
		return won
	}
	return freed
}

// Close reports what is still to be reported and ends the background work.
func (b *Breaker) Close() error { return b.sync.close() }
