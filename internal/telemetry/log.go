// Package telemetry has what operators see of the service: a JSON log with request and trace IDs, the registry of
// metrics, and trace spans, which cost nothing while they are not recorded.
package telemetry

import (
	"context"
	"io"
	"log/slog"

	"go.opentelemetry.io/otel/trace"
)

// NewLogger returns a logger that writes one JSON object per line to w. Records with a request's context have its
// request_id and, when a trace is recorded, its trace_id.
func NewLogger(w io.Writer, level slog.Leveler) *slog.Logger {
	return slog.New(&handler{slog.NewJSONHandler(escaped{w}, &slog.HandlerOptions{Level: level})})
}

// handler adds the IDs in the context to every record.
type handler struct{ slog.Handler }

func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	if id := RequestID(ctx); id != "" {
		r.AddAttrs(slog.String("request_id", id))
	}
	if sc := trace.SpanContextFromContext(ctx); sc.IsSampled() {
		r.AddAttrs(slog.String("trace_id", sc.TraceID().String()))
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs and WithGroup return a handler of this type too. Without them the result of With would not add the IDs.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &handler{h.Handler.WithAttrs(attrs)}
}

func (h *handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	return &handler{h.Handler.WithGroup(name)}
}

// RequestIDKey is the key of the request's ID in a context. The value is a *string, so that a custom type of context
// can return it without an allocation.
type RequestIDKey struct{}

// WithRequestID returns a context that carries the request's ID.
func WithRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, RequestIDKey{}, &id)
}

// RequestID is the ID that ctx carries, or "".
func RequestID(ctx context.Context) string {
	if id, ok := ctx.Value(RequestIDKey{}).(*string); ok {
		return *id
	}
	return ""
}
