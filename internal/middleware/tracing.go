package middleware

import (
	"net/http"

	"github.com/gin-gonic/gin"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/spillway-dev/spillway/internal/telemetry"
)

// Tracing begins the server span of a request, below the caller's when a traceparent came with it. With a nil provider
// nothing is recorded and the layer costs nothing.
func Tracing(provider trace.TracerProvider) gin.HandlerFunc {
	if provider == nil {
		return func(c *gin.Context) { c.Next() }
	}
	tracer := provider.Tracer(telemetry.Scope)
	var parents propagation.TraceContext
	return func(c *gin.Context) {
		ctx := parents.Extract(c.Request.Context(), propagation.HeaderCarrier(c.Request.Header))
		ctx, span := tracer.Start(ctx, method(c.Request.Method)+" "+route(c), trace.WithSpanKind(trace.SpanKindServer))
		defer func() { // also while a panic that breaks the connection off passes through
			describe(span, c)
			span.End()
		}()
		c.Request = c.Request.WithContext(ctx)
		c.Next()
	}
}

// describe says in the span what became of the request.
func describe(span trace.Span, c *gin.Context) {
	in := info(c)
	code := status(c, in)
	span.SetAttributes(
		attribute.String("http.request.method", method(c.Request.Method)),
		attribute.String("http.route", route(c)),
		attribute.Int("http.response.status_code", code),
		attribute.String("llm.request_id", in.ID),
	)
	if in.Tier != "" {
		span.SetAttributes(attribute.String("llm.tier", in.Tier))
	}
	if in.Reason != "" {
		span.SetAttributes(attribute.String("error.type", in.Reason), attribute.String("llm.layer", in.Layer))
	}
	if code >= http.StatusInternalServerError {
		span.SetStatus(codes.Error, in.Reason)
	}
}

// route is the pattern that matched, never the path a client chose.
func route(c *gin.Context) string {
	if r := c.FullPath(); r != "" {
		return r
	}
	return "other"
}

// status is the request's status as it is counted and logged.
func status(c *gin.Context, in *Info) int {
	if in.Status != 0 {
		return in.Status
	}
	return c.Writer.Status()
}
