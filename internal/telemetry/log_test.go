package telemetry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"testing"
	"testing/slogtest"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/spillway-dev/spillway/internal/telemetry"
)

func TestLoggerIsAWholeHandler(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	slogtest.Run(t, func(*testing.T) slog.Handler {
		out.Reset()
		return telemetry.NewLogger(&out, slog.LevelInfo).Handler()
	}, func(t *testing.T) map[string]any { t.Helper(); return record(t, &out) })
}

func TestLoggerAddsWhatTheContextKnows(t *testing.T) {
	t.Parallel()
	ctx := telemetry.WithRequestID(t.Context(), "req-7")
	ctx, span := sdktrace.NewTracerProvider().Tracer("test").Start(ctx, "request")
	defer span.End()
	for name, with := range map[string]func(*slog.Logger) *slog.Logger{
		"plain":      func(l *slog.Logger) *slog.Logger { return l },
		"after With": func(l *slog.Logger) *slog.Logger { return l.With(slog.Int("a", 1)) },
	} {
		var out bytes.Buffer
		with(telemetry.NewLogger(&out, slog.LevelInfo)).InfoContext(ctx, "hello")
		r := record(t, &out)
		if r["request_id"] != "req-7" || r["trace_id"] != span.SpanContext().TraceID().String() {
			t.Errorf("%s: got %v", name, r)
		}
	}
}

func record(t *testing.T, out *bytes.Buffer) map[string]any {
	t.Helper()
	r := map[string]any{}
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatalf("%q: %v", out, err)
	}
	return r
}

func TestLevelAndMissingContext(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log := telemetry.NewLogger(&out, slog.LevelWarn)
	log.InfoContext(context.Background(), "not this")
	if out.Len() != 0 {
		t.Errorf("info was written at level warn: %s", &out)
	}
	log.WarnContext(context.Background(), "this")
	if r := record(t, &out); r["request_id"] != nil || r["trace_id"] != nil {
		t.Errorf("IDs out of nowhere: %v", r)
	}
}
