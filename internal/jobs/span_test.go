package jobs_test

import (
	"context"
	"errors"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/spillway-dev/spillway/internal/await"
	"github.com/spillway-dev/spillway/internal/jobs"
	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/redistest"
	"github.com/spillway-dev/spillway/internal/redisx"
	"github.com/spillway-dev/spillway/internal/telemetry"
)

const (
	traceID     = "0af7651916cd43dd8448eb211c80319c"
	spanID      = "b7ad6b7169203331"
	traceparent = "00-" + traceID + "-" + spanID + "-01"
)

// Each attempt is a span in the trace of the request that submitted the job, though that has long been answered; the
// call stands below it.
func TestSpanOfAnAttempt(t *testing.T) {
	t.Parallel()
	seen := tracetest.NewSpanRecorder()
	p := newPod(t, options{
		redis:  redisx.Config{URL: redistest.Start(t).URL()},
		tracer: sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(seen)),
		before: func(ctx context.Context) {
			_, span := telemetry.Start(ctx, "vendor")
			telemetry.End(span, nil)
		},
	})
	id, _, err := p.Submit(t.Context(), jobs.Submission{User: "ada", Priority: llm.Normal, Body: []byte(body),
		Traceparent: traceparent})
	ok(t, err)
	first := p.vendor.called(t)
	first.failed <- &llm.VendorError{Kind: llm.KindStatus, Status: 500}
	second := p.vendor.called(t)
	second.answer <- "hello"
	p.end(t, id)
	await.True(t, "all spans have ended", func() bool { return len(seen.Ended()) == 4 })
	var attempts []sdktrace.ReadOnlySpan
	for i, span := range seen.Ended() {
		switch span.Name() {
		case "job":
			attempts = append(attempts, span)
			if child := seen.Ended()[i-1]; child.Name() != "vendor" ||
				child.Parent().SpanID() != span.SpanContext().SpanID() {
				t.Errorf("below it stands %s, of %s", child.Name(), child.Parent().SpanID())
			}
		case "vendor":
		default:
			t.Errorf("a span %s", span.Name())
		}
	}
	for i, span := range attempts {
		if span.SpanContext().TraceID().String() != traceID || span.Parent().SpanID().String() != spanID ||
			span.SpanKind() != trace.SpanKindConsumer {
			t.Errorf("%s, of trace %s below %s", span.SpanKind(), span.SpanContext().TraceID(), span.Parent().SpanID())
		}
		got := attribute.NewSet(span.Attributes()...)
		want := attribute.NewSet(attribute.String("llm.job_id", id), attribute.String("llm.priority", "normal"),
			attribute.Int("llm.job_failures", i))
		if !got.Equals(&want) {
			t.Errorf("attributes %v", span.Attributes())
		}
	}
	if len(attempts) != 2 || attempts[0].Status().Code != codes.Error || attempts[1].Status().Code != codes.Unset {
		t.Errorf("attempts: %v", attempts)
	}
	if first.Header.Get("Traceparent") != "" || second.Header.Get("Traceparent") != "" {
		t.Error("the submitter's span is passed on in place of the attempt's")
	}
}

// A cancelled job's span ends with what ended it.
func TestSpanOfACancelledJob(t *testing.T) {
	t.Parallel()
	seen := tracetest.NewSpanRecorder()
	p := newPod(t, options{redis: redisx.Config{URL: redistest.Start(t).URL()},
		tracer: sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(seen))})
	id := p.submit(t)
	call := p.vendor.called(t)
	ok(t, p.Cancel(t.Context(), "ada", id))
	await.Value(t, "the end of the call", call.ctx.Done())
	await.True(t, "the span has ended", func() bool { return len(seen.Ended()) == 1 })
	span := seen.Ended()[0]
	if s := span.Status(); s.Code != codes.Error || s.Description != context.Canceled.Error() {
		t.Errorf("status %+v", s)
	}
	if span.Parent().IsValid() {
		t.Errorf("below %s, and the submission was not traced", span.Parent().SpanID())
	}
}

// Without tracing here the vendor is given the submitter's trace, as it is with a call.
func TestTraceWithoutSpans(t *testing.T) {
	t.Parallel()
	p := newPod(t, options{redis: redisx.Config{URL: redistest.Start(t).URL()}})
	_, _, err := p.Submit(t.Context(), jobs.Submission{User: "ada", Priority: llm.Low, Body: []byte(body),
		Traceparent: traceparent})
	ok(t, err)
	call := p.vendor.called(t)
	if got := call.Header.Get("Traceparent"); got != traceparent {
		t.Errorf("the vendor is told %q", got)
	}
	call.failed <- errors.New("enough")
}
