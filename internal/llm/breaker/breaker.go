// Package breaker is the gate that fails fast while the vendor is down. All pods share one state, in Redis, which
// changes only in breaker.lua; while Redis is away each pod goes by its own counts. Type Breaker shows which file
// does what.
//
// It knows what a call is (package llm) and how Redis is reached (package redisx), and nothing of the other gates.
package breaker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/outcome"
	"github.com/spillway-dev/spillway/internal/redisx"
	"github.com/spillway-dev/spillway/internal/telemetry"
)

// Config sets when the vendor counts as down, and for how long.
type Config struct {
	// Failures in a row, over all pods, that open the breaker; the row must be longer on a busy vendor. More than half
	// of at least ten calls in BREAKER_WINDOW open it too. One user's failures alone open it only when no other user
	// calls.
	Failures int `split_words:"true" default:"5" desc:"Failures in a row, over all pods, that open the breaker; the row must be longer on a busy vendor. More than half of at least ten calls in BREAKER_WINDOW open it too. One user's failures alone open it only when no other user calls."`

	// Time over which calls and failures are counted.
	Window time.Duration `split_words:"true" default:"60s" desc:"Time over which calls and failures are counted."`
	// Time the breaker stays open before it lets a probe through. It doubles each time the probe fails, up to
	// BREAKER_OPEN_MAX.
	Open time.Duration `split_words:"true" default:"5s" desc:"Time the breaker stays open before it lets a probe through. It doubles each time the probe fails, up to BREAKER_OPEN_MAX."`
	// Longest time the breaker stays open before it lets a probe through. 0, or less than BREAKER_OPEN, means always
	// BREAKER_OPEN.
	OpenMax time.Duration `split_words:"true" default:"60s" desc:"Longest time the breaker stays open before it lets a probe through. 0, or less than BREAKER_OPEN, means always BREAKER_OPEN."`

	// Probes in a row that must succeed before the breaker closes.
	Successes int `split_words:"true" default:"2" desc:"Probes in a row that must succeed before the breaker closes."`
	// Time after which a probe whose pod has died is given to another. Above CALL_TIMEOUT plus QUEUE_TIMEOUT.
	Lease time.Duration `split_words:"true" default:"40s" desc:"Time after which a probe whose pod has died is given to another. Above CALL_TIMEOUT plus QUEUE_TIMEOUT."`
}

// Validate reports every value that makes no sense.
func (c Config) Validate() error {
	var errs []error
	atLeast := func(ok bool, name string, value, least any) {
		if !ok {
			errs = append(errs, fmt.Errorf("%s is %v: use at least %v", name, value, least))
		}
	}
	const shortest = 10 * time.Millisecond
	atLeast(c.Failures >= 1, "BREAKER_FAILURES", c.Failures, 1)
	atLeast(c.Window >= shortest, "BREAKER_WINDOW", c.Window, shortest)
	atLeast(c.Open >= shortest, "BREAKER_OPEN", c.Open, shortest)
	atLeast(c.OpenMax >= 0, "BREAKER_OPEN_MAX", c.OpenMax, 0)
	atLeast(c.Successes >= 1, "BREAKER_SUCCESSES", c.Successes, 1)
	atLeast(c.Lease >= shortest, "BREAKER_LEASE", c.Lease, shortest)
	return errors.Join(errs...)
}

// Breaker fails fast while the vendor is down. All pods share one state, in Redis, which changes only in breaker.lua.
// Every pod keeps a snapshot, so that a closed or open breaker costs no round trip; only the probe of a half-open one
// does.
//
//	breaker.go   Enter and leave, on the pod's snapshot of the state
//	snapshot.go  the snapshot: what calls count in, and when a new one is taken
//	users.go     whose calls they were: one user's failures alone open nothing
//	repeats.go   which failures only repeat one user's: they make no row
//	sync.go      keeps the snapshot true: reports in the background, a slow poll
//	listen.go    what other pods tell of their changes
//	lease.go     keeps a probe's lease while the probe runs
//	machine.go   the state machine, for when Redis is away
//	breaker.lua  the same machine, in Redis; wire.go encodes what it reads and decodes what it returns
type Breaker struct {
	cfg     Config
	sync    *syncer
	metrics *metrics
	repeats repeats

	snapshot atomic.Pointer[snapshot]
	asking   atomic.Bool              // a caller of this pod is asking for the probe
	nextAt   atomic.Int64             // no need to ask before, in ns since start; after a refusal
	probing  atomic.Pointer[llm.Call] // this pod's probe under way
	start    time.Time
}

// New returns a breaker that is closed until it has read the shared state, which it begins to follow.
func New(
	cfg Config,
	rdb *redisx.Client,
	vendorName string,
	log *slog.Logger,
	reg prometheus.Registerer,
) (*Breaker, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	b := &Breaker{cfg: cfg, start: time.Now()}
	b.repeats.lately = cfg.Window / latelyShare
	b.sync = newSyncer(b, rdb, vendorName, log)
	b.snapshot.Store(b.newSnapshot(reply{}, time.Now(), true))
	var err error
	if b.metrics, err = newMetrics(reg, b.State); err != nil {
		return nil, err
	}
	b.sync.begin()
	return b, nil
}

// State is this pod's copy of the shared state.
func (b *Breaker) State() State { return b.snapshot.Load().state }

// RetryAfter is the time until calls may pass again; 0 when they pass now, or when a probe may.
func (b *Breaker) RetryAfter() time.Duration {
	if c := b.snapshot.Load(); c.state == Open {
		return max(0, time.Until(c.until))
	}
	return 0
}

// Enter admits the call when the breaker is closed, or when this call is the probe.
func (b *Breaker) Enter(ctx context.Context, call *llm.Call) (func(llm.Outcome), error) {
	c := b.snapshot.Load()
	if c.state == Closed {
		return c.leave, nil
	}
	ctx, span := telemetry.Start(ctx, "breaker")
	leave, err := b.probe(ctx, call, c)
	telemetry.End(span, err)
	return leave, err
}

// askAgain is how soon a pod asks again for a probe that another pod has.
const askAgain = 200 * time.Millisecond

// probe asks for the lease of the one probe in the cluster, if there is a chance to get it. One caller of a pod asks
// at a time; the others are turned away at once.
func (b *Breaker) probe(ctx context.Context, call *llm.Call, c *snapshot) (func(llm.Outcome), error) {
	now := time.Now()
	if c.state == Open && now.Before(c.until) || now.Sub(b.start) < time.Duration(b.nextAt.Load()) ||
		!b.asking.CompareAndSwap(false, true) {
		return nil, b.reject()
	}
	defer b.asking.Store(false)
	view, _ := b.sync.step(ctx, request{op: stepProbe})
	if view.lease == 0 {
		if c := b.snapshot.Load(); c.state == Closed { // it was closed meanwhile
			return c.leave, nil
		}
		b.nextAt.Store(int64(time.Since(b.start) + askAgain))
		return nil, b.reject()
	}
	b.probing.Store(call)
	end := b.sync.hold(view)
	var told sync.Once
	tell := func(v verdict) {
		told.Do(func() {
			b.metrics.probes.WithLabelValues(string(v)).Inc()
			end(v)
		})
	}
	call.OnCommit(func() { tell(won) }) // a stream that has begun well: recovery does not wait for its end
	return func(out llm.Outcome) {
		b.probing.CompareAndSwap(call, nil)
		tell(judge(out))
	}, nil
}

// Recheck turns away a call that waited in a later gate while the breaker opened, unless it is the probe.
func (b *Breaker) Recheck(call *llm.Call) error {
	switch c := b.snapshot.Load(); {
	case c.state == Closed, c.state == HalfOpen && b.probing.Load() == call:
		return nil
	}
	return b.reject()
}

func (b *Breaker) reject() error {
	b.metrics.rejected.Inc()
	return &outcome.Rejected{
		Layer:      "breaker",
		Reason:     outcome.VendorUnavailable,
		RetryAfter: max(time.Second, b.RetryAfter()),
	}
}

// judge says what an outcome tells about the vendor. Rejections of other gates, clients that hung up, the SLA and
// answers of the 4xx kind say that it is not down, or nothing.
func judge(out llm.Outcome) verdict {
	failed, isVendor := errors.AsType[*llm.VendorError](out.Err)
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

// Close reports what is still to be reported and ends the background work. Calls must have ended before.
func (b *Breaker) Close() error { return b.sync.close() }
