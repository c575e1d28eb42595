package middleware_test

import (
	"net/http"
	"testing"

	"github.com/gin-gonic/gin"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/spillway-dev/spillway/internal/middleware"
	"github.com/spillway-dev/spillway/internal/outcome"
	"github.com/spillway-dev/spillway/internal/telemetry"
)

func recorder() (*tracetest.SpanRecorder, trace.TracerProvider) {
	seen := tracetest.NewSpanRecorder()
	return seen, sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(seen))
}

func TestTracingContinuesTheCallersTrace(t *testing.T) {
	t.Parallel()
	seen, provider := recorder()
	h := chain(func(c *gin.Context) {
		_, span := telemetry.Start(c.Request.Context(), "layer")
		telemetry.End(span, nil)
		fail(c, &outcome.Rejected{Layer: "admission", Reason: outcome.Overloaded})
	}, middleware.Tracing(provider), middleware.RequestID(), as("ada", "pro"))
	post(h, "X-Request-Id", "req-1", "Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	spans := seen.Ended()
	if len(spans) != 2 {
		t.Fatalf("%d spans", len(spans))
	}
	layer, server := spans[0], spans[1]
	if server.Name() != "POST /llm" || server.SpanKind() != trace.SpanKindServer ||
		server.SpanContext().TraceID().String() != "0af7651916cd43dd8448eb211c80319c" ||
		server.Parent().SpanID().String() != "b7ad6b7169203331" {
		t.Errorf("%s, %s, of trace %s below %s", server.Name(), server.SpanKind(), server.SpanContext().TraceID(),
			server.Parent().SpanID())
	}
	if layer.Parent().SpanID() != server.SpanContext().SpanID() {
		t.Error("the layer's span does not stand below the server's")
	}
	got := attribute.NewSet(server.Attributes()...)
	for key, want := range map[attribute.Key]string{
		"http.request.method": "POST", "http.route": "/llm", "http.response.status_code": "503",
		"llm.request_id": "req-1", "llm.tier": "pro", "error.type": "overloaded", "llm.layer": "admission",
	} {
		if value, _ := got.Value(key); value.String() != want {
			t.Errorf("%s is %q, want %q", key, value.String(), want)
		}
	}
	if server.Status().Code != codes.Error {
		t.Errorf("status %v", server.Status())
	}
}

func TestTracingEndsTheSpanOfABrokenConnection(t *testing.T) {
	t.Parallel()
	seen, provider := recorder()
	h := chain(func(*gin.Context) { panic(http.ErrAbortHandler) }, middleware.Tracing(provider), middleware.RequestID())
	func() {
		defer func() { _ = recover() }()
		post(h)
	}()
	if n := len(seen.Ended()); n != 1 {
		t.Errorf("%d spans ended", n)
	}
}

func TestTracingIsFreeWhenOff(t *testing.T) { //nolint:paralleltest // AllocsPerRun counts the whole process
	off := middleware.Tracing(nil)
	c, _ := gin.CreateTestContext(nil)
	if n := testing.AllocsPerRun(100, func() { off(c) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
