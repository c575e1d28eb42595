package jobs

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/outcome"
	"github.com/spillway-dev/spillway/internal/telemetry"
)

// call takes the job to the vendor, through the same gates as any other call, and waits for as long as a gate says that
// there is no room: that is no failure of the job. The error is a *waiting when the operator has to mend something.
func (w *worker) call(ctx context.Context, r *run) (call *llm.Call, resp *llm.Response, err error) {
	call = &llm.Call{ID: r.id, User: r.user, Body: r.body, IdempotencyKey: r.key, Priority: priorityOf(r.class),
		Background: true}
	if call.IdempotencyKey == "" {
		call.IdempotencyKey = r.id // lets a vendor that knows it recognise the repeat after a pod's death
	}
	if r.trace != "" && !trace.SpanContextFromContext(ctx).IsValid() {
		call.Header = http.Header{"Traceparent": {r.trace}}
	}
	if call.Payload, err = llm.ParsePayload(nil, r.body, w.d.Estimate); err != nil {
		return call, nil, err
	}
	defer func() {
		if p := recover(); p != nil {
			resp, err = nil, fmt.Errorf("panic: %v", p)
		}
	}()
	for again := false; ; again = true {
		began := time.Now()
		if began.Sub(r.created) > w.s.cfg.MaxAge {
			return call, nil, w.d.Expired
		}
		if again && w.stopping() {
			r.cancel(errHandBack)
		}
		if waits := w.pauses.admit(call.Payload.Model, began); waits != nil {
			return call, nil, waits
		}
		resp, err = w.once(ctx, r, call, again)
		if _, closed := notNow(err); !closed || ctx.Err() != nil {
			return call, resp, w.settle(call.Payload.Model, began, err)
		}
	}
}

// settle begins or ends the pauses of a model after a call.
func (w *worker) settle(model string, began time.Time, err error) error {
	if failed, ok := errors.AsType[*llm.VendorError](err); ok {
		if code, ok := operatorFault(failed.Kind); ok {
			return errors.Join(w.pauses.failed(model, code, began, time.Now()), err)
		}
	}
	if err == nil {
		w.pauses.passed(model)
	}
	return err
}

// once is one pass through the gates. The turnstile is held until the vendor is called, and while a gate that is closed
// is waited for: the next job would find it closed too. again: it has been in front before.
func (w *worker) once(ctx context.Context, r *run, call *llm.Call, again bool) (*llm.Response, error) {
	gates := w.gates.at(call.Payload.Model)
	leave, err := gates.pass(ctx, call.Priority, again)
	if err != nil {
		return nil, err
	}
	defer leave()
	called := false
	call.Started = func() {
		if called {
			return
		}
		called = true
		if !r.called.Swap(true) {
			w.s.metrics.wait.WithLabelValues(r.class).Observe(time.Since(r.created).Seconds())
		}
		leave()
	}
	resp, err := w.d.Caller.Do(ctx, call)
	wait, closed := notNow(err)
	if !closed || ctx.Err() != nil {
		return resp, err
	}
	r.called.Store(false)
	if noRoom := w.sitOut(ctx, gates, call.Priority, wait); noRoom != nil {
		return nil, noRoom
	}
	return resp, err
}

// sitOut waits until the lane may let jobs in. Without a place for that the job only keeps its worker while the engine
// has no job that could use it, and looks again every second. The error is a *noRoom.
func (w *worker) sitOut(ctx context.Context, gates *turnstile, class llm.Priority, wait time.Duration) error {
	done, ok := gates.rest(class, wait)
	defer done()
	if !ok && w.s.othersWait() {
		return &noRoom{wait}
	}
	if wait = bounded(wait); !ok {
		wait = min(wait, time.Second)
	}
	_ = sleep(ctx, wait) // cut short when the job is cancelled, which the caller sees
	return nil
}

// notNow reports whether err only says that there is no room at present, and how long that may last.
func notNow(err error) (time.Duration, bool) {
	if failed, ok := errors.AsType[*llm.VendorError](err); ok && failed.Kind == llm.KindRateLimit {
		return failed.RetryAfter, true
	}
	rejected, ok := errors.AsType[*outcome.Rejected](err)
	if !ok {
		return 0, false
	}
	switch rejected.Reason {
	case outcome.QueueTimeout, outcome.VendorUnavailable, outcome.VendorRateLimited:
		return rejected.RetryAfter, true
	}
	return 0, false
}

// bounded keeps a wait between too often and too late, and differs from pod to pod.
func bounded(d time.Duration) time.Duration {
	d = min(max(d, 10*time.Millisecond), 5*time.Second)
	return d + rand.N(d/4)
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func priorityOf(class string) llm.Priority {
	for p := llm.Low; p <= llm.High; p++ {
		if p.String() == class {
			return p
		}
	}
	return llm.Low
}

// startSpan begins the span of one attempt, below that of the request that submitted the job.
func (w *worker) startSpan(ctx context.Context, j *claimed) (context.Context, trace.Span) {
	if w.d.Tracer == nil {
		return ctx, trace.SpanFromContext(ctx)
	}
	ctx = propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{"traceparent": j.trace})
	//nolint:spancheck // work ends it
	return w.d.Tracer.Tracer(telemetry.Scope).Start(ctx, "job", trace.WithSpanKind(trace.SpanKindConsumer),
		trace.WithAttributes(
			attribute.String("llm.job_id", j.id), attribute.String("llm.priority", j.class),
			attribute.Int("llm.job_failures", j.failures)))
}
