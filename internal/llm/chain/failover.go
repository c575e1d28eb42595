package chain

import (
	"context"
	"errors"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/outcome"
	"github.com/spillway-dev/spillway/internal/telemetry"
)

// Do takes the call through the lane that serves its model, and to that lane's fallback where another vendor may mend
// what went wrong. While it runs it changes what Call says of its model and its body, for lanes that ask for another
// model; when it returns both are as they were. Errors are those of llm.Caller.Do. The response must be closed.
func (c *Chain) Do(ctx context.Context, call *llm.Call) (*llm.Response, error) {
	serving, lane, err := c.entry(call)
	if err != nil {
		return nil, err
	}
	call.Lane = lane.name
	if serving.fallback == nil {
		return lane.caller.Do(ctx, call)
	}
	return c.doOrElsewhere(ctx, call, serving, lane)
}

// doOrElsewhere tries each lane on the way once. Whether there is an elsewhere is asked before each: a call that has
// none is retried and waits as without a fallback.
func (c *Chain) doOrElsewhere(ctx context.Context, call *llm.Call, serving, lane *Lane) (*llm.Response, error) {
	asked := *call // what the client asked for
	defer func() {
		call.Body, call.Payload, call.IdempotencyKey, call.Elsewhere = asked.Body, asked.Payload, asked.IdempotencyKey,
			false
	}()
	if lane != serving {
		lane.ask(call, &asked)
	}
	var best answer
	for first := lane; ; {
		next := lane.elsewhere(call.Endpoint)
		call.Lane, call.Elsewhere = lane.name, next != nil
		got := answer{lane: lane.name}
		got.resp, got.err = lane.caller.Do(ctx, call)
		if got.err != nil && (ctx.Err() != nil || streamed(got.err)) { // there is no choice of answers left
			best.resp.Close()
			return got.resp, got.err
		}
		reason := ""
		if next != nil {
			reason = got.mendable(call)
		}
		if best = better(best, got); reason == "" {
			call.Lane = best.lane
			return best.resp, first.soonest(best.err)
		}
		c.failovers.WithLabelValues(lane.name, next.name, reason).Inc()
		_, span := telemetry.Start(ctx, "failover", attribute.String("llm.lane.from", lane.name),
			attribute.String("llm.lane.to", next.name), attribute.String("llm.failover.reason", reason))
		telemetry.End(span, nil)
		next.ask(call, &asked)
		lane = next
	}
}

// elsewhere is the next lane on the way whose vendor has the endpoint and that may be called now, nil when there is
// none.
func (l *Lane) elsewhere(e *llm.Endpoint) *Lane {
	for next := l.fallback; next != nil; next = next.fallback {
		if next.vendor.Speaks(e) && next.breaker.RetryAfter() == 0 {
			return next
		}
	}
	return nil
}

// ask makes call what this lane is asked on behalf of a client that asked another one. The key of a repeat is another
// one too: the vendor may be the same, and would refuse the same key with another body.
func (l *Lane) ask(call, asked *llm.Call) {
	call.Body, call.Payload = asked.Body, asked.Payload
	if model := l.model.of(asked.Payload.Model); model != "" && model != asked.Payload.Model {
		call.Body, call.Payload.Model = llm.WithModel(asked.Body, model), model
	}
	if asked.IdempotencyKey != "" {
		call.IdempotencyKey = asked.IdempotencyKey + "/" + l.name
	}
}

// answer is what came of a call in one lane.
type answer struct {
	lane string
	resp *llm.Response
	err  error
}

// mendable says why another vendor may do better, "" when none may. The reasons are the values of a metric's label.
func (a answer) mendable(call *llm.Call) string {
	if a.err == nil {
		return mendableRefusal(a.resp)
	}
	if failed, ok := errors.AsType[*llm.VendorError](a.err); ok {
		if failed.OwnLimit() { // another vendor's answer would be as long
			return ""
		}
		return string(failed.Kind)
	}
	rejected, ok := errors.AsType[*outcome.Rejected](a.err)
	switch {
	case !ok:
		return ""
	case rejected.Reason == outcome.VendorUnavailable, rejected.Reason == outcome.PayloadTooLarge:
		return string(rejected.Reason)
	case rejected.Reason == outcome.VendorRateLimited && !call.Background: // which waits for its own lane
		return string(rejected.Reason)
	}
	return ""
}

// better is the answer that says more to the client: a success, else the vendor's own answer, else how a vendor failed,
// else that a gate was closed, and of two alike the first. That a lane on the way does not know a model says nothing:
// the client has not chosen it. What is not given to the client is closed.
func better(first, second answer) answer {
	if first.lane == "" {
		return second
	}
	unknown := second.weight() == ownAnswer && second.resp.Status == http.StatusNotFound
	if second.weight() > first.weight() && !unknown {
		first.resp.Close()
		return second
	}
	second.resp.Close()
	first.err = sooner(first.err, retryAfter(second.err))
	return first
}

// The weights of answers.
const (
	gateClosed = iota
	vendorFailed
	ownAnswer
	success
)

func (a answer) weight() int {
	switch _, failed := errors.AsType[*llm.VendorError](a.err); {
	case a.err == nil && a.resp.Status < http.StatusBadRequest:
		return success
	case a.err == nil:
		return ownAnswer
	case failed, !isRejected(a.err):
		return vendorFailed
	}
	return gateClosed
}

// streamed reports whether a part of the answer has reached the client.
func streamed(err error) bool {
	failed, ok := errors.AsType[*llm.VendorError](err)
	return ok && failed.Streamed
}

func isRejected(err error) bool {
	_, ok := errors.AsType[*outcome.Rejected](err)
	return ok
}

// soonest is the refusal of a call with the time at which the first of the lanes on the way can be tried again, those
// that were left out because their breakers are open among them.
func (l *Lane) soonest(err error) error {
	if retryAfter(err) == 0 {
		return err
	}
	for next := l.fallback; next != nil; next = next.fallback {
		err = sooner(err, next.breaker.RetryAfter())
	}
	return err
}

// sooner is err with a shorter time to wait, where it is a refusal that knows one. A wait of 0 is not known.
func sooner(err error, wait time.Duration) error {
	if wait == 0 || wait >= retryAfter(err) {
		return err
	}
	rejected, _ := errors.AsType[*outcome.Rejected](err)
	changed := *rejected
	changed.RetryAfter = wait
	return &changed
}

// retryAfter is how long a refusal says to wait; 0 when it does not, or is none.
func retryAfter(err error) time.Duration {
	if rejected, ok := errors.AsType[*outcome.Rejected](err); ok {
		return rejected.RetryAfter
	}
	return 0
}
