package llm

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/spillway-dev/spillway/internal/deadline"
	"github.com/spillway-dev/spillway/internal/telemetry"
)

// Exchanger makes one exchange with the vendor for one attempt. A nil Result.Err means that the response is to be
// given to the client: a success, or the vendor's own 4xx. When ctx ended first, Result.Err is its cause.
type Exchanger interface {
	Send(ctx context.Context, call *Call) (*Response, Result)
}

// CallerConfig holds the settings of a Caller.
type CallerConfig struct {
	QueueTimeout time.Duration // time a call may spend in the gates of one attempt
	Retry        RetryConfig
}

// Caller takes calls through every gate to the vendor. It is built once at start-up and safe for concurrent use.
type Caller struct {
	queueTimeout time.Duration
	gates        []NamedGate // outermost first
	vendor       Exchanger
	retry        *retry
	metrics      *metrics
}

// NewCaller returns a Caller that passes the gates in the order given, outermost first, and then calls the vendor. pod
// returns the state of the pod on which the retry depends.
func NewCaller(cfg CallerConfig, gates []NamedGate, vendor Exchanger, pod func() Conditions,
	reg prometheus.Registerer) (*Caller, error) {
	if len(gates) > maxGates {
		return nil, fmt.Errorf("llm: %d gates, at most %d", len(gates), maxGates)
	}
	m, err := newMetrics(reg)
	if err != nil {
		return nil, err
	}
	retry := newRetry(cfg.Retry, pod, m)
	balance := telemetry.Gauge("llm_retry_budget",
		"Retries that this pod's budget would pay for now. A quiet pod may make one now and then beside it.",
		retry.balance)
	if err := reg.Register(balance); err != nil {
		return nil, err
	}
	return &Caller{queueTimeout: cfg.QueueTimeout, gates: gates, vendor: vendor, retry: retry, metrics: m}, nil
}

// Order names the gates, outermost first.
func (c *Caller) Order() []string {
	var names []string
	for _, g := range c.gates {
		names = append(names, g.name)
	}
	return names
}

// Do takes the call through the gates to the vendor and retries where that can help. The error is a *outcome.Rejected
// when a gate turned the call away, a *VendorError when the vendor failed, or the cause of ctx when that ended first.
// The response must be closed.
func (c *Caller) Do(ctx context.Context, call *Call) (*Response, error) {
	var t tries
	for {
		t.made++
		t.called, t.took = false, 0
		resp, err := c.attempt(ctx, call, &t)
		if err == nil {
			return resp, nil
		}
		t.fallbackBetter = call.FallbackReady && !worthHere(err, t.made, t.took)
		t.ownerWaits = call.Background && asksToWait(err)
		wait, ok := c.retry.next(ctx, &t, err)
		if !ok {
			return nil, t.verdict(ctx, err)
		}
		if err := c.retry.sleep(ctx, call, wait); err != nil {
			c.retry.unused(&t)
			return nil, t.verdict(ctx, err)
		}
	}
}

// verdict is the error of the whole call. When the time ran out before another attempt reached the vendor, it is the
// error of the last attempt that did: that says more than that the time is over. A stream that has begun ends for its
// own reason, whatever failed before it and however much time has passed.
func (t *tries) verdict(ctx context.Context, err error) error {
	if failed, ok := errors.AsType[*VendorError](err); ok && failed.Streamed {
		return err
	}
	if t.last != nil && ctx.Err() != nil && errors.Is(err, context.DeadlineExceeded) {
		return t.last
	}
	return err
}

var errPanicked = errors.New("the attempt panicked")

// attempt is one try: enter every gate, call the vendor, leave every gate with what happened.
func (c *Caller) attempt(ctx context.Context, call *Call, t *tries) (*Response, error) {
	call.onCommit = nil
	entered, err := c.enter(ctx, call)
	if err != nil {
		return nil, err
	}
	var out Result
	defer func() { // also when something below panics
		out.User = call.User
		if out.Called {
			spent, _ := out.Spent(int64(call.Payload.Prompt()), int64(call.Payload.Tokens()))
			call.Spent = int(spent)
		}
		entered.leave(out)
	}()
	if deadline.Over(ctx) { // it can end although no gate has waited, and so none has looked
		<-ctx.Done()
		return nil, context.Cause(ctx)
	}
	out.Err = errPanicked // until Send has returned
	call.Attempts++
	if call.Started != nil {
		call.Started()
	}
	out.Called, t.called = true, true
	resp, sent := c.vendor.Send(ctx, call)
	out = sent
	out.Refused = resp != nil && resp.Status >= http.StatusBadRequest
	t.took = out.Duration
	call.Timing.Vendor += out.Duration
	call.Usage = out.Usage
	if !out.ClientGone {
		c.retry.done(t, out.Duration, out.Err != nil)
	}
	return resp, out.Err
}
