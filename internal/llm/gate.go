package llm

import (
	"context"
	"errors"
	"time"

	"github.com/spillway-dev/spillway/internal/deadline"
	"github.com/spillway-dev/spillway/internal/outcome"
)

// Gate is anything a call must pass before it may start.
//
// Enter waits or rejects. If it admits the call it returns leave, which the caller calls exactly once with what
// happened. leave never blocks on I/O: what it has to tell Redis it hands to a goroutine of its own. When Enter rejects
// it has taken nothing, or has given it back.
type Gate interface {
	Enter(ctx context.Context, call *Call) (leave func(Result), err error)
}

// NoLeave is for gates that have nothing to give back.
func NoLeave(Result) {}

// Rechecker is a gate whose answer can change while the call waits in a later one. Recheck is called when every gate is
// entered, right before the vendor is called. It never waits and does no I/O.
type Rechecker interface {
	Recheck(call *Call) error
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

// maxGates bounds the chain, so that the gates a call has entered need no allocation.
const maxGates = 8

// entered is the gates a call has entered, in order.
type entered struct {
	n      int
	leaves [maxGates]func(Result)
}

// leave leaves every gate in reverse order.
func (e *entered) leave(out Result) {
	for e.n > 0 {
		e.n--
		e.leaves[e.n](out)
	}
}

// enter takes call through every gate under the queue timeout. When one rejects, those entered before it are left with
// the zero Result, so that they give back what they hold for the call.
func (c *Caller) enter(ctx context.Context, call *Call) (e entered, err error) {
	start := time.Now()
	queueCtx := deadline.New(ctx, start.Add(c.queueTimeout), ErrQueueTimeout)
	defer queueCtx.Stop()
	admitted := false
	defer func() { // also when a gate panics
		wait := time.Since(start)
		call.Timing.Queue += wait
		if !call.Background { // a background call is there to wait, so its wait says nothing about the pod
			c.retry.waited(wait)
		}
		if !admitted {
			e.leave(Result{})
		}
	}()
	for _, gate := range c.gates {
		leave, err := gate.Enter(queueCtx, call)
		if err != nil {
			c.metrics.rejected(gate.name, err)
			return e, err
		}
		e.leaves[e.n] = leave
		e.n++
	}
	for _, gate := range c.gates { // the answer of an early gate may have changed while a later one made the call wait
		if gate.recheck == nil {
			continue
		}
		if err := gate.recheck(call); err != nil {
			c.metrics.rejected(gate.name, err)
			return e, err
		}
	}
	admitted = true
	return e, nil
}

// Ended returns why a wait in a gate ended early. When the queue timeout ended it, that is a rejection by the gate.
// Otherwise the client hung up or the SLA ran out: the gate rejected nothing, and the cause is returned as it is.
func Ended(ctx context.Context, layer string) error {
	cause := context.Cause(ctx)
	if !errors.Is(cause, ErrQueueTimeout) {
		return cause
	}
	return &outcome.Rejected{Layer: layer, Reason: outcome.QueueTimeout, RetryAfter: time.Second, Err: cause}
}
