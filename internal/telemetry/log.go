// Package telemetry is how the service speaks to those who run it: a JSON log that carries request and trace IDs, and
// spans that cost nothing while they are not recorded.
package telemetry

import (
	"context"
	"io"
	"log/slog"

	"go.opentelemetry.io/otel/trace"
)

// NewLogger returns a logger that writes one JSON object per line to w. Records made with a request's context carry its
// request_id and, when a trace is recorded, its trace_id.
func NewLogger(w io.Writer, level slog.Leveler) *slog.Logger {
	return slog.New(&handler{slog.NewJSONHandler(escaped{w}, &slog.HandlerOptions{Level: level})})
}

// handler adds what the context knows to every record.
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

// WithAttrs and WithGroup keep the handler around the one it wraps; without them the IDs would be lost on the first
// With.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &handler{h.Handler.WithAttrs(attrs)}
}

func (h *handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	return &handler{h.Handler.WithGroup(name)}
}

// RequestIDKey is the key under which a context carries the request's ID, as a *string: a context of its own kind can
// answer to it without an allocation.
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
