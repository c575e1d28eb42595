package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/outcome"
	"github.com/spillway-dev/spillway/internal/telemetry"
)

// call takes the job to the vendor, through the same chain as any other call, and waits for as long as a gate says that
// there is no room: that is no failure of the job.
func (w *worker) call(ctx context.Context, r *run) (call *llm.Call, resp *llm.Response, err error) {
	call = &llm.Call{ID: r.id, Body: r.body, IdempotencyKey: r.key, Priority: priorityOf(r.class), Background: true}
	if call.IdempotencyKey == "" {
		call.IdempotencyKey = r.id // lets a vendor that knows it see through the repeat after a pod's death
	}
	if r.trace != "" && !trace.SpanContextFromContext(ctx).IsValid() {
		call.Header = http.Header{"Traceparent": {r.trace}}
	}
	if call.Payload, err = llm.ParsePayload(r.body, w.d.Estimate); err != nil {
		return call, nil, err
	}
	defer func() {
		if p := recover(); p != nil {
			resp, err = nil, fmt.Errorf("panic: %v", p)
		}
	}()
	for again := false; ; again = true {
		if time.Since(r.created) > w.s.cfg.MaxAge {
			return call, nil, w.d.Expired
		}
		if again && w.stopping.Err() != nil {
			r.cancel(errHandBack)
		}
		resp, err = w.once(ctx, r, call, again)
		if _, closed := notNow(err); !closed || ctx.Err() != nil {
			return call, resp, err
		}
	}
}

// once is one walk through the gates. The turnstile is held until the vendor is called, and while a gate that is closed is
// waited for: whoever would come next finds it closed too. again: it has been in front before.
func (w *worker) once(ctx context.Context, r *run, call *llm.Call, again bool) (*llm.Response, error) {
	leave, err := w.gates.pass(ctx, call.Priority, again)
	if err != nil {
		return nil, err
	}
	defer leave()
	var first sync.Once
	call.Started = func() {
		first.Do(func() {
			if !r.called.Swap(true) {
				w.s.metrics.wait.WithLabelValues(r.class).Observe(time.Since(r.created).Seconds())
			}
			leave()
		})
	}
	resp, err := w.d.Caller.Do(ctx, call)
	if wait, closed := notNow(err); closed && ctx.Err() == nil {
		r.called.Store(false)
		_ = sleep(ctx, wait) // cut short when the job is cancelled, which the caller sees
	}
	return resp, err
}

// notNow tells whether err only says that there is no room at present, and how long that may last.
func notNow(err error) (time.Duration, bool) {
	if failed, ok := errors.AsType[*llm.VendorError](err); ok && failed.Kind == llm.KindRateLimit {
		return bounded(failed.RetryAfter), true
	}
	rejected, ok := errors.AsType[*outcome.Rejected](err)
	if !ok {
		return 0, false
	}
	switch rejected.Reason {
	case outcome.QueueTimeout, outcome.VendorUnavailable, outcome.VendorRateLimited:
		return bounded(rejected.RetryAfter), true
	}
	return 0, false
}

// bounded keeps a wait between too often and too late, and draws pods apart.
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
	return w.d.Tracer.Tracer(telemetry.Scope).Start(ctx, "job", trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(
		attribute.String("llm.job_id", j.id), attribute.String("llm.priority", j.class), attribute.Int("llm.job_failures", j.failures)))
}

// say writes the one line of an attempt.
func (w *worker) say(ctx context.Context, r *run, call *llm.Call, state string, err error) {
	attrs := []slog.Attr{
		slog.String("job", r.id), slog.String("user", r.user), slog.String("priority", r.class), slog.String("state", state),
		slog.Int("failures", r.failures), slog.Int("attempts", call.Attempts),
		slog.Int64("wait_ms", r.started.Sub(r.created).Milliseconds()), slog.Int64("queue_ms", call.Timing.Queue.Milliseconds()),
		slog.Int64("vendor_ms", call.Timing.Vendor.Milliseconds()),
	}
	level := slog.LevelInfo
	if err != nil {
		level = slog.LevelWarn
		attrs = append(attrs, slog.String("error", err.Error()))
	}
	w.s.log.LogAttrs(ctx, level, "job", attrs...)
}

// engineLog takes the engine's own lines at debug: what matters of them is said here, once.
type engineLog struct{ log *slog.Logger }

func (l engineLog) say(args []any) {
	ctx := context.Background()
	if l.log.Enabled(ctx, slog.LevelDebug) {
		l.log.LogAttrs(ctx, slog.LevelDebug, "asynq", slog.String("text", fmt.Sprint(args...)))
	}
}

func (l engineLog) Debug(args ...any) { l.say(args) }
func (l engineLog) Info(args ...any)  { l.say(args) }
func (l engineLog) Warn(args ...any)  { l.say(args) }
func (l engineLog) Error(args ...any) { l.say(args) }
func (l engineLog) Fatal(args ...any) { l.say(args) }
