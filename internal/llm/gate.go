package llm

import (
	"context"
	"errors"
	"time"

	"github.com/spillway-dev/spillway/internal/deadline"
	"github.com/spillway-dev/spillway/internal/outcome"
	"github.com/spillway-dev/spillway/internal/priority"
)

// Gate is anything a call must pass before it may start.
//
// Enter waits or rejects. If it admits the call it returns leave, which the caller calls exactly once with what
// happened. leave never blocks on I/O: what it has to tell Redis it hands to a goroutine of its own. When Enter rejects
// it has taken nothing, or has given it back.
type Gate interface {
	Enter(ctx context.Context, call *Call) (leave func(Outcome), err error)
}

// Rechecker is a gate whose answer can change while the call waits in a later one. Recheck is called when every gate is
// entered, right before the vendor is called. It never waits and does no I/O.
type Rechecker interface {
	Recheck(call *Call) error
}

// maxGates bounds the chain, so that the gates a call holds need no allocation.
const maxGates = 8

// held is the gates a call has entered, in order.
type held struct {
	n      int
	leaves [maxGates]func(Outcome)
}

// leave leaves every gate in reverse order.
func (h *held) leave(out Outcome) {
	for h.n > 0 {
		h.n--
		h.leaves[h.n](out)
	}
}

// enter takes call through every gate under the queue timeout. When one rejects, those entered before it are left with
// the zero Outcome, so that they give back what they hold for the call.
func (c *Caller) enter(ctx context.Context, call *Call) (h held, err error) {
	start := time.Now()
	queueCtx := deadline.New(ctx, start.Add(c.queueTimeout), ErrQueueTimeout)
	defer queueCtx.Stop()
	admitted := false
	defer func() { // also when a gate panics
		wait := time.Since(start)
		call.Timing.Queue += wait
		if !call.Background { // whose waits are what it is for, and say nothing of the pod
			c.retry.waited(wait)
		}
		if !admitted {
			h.leave(Outcome{})
		}
	}()
	for _, gate := range c.gates {
		leave, err := gate.Enter(queueCtx, call)
		if err != nil {
			c.metrics.rejected(gate.name, err)
			return h, err
		}
		h.leaves[h.n] = leave
		h.n++
	}
	for _, gate := range c.gates {
		if gate.recheck == nil {
			continue
		}
		if err := gate.recheck(call); err != nil {
			c.metrics.rejected(gate.name, err)
			return h, err
		}
	}
	admitted = true
	return h, nil
}

// NamedGate is a gate with the name that it has in metrics and in Order.
type NamedGate struct {
	Gate
	name    string
	recheck func(*Call) error // nil when the gate has none
}

// Named gives a gate its name.
func Named(name string, gate Gate) NamedGate {
	n := NamedGate{Gate: gate, name: name}
	if r, ok := gate.(Rechecker); ok {
		n.recheck = r.Recheck
	}
	return n
}

// Ended says why a wait in a gate was cut short: the queue timeout is the gate's rejection; a client that hung up or
// the SLA deadline are not ours, and their cause is returned as it is.
func Ended(ctx context.Context, layer string) error {
	cause := context.Cause(ctx)
	if !errors.Is(cause, ErrQueueTimeout) {
		return cause
	}
	return &outcome.Rejected{Layer: layer, Reason: outcome.QueueTimeout, RetryAfter: time.Second, Err: cause}
}

// Outcome is what a gate learns when a call leaves it. The zero value means that the vendor was not called.
type Outcome struct {
	User       string        // whose call it was
	Called     bool          // whether the request was handed to the network
	Refused    bool          // the vendor answered with a 4xx of its own, which the client gets; Err is nil then
	Err        error         // nil, *VendorError, or why the exchange was cut short
	Duration   time.Duration // of the vendor exchange; zero when not called
	Usage      Usage         // tokens, when the vendor said
	Limits     Limits        // what the vendor said about its limits
	ClientGone bool          // the client hung up, so Err says nothing about the vendor
}

// Limits is what the vendor says about its limits, in headers and in the body of a refusal. All times are bounded and
// relative to the answer's own Date. A zero value means that the vendor did not say, not that there is nothing to wait
// for.
type Limits struct {
	RetryAfter        time.Duration // wait this long before the next call
	RemainingRequests int           // only when HasRequests
	RemainingTokens   int           // only when HasTokens
	HasRequests       bool          // the vendor said RemainingRequests
	HasTokens         bool          // the vendor said RemainingTokens
	ResetRequests     time.Duration // until the limit on requests is at its full height again
	ResetTokens       time.Duration // the same for tokens
}

// Priority is the class of a call. Higher classes wait in front of lower ones and may book further ahead. The way in
// decides it without knowing this package, so the type is defined in a package that both import.
type Priority = priority.Class

// The classes, the least urgent first.
const (
	Low    = priority.Low
	Normal = priority.Normal
	High   = priority.High
)

// Causes of a context's end, one for each timeout, so that no two can be mistaken for each other. Each wraps
// context.DeadlineExceeded.
var (
	ErrQueueTimeout = timeoutCause("queue timeout: the gates could not be passed in time")
	ErrCallTimeout  = timeoutCause("call timeout: the vendor did not answer in time")
	ErrFirstEvent   = timeoutCause("first event timeout: the vendor did not begin its stream in time")
	ErrStreamIdle   = timeoutCause("stream idle: the vendor sent nothing for longer than STREAM_IDLE")
	ErrStreamMax    = timeoutCause("stream length: the stream went on for longer than STREAM_MAX")
)

var errPanicked = errors.New("the attempt panicked")

type timeoutError struct{ text string }

func timeoutCause(text string) error { return &timeoutError{text} }

func (e *timeoutError) Error() string { return e.text }
func (e *timeoutError) Unwrap() error { return context.DeadlineExceeded }
func (e *timeoutError) Timeout() bool { return true }
