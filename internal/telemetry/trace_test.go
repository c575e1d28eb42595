package telemetry_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/spillway-dev/spillway/internal/telemetry"
)

func TestStartIsFreeWithoutARecorder(t *testing.T) { //nolint:paralleltest // AllocsPerRun counts the whole process
	ctx := t.Context()
	if n := testing.AllocsPerRun(100, func() {
		_, span := telemetry.Start(ctx, "layer")
		telemetry.End(span, nil)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestSpansNestAndCarryErrors(t *testing.T) {
	t.Parallel()
	seen := tracetest.NewSpanRecorder()
	ctx, root := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(seen)).Tracer("test").Start(t.Context(),
		"request")
	_, span := telemetry.Start(ctx, "quota")
	telemetry.End(span, errors.New("used up"))
	root.End()
	spans := seen.Ended()
	if len(spans) != 2 || spans[0].Name() != "quota" || spans[0].Parent().SpanID() != root.SpanContext().SpanID() {
		t.Fatalf("got %v", spans)
	}
	if s := spans[0].Status(); s.Code != codes.Error || s.Description != "used up" {
		t.Errorf("status %+v", s)
	}
}

// Setup is tested in one function, because the exporter reads the environment of the process.
func TestSetup(t *testing.T) {
	got := make(chan string, 10)
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter,
		r *http.Request) {
		got <- r.URL.Path
	}))
	defer collector.Close()
	env := map[string]string{}
	lookup := func(name string) (string, bool) { v, ok := env[name]; return v, ok }

	provider, shutdown, err := telemetry.Setup(t.Context(), lookup, "svc", "v1")
	if err != nil || provider != nil {
		t.Fatalf("without the standard variables there is a provider, or %v", err)
	}
	if err := shutdown(t.Context()); err != nil {
		t.Error(err)
	}

	env["OTEL_EXPORTER_OTLP_ENDPOINT"] = collector.URL
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.URL)
	env["OTEL_EXPORTER_OTLP_PROTOCOL"] = "carrier-pigeon"
	if _, _, err := telemetry.Setup(t.Context(), lookup, "svc", "v1"); err == nil {
		t.Error("an unknown protocol was accepted")
	}
	delete(env, "OTEL_EXPORTER_OTLP_PROTOCOL")
	provider, shutdown, err = telemetry.Setup(t.Context(), lookup, "svc", "v1")
	if err != nil {
		t.Fatal(err)
	}
	_, span := provider.Tracer("test").Start(t.Context(), "request")
	span.End()
	if err := shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	select {
	case path := <-got:
		if path != "/v1/traces" {
			t.Errorf("the collector was called at %s", path)
		}
	default:
		t.Error("shutdown did not send what was held")
	}
}
