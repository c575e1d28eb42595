// Package breaker is the gate that fails fast while the vendor is down. All pods share one state, in Redis, which only
// breaker.lua changes. While Redis is away each pod decides by its own counts. The comment of type Breaker shows which
// file does what.
//
// The package knows what a call is (package llm) and how Redis is reached (package redisx). It does not know the other
// gates.
package breaker

import (
	"context"
	"errors"
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

// Breaker fails fast while the vendor is down. Every pod keeps a snapshot of the shared state, so that a closed or open
// breaker costs no round trip. Only the probe of a half-open breaker costs one.
//
//	Enter    by the pod's snapshot of the state                     breaker.go, snapshot.go
//	         a probe asks for the lease, and renews it              breaker.go, ask.go, lease.go
//	leave    count the call; a probe reports its verdict            snapshot.go, lease.go
//	         whose call it was: failures count by users             users.go
//	         failures that only repeat a user's make no row         repeats.go
//	syncer   sends the counts, polls, and listens to other pods     sync.go, listen.go
//	machine  one step of the state machine, in Redis                breaker.lua, wire.go
//	         or in this pod while Redis is away                     machine.go, window.go
//
// It is safe for concurrent use.
type Breaker struct {
	cfg     Config
	sync    *syncer
	metrics *metrics
	repeats repeats

	snapshot atomic.Pointer[snapshot]
	asking   atomic.Bool              // this pod is asking for the lease of the probe
	nextAt   atomic.Int64             // when the pod may ask again after a refusal, in ns since start
	probing  atomic.Pointer[llm.Call] // the call of this pod that is the probe; nil when there is none
	start    time.Time
}

// New returns a breaker that follows the shared state. It is closed until it has read that state for the first time.
func New(cfg Config, rdb *redisx.Client, vendorName string, log *slog.Logger,
	reg prometheus.Registerer) (*Breaker, error) {
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
	if snap := b.snapshot.Load(); snap.state == Open {
		return max(0, time.Until(snap.until))
	}
	return 0
}

// Enter admits the call when the breaker is closed, or when this call is the probe.
func (b *Breaker) Enter(ctx context.Context, call *llm.Call) (func(llm.Result), error) {
	snap := b.snapshot.Load()
	if snap.state == Closed {
		return snap.leave, nil
	}
	ctx, span := telemetry.Start(ctx, "breaker")
	leave, err := b.probe(ctx, call, snap)
	telemetry.End(span, err)
	return leave, err
}

// askAgain is how soon a pod asks again for a lease that another pod has.
const askAgain = 200 * time.Millisecond

// probe asks for the lease of the one probe in the cluster, if there is a chance to get it. One call of a pod asks at a
// time; the others are rejected at once.
func (b *Breaker) probe(ctx context.Context, call *llm.Call, snap *snapshot) (func(llm.Result), error) {
	now := time.Now()
	if snap.state == Open && now.Before(snap.until) || now.Sub(b.start) < time.Duration(b.nextAt.Load()) ||
		!b.asking.CompareAndSwap(false, true) {
		return nil, b.reject()
	}
	defer b.asking.Store(false)
	granted := b.sync.askLease(ctx)
	if granted.lease == noLease {
		if snap := b.snapshot.Load(); snap.state == Closed { // it was closed meanwhile
			return snap.leave, nil
		}
		b.nextAt.Store(int64(time.Since(b.start) + askAgain))
		return nil, b.reject()
	}
	b.probing.Store(call)
	end := b.sync.keepLease(granted)
	var once sync.Once
	report := func(v verdict) {
		once.Do(func() {
			b.metrics.probes.WithLabelValues(string(v)).Inc()
			end(v)
		})
	}
	call.OnCommit(func() { report(won) }) // recovery does not wait for the end of a stream that has begun well
	return func(out llm.Result) {
		b.probing.CompareAndSwap(call, nil)
		report(judge(out))
	}, nil
}

// Recheck rejects a call that waited in a later gate while the breaker opened, unless the call is the probe.
func (b *Breaker) Recheck(call *llm.Call) error {
	snap := b.snapshot.Load()
	if snap.state == Closed || snap.state == HalfOpen && b.probing.Load() == call {
		return nil
	}
	return b.reject()
}

func (b *Breaker) reject() error {
	b.metrics.rejected.Inc()
	return &outcome.Rejected{Layer: "breaker", Reason: outcome.VendorUnavailable,
		RetryAfter: max(time.Second, b.RetryAfter())}
}

// judge returns what a result says about the vendor. A vendor that answers is not down, also with a 4xx. A rejection by
// another gate, a client that hung up and the SLA say nothing about it.
func judge(out llm.Result) verdict {
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

// Close sends the last report and ends the goroutines. Calls must have ended before.
func (b *Breaker) Close() error { return b.sync.close() }
