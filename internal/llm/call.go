// Package llm is what a call is and the way it takes to the vendor, safely and from many pods at once.
//
// The way of one call, outermost first:
//
//	Caller.Do       retry: holds nothing while it sleeps               retry.go, retrybudget.go
//	  attempt       one try                                            call.go
//	    enter       queue timeout, then the gates in order             gate.go
//	      Gate      breaker, quota, Pacer, Slots                       llm/breaker, llm/quota, pacer.go, slots.go
//	    Exchanger   one HTTP exchange                                  llm/upstream
//
// Package chain puts the gates in their order. This package knows none of the packages below it: gates and the exchange
// come in as arguments.
//
// Reject before waiting, wait before reserving, reserve before calling. What protects the vendor is shared through
// Redis; what protects this pod is local. Every layer has one responsibility and can be read alone.
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

// Call is one request on its way to the vendor. The fields above the line are set by the caller of Do and not changed
// afterwards; those below it are filled in on the way and read when Do has returned.
type Call struct {
	ID       string    // request ID, sent on as X-Request-ID
	Body     []byte    // the payload exactly as the client sent it; must never change, even after Do
	Hold     Holder    // makes Body one that may change when all its readers have let go; nil for most
	Payload  Payload   // what the gates need to know of Body
	Endpoint *Endpoint // what is asked for; nil: what the lane's VENDOR_URL names, set by package chain
	// Who the call is for; the breaker counts failures by distinct users. Empty is a user too.
	User     string
	Priority Priority // class in the quota and the slots
	Lane     string   // that takes the call; set by package chain
	// Another lane would take the call now, so this one is not waited for; set by package chain.
	Elsewhere      bool
	IdempotencyKey string      // the client's Idempotency-Key, sent on when not empty
	Header         http.Header // further headers to send on; nil means none
	// The client's own headers, of which a lane sends on those that its settings list; read only.
	Client     http.Header
	APIVersion string // of the vendor's API, as the client asks for it; sent on as api-version when not empty
	Stream     Sink   // where server-sent events go; required when Payload.Stream, else unused
	Background bool   // gives way to every call that is not: see Quota.Enter and Slots.Enter
	Started    func() // called before each attempt, when every gate is passed; may be nil

	Attempts int    // vendor attempts started, counting the first, over every Do that it went through
	Timing   Timing // where the time went, over all attempts
	Usage    Usage  // tokens the vendor said it used
	Spent    int    // tokens that the vendor will count for the last attempt, by estimate where it did not say

	onCommit []func() // see OnCommit
}

// Holder counts the readers of a body whose bytes are used again when the last one has called Release.
type Holder interface {
	Hold()
	Release()
}

// OnCommit adds what is called, once, when the vendor's answer to the present attempt is known to be good, which for a
// stream is at its first event with content and not at its end. A gate that must know early calls it in Enter; the
// Exchanger calls Committed. Every attempt begins with none.
func (c *Call) OnCommit(f func()) { c.onCommit = append(c.onCommit, f) }

// Committed tells the gates that asked for it that the answer is good so far. It is for the Exchanger.
func (c *Call) Committed() {
	for _, f := range c.onCommit {
		f()
	}
	c.onCommit = nil
}

// Timing says where the time of a call went, added up over its attempts.
type Timing struct {
	Queue  time.Duration // in the gates: quota, pacer and slots together
	Vendor time.Duration // in vendor exchanges, streams until their last byte
	Retry  time.Duration // asleep between attempts
}

// Usage is the vendor's account of the tokens of one call. The zero value means the vendor did not say.
type Usage struct {
	Prompt     int
	Completion int
}

// Total is the sum of both sides.
func (u Usage) Total() int { return u.Prompt + u.Completion }

// Response is the vendor's answer: a success, or its own 4xx that is passed through. When the call was streamed the
// body has gone to the Sink already and Body is empty.
type Response struct {
	Status   int
	Header   http.Header // the vendor's headers that clients may see
	Body     []byte      // valid until Close
	Streamed bool

	Memory Memory // what Body lies in; nil when there is nothing to give back
}

// Memory is where an answer lies until it has been passed on.
type Memory interface{ Free() }

// Close gives the body's memory back. Body must not be used afterwards. Close on nil is a no-op.
func (r *Response) Close() {
	if r != nil && r.Memory != nil {
		r.Body = nil
		r.Memory.Free()
		r.Memory = nil
	}
}

// Sink receives a streamed answer. Its methods are called from one goroutine. An error means that the client cannot be
// reached any more; the vendor call is then cancelled.
type Sink interface {
	// Start is called once, before the first event, with the headers that clients may see. After it nothing is retried.
	Start(header http.Header) error
	// Event passes on the raw bytes of one whole server-sent event, its blank line included, and flushes them.
	Event(raw []byte) error
}

// Exchanger makes one exchange with the vendor for one attempt. A nil Outcome.Err means that the response is to be
// given to the client: a success, or the vendor's own 4xx. When ctx ended first, Outcome.Err is its cause.
type Exchanger interface {
	Send(ctx context.Context, call *Call) (*Response, Outcome)
}

// CallerConfig holds the settings of a Caller.
type CallerConfig struct {
	QueueTimeout time.Duration // time a call may spend in the gates of one attempt
	CallTimeout  time.Duration // time one attempt may take; for a stream, the time to its first event
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
// tells the retry what the pod looks like.
func NewCaller(cfg CallerConfig, gates []NamedGate, vendor Exchanger, pod func() Conditions,
	reg prometheus.Registerer) (*Caller, error) {
	if len(gates) > maxGates {
		return nil, fmt.Errorf("llm: %d gates, at most %d", len(gates), maxGates)
	}
	m, err := newMetrics(reg)
	if err != nil {
		return nil, err
	}
	retry := newRetry(cfg.Retry, cfg.CallTimeout, pod, m)
	left := telemetry.Gauge("llm_retry_budget", "Retries that this pod's budget would pay for now. A quiet pod may "+
		"make one now and then beside it.", retry.left)
	if err := reg.Register(left); err != nil {
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
		before := call.Timing.Vendor
		resp, err := c.attempt(ctx, call, &t)
		if err == nil {
			return resp, nil
		}
		t.left = call.Elsewhere && !worthHere(err, t.made, call.Timing.Vendor-before)
		t.waits = call.Background && asksToWait(err)
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

// verdict is the error of the whole call. When the time ran out before another attempt reached the vendor, it is what
// the last attempt died of: that says more than that the time is over.
func (t *tries) verdict(ctx context.Context, err error) error {
	if t.last != nil && ctx.Err() != nil && errors.Is(err, context.DeadlineExceeded) {
		return t.last
	}
	return err
}

// attempt is one try: enter every gate, call the vendor, leave every gate with what happened.
func (c *Caller) attempt(ctx context.Context, call *Call, t *tries) (*Response, error) {
	call.onCommit = nil
	held, err := c.enter(ctx, call)
	if err != nil {
		return nil, err
	}
	var out Outcome
	defer func() { // also when something below panics
		out.User = call.User
		if out.Called {
			spent, _ := out.Spent(int64(call.Payload.Prompt()), int64(call.Payload.Tokens()))
			call.Spent = int(spent)
		}
		held.leave(out)
	}()
	if deadline.Over(ctx) { // while no gate made it wait
		<-ctx.Done()
		return nil, context.Cause(ctx)
	}
	out.Err = errPanicked
	call.Attempts++
	if call.Started != nil {
		call.Started()
	}
	out.Called = true
	resp, o := c.vendor.Send(ctx, call)
	out = o
	out.Refused = resp != nil && resp.Status >= http.StatusBadRequest
	call.Timing.Vendor += out.Duration
	call.Usage = out.Usage
	if !out.ClientGone {
		c.retry.done(t, out.Duration, out.Err != nil)
	}
	return resp, out.Err
}
