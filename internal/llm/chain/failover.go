package chain

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/llm/breaker"
	"github.com/spillway-dev/spillway/internal/outcome"
	"github.com/spillway-dev/spillway/internal/telemetry"
)

// Do takes the call through the lane that serves its model, and to that lane's fallback where another vendor may mend
// what went wrong. While it runs it changes the call's model, parts and idempotency key for lanes that ask for another
// model; when it returns they are as they were. Errors are those of llm.Caller.Do. The response must be closed.
func (c *Chain) Do(ctx context.Context, call *llm.Call) (*llm.Response, error) {
	inputOnly := call.Payload.InputOnly
	defer func() { call.Payload.InputOnly = inputOnly }()
	serving, lane, err := c.choose(call)
	if err != nil {
		return nil, err
	}
	call.Lane = lane.name
	if serving.fallback == nil {
		return lane.caller.Do(ctx, call)
	}
	return c.doWithFallback(ctx, call, serving, lane)
}

// doWithFallback tries lane and then its fallbacks, each once. Before each it asks whether a fallback is ready: in a
// lane that has none the call waits and is retried as if there were no fallbacks. When that does not help, it also goes
// to a fallback whose breaker may let a probe pass.
func (c *Chain) doWithFallback(ctx context.Context, call *llm.Call, serving, lane *lane) (*llm.Response, error) {
	client := *call // what the client asks for
	defer func() {
		call.Parts, call.Payload, call.IdempotencyKey = client.Parts, client.Payload, client.IdempotencyKey
		call.FallbackReady = false
	}()
	if lane != serving {
		lane.adapt(call, &client)
	}
	var best answer
	for first := lane; ; {
		next := lane.nextFallback(call.Endpoint)
		call.Lane, call.FallbackReady = lane.name, next.ready(call.Endpoint)
		got := answer{lane: lane.name}
		got.resp, got.err = lane.caller.Do(ctx, call)
		if call.Streamed || got.err != nil && ctx.Err() != nil { // this answer has to be given
			best.resp.Close()
			return got.resp, got.err
		}
		reason := ""
		if next != nil {
			reason = got.mendable(call)
		}
		if best = better(best, got); reason == "" {
			call.Lane = best.lane
			return best.resp, first.withSoonestWait(best.err, call.Endpoint)
		}
		c.failovers.WithLabelValues(lane.name, next.name, reason).Inc()
		_, span := telemetry.Start(ctx, "failover", attribute.String("llm.lane.from", lane.name),
			attribute.String("llm.lane.to", next.name), attribute.String("llm.failover.reason", reason))
		telemetry.End(span, nil)
		next.adapt(call, &client)
		lane = next
	}
}

// nextFallback is the first of the lane's fallbacks whose vendor has the endpoint and that may be called now, if only
// by a probe; nil when there is none.
func (l *lane) nextFallback(e *llm.Endpoint) *lane {
	for next := l.fallback; next != nil; next = next.fallback {
		if next.vendor.Speaks(e) && next.breaker.RetryAfter() == 0 {
			return next
		}
	}
	return nil
}

// ready reports whether the lane, or one of its fallbacks, would take any call now: its breaker is closed. A half-open
// one turns away all calls but its probe, so no call should leave another lane earlier because of it.
func (l *lane) ready(e *llm.Endpoint) bool {
	for next := l; next != nil; next = next.fallback {
		if next.vendor.Speaks(e) && next.breaker.State() == breaker.Closed {
			return true
		}
	}
	return false
}

// adapt makes call what this lane is asked when it is a fallback: with the lane's model in the body of the client's
// call. The idempotency key changes too, because the vendor may be the same, and would refuse the key with another
// body.
func (l *lane) adapt(call, client *llm.Call) {
	call.Parts, call.Payload = client.Parts, client.Payload
	if model := l.model.of(client.Payload.Model); model != "" && model != client.Payload.Model {
		call.AskFor(model)
	}
	if client.IdempotencyKey != "" {
		call.IdempotencyKey = client.IdempotencyKey + "/" + l.name
	}
}

// withSoonestWait is the refusal err with the time until the first of the lane and its fallbacks can be tried again.
// The fallbacks that were skipped because their breakers are open count too, if their vendors have the endpoint.
func (l *lane) withSoonestWait(err error, e *llm.Endpoint) error {
	if retryAfter(err) == 0 {
		return err
	}
	for next := l.fallback; next != nil; next = next.fallback {
		if next.vendor.Speaks(e) {
			err = withShorterWait(err, next.breaker.RetryAfter())
		}
	}
	return err
}

// withShorterWait is err with wait as its time to wait, when err is a refusal that names a longer one. A wait of 0 is
// not known.
func withShorterWait(err error, wait time.Duration) error {
	if wait == 0 || wait >= retryAfter(err) {
		return err
	}
	rejected, _ := errors.AsType[*outcome.Rejected](err)
	changed := *rejected
	changed.RetryAfter = wait
	return &changed
}

// retryAfter is the time to wait that a refusal names; 0 when it names none, and for other errors.
func retryAfter(err error) time.Duration {
	if rejected, ok := errors.AsType[*outcome.Rejected](err); ok {
		return rejected.RetryAfter
	}
	return 0
}
