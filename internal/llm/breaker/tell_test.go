package breaker

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/redistest"
	"github.com/spillway-dev/spillway/internal/redisx"
)

// RetryAfter, by which requests are refused early, must let the probe pass.
func TestRetryAfter(t *testing.T) {
	t.Parallel()
	b := newPodBreaker(t, slowBreaker(), redisx.Config{URL: redistest.Start(t).URL()})
	quiet(t, b)
	for _, tt := range []struct {
		view reply
		wait bool
	}{
		{reply{state: Closed}, false},
		{reply{state: Open, gen: 1, left: time.Hour}, true},
		{reply{state: Open, gen: 1}, false},
		{reply{state: HalfOpen, gen: 2, left: time.Hour}, false},
	} {
		b.snapshot.Store(b.newSnapshot(tt.view, time.Now(), true))
		if got := b.RetryAfter(); (got > 0) != tt.wait {
			t.Errorf("%v: %v", tt.view, got)
		}
	}
}

// A call that a breaker decides about has a span. A call that passes a closed breaker has none.
func TestSpans(t *testing.T) {
	t.Parallel()
	b := newPodBreaker(t, slowBreaker(), redisx.Config{URL: redistest.Start(t).URL()})
	spans := tracetest.NewSpanRecorder()
	ctx, root := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)).Tracer("").Start(t.Context(), "request")
	defer root.End()
	leave, err := b.Enter(ctx, newCall())
	ok(t, err)
	leave(success)
	if n := len(spans.Ended()); n != 0 {
		t.Errorf("%d spans of a closed breaker", n)
	}
	fail(t, b)
	awaitState(t, Open, b)
	if _, err := b.Enter(ctx, newCall()); err == nil {
		t.Fatal("open, and admitted")
	}
	if got := spans.Ended(); len(got) != 1 || got[0].Name() != "breaker" || got[0].Status().Code != codes.Error {
		t.Errorf("spans of a rejection: %v", got)
	}
}

// One outage: one line and one count for each change.
func TestTellsWhatHappens(t *testing.T) {
	t.Parallel()
	var lines bytes.Buffer
	log, reg := slog.New(slog.NewTextHandler(&lines, nil)), prometheus.NewRegistry()
	rdb, err := redisx.New(redisx.Config{URL: redistest.Start(t).URL(), Budget: time.Second, Pool: 8}, log, reg)
	ok(t, err)
	defer rdb.Close()
	b, err := New(quickBreaker(), rdb, "vendor", log, reg)
	ok(t, err)
	fail(t, b)
	awaitState(t, HalfOpen, b)
	awaitProbe(t, b)(llm.Result{})
	awaitProbe(t, b)(success)
	awaitProbe(t, b)(success)
	awaitState(t, Closed, b)
	ok(t, b.Close())
	for _, line := range []string{"level=WARN msg=\"breaker open\" shared=true for_ms=",
		"level=INFO msg=\"breaker half-open\"", "level=INFO msg=\"breaker closed\""} {
		if n := strings.Count(lines.String(), line); n != 1 {
			t.Errorf("%d times %s in\n%s", n, line, &lines)
		}
	}
	ok(t, testutil.GatherAndCompare(reg, strings.NewReader(`
# HELP llm_breaker_probes_total Probes this pod made in the half-open state, by result: won, lost, freed.
# TYPE llm_breaker_probes_total counter
llm_breaker_probes_total{result="freed"} 1
llm_breaker_probes_total{result="won"} 2
# HELP llm_breaker_state 0 closed, 1 half-open, 2 open, as this pod knows it.
# TYPE llm_breaker_state gauge
llm_breaker_state 0
# HELP llm_breaker_transitions_total Changes of the breaker's state that this pod learned of, by the new state.
# TYPE llm_breaker_transitions_total counter
llm_breaker_transitions_total{to="closed"} 1
llm_breaker_transitions_total{to="half-open"} 1
llm_breaker_transitions_total{to="open"} 1
`), "llm_breaker_probes_total", "llm_breaker_state", "llm_breaker_transitions_total"))
}
