package chain_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/spillway-dev/spillway/internal/await"
	"github.com/spillway-dev/spillway/internal/llm/chain"
	"github.com/spillway-dev/spillway/internal/llm/llmtest"
)

// TestSpansTellTheLane: one span for each exchange, with its lane, and one for the move from one lane to the other.
func TestSpansTellTheLane(t *testing.T) {
	t.Parallel()
	l := newLanes(t, answers(http.StatusUnauthorized), answers(http.StatusOK), nil)
	spans := tracetest.NewSpanRecorder()
	ctx, root := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)).Tracer("").Start(t.Context(), "request")
	defer root.End()
	if lane, err := l.ask(ctx); lane != "second" || err != nil {
		t.Fatal(lane, err)
	}
	var told []string
	for _, span := range spans.Ended() {
		var text strings.Builder
		text.WriteString(span.Name())
		for _, attr := range span.Attributes() {
			if name, ours := strings.CutPrefix(string(attr.Key), "llm."); ours &&
				attr.Value.Type() == attribute.STRING {
				text.WriteString(" " + name + "=" + attr.Value.AsString())
			}
		}
		told = append(told, text.String())
	}
	want := []string{
		"vendor endpoint=chat lane=default", "failover lane.from=default lane.to=second failover.reason=auth",
		"vendor endpoint=chat lane=second",
	}
	if !slices.Equal(told, want) {
		t.Errorf("spans %q, want %q", told, want)
	}
}

// TestEveryMetricOfALaneTellsWhich: no series of one lane is mixed with the other's. What belongs to the pod has no
// lane.
func TestEveryMetricOfALaneTellsWhich(t *testing.T) {
	t.Parallel()
	l := newLanes(t, answers(http.StatusUnauthorized), answers(http.StatusOK), nil)
	_, err := l.ask(t.Context())
	llmtest.OK(t, err)
	families, err := l.reg.Gather()
	llmtest.OK(t, err)
	pods := []string{"llm_slots", "llm_redis", "llm_failovers_total"}
	for _, family := range families {
		name := family.GetName()
		if slices.ContainsFunc(pods, func(p string) bool { return strings.HasPrefix(name, p) }) {
			continue
		}
		lanes := l.labelled(name, "lane")
		if !slices.Equal(lanes, []string{"default", "second"}) && !slices.Equal(lanes, []string{"default"}) &&
			!slices.Equal(lanes, []string{"second"}) {
			t.Errorf("%s is of the lanes %q", name, lanes)
		}
		for _, m := range family.GetMetric() {
			if !slices.ContainsFunc(m.GetLabel(), func(p *dto.LabelPair) bool { return p.GetName() == "lane" }) {
				t.Errorf("%s has a series without a lane", name)
			}
		}
	}
	if got := l.labelled("llm_vendor_attempts_total", "lane"); !slices.Equal(got, []string{"default", "second"}) {
		t.Errorf("attempts of the lanes %q", got)
	}
}

// TestLanesAtOneVendorShareNothingInRedis: each has keys of its own, and the lane default those that it had before
// there were further lanes.
func TestLanesAtOneVendorShareNothingInRedis(t *testing.T) {
	t.Parallel()
	l := newLanes(t, answers(http.StatusInternalServerError), answers(http.StatusOK),
		func(c *chain.Config) { c.Breaker.Failures = 1 })
	await.True(t, "the breaker opens", func() bool {
		_,
			err := l.ask(t.Context())
		llmtest.OK(t, err)
		return l.Trouble() != ""
	})
	var keys []string
	llmtest.OK(t, l.rdb.Do(t.Context(), func(ctx context.Context, r redis.Cmdable) (err error) {
		keys, err = r.Keys(ctx, "*").Result()
		return err
	}))
	slices.Sort(keys)
	for _, prefix := range []string{"llm:{vendor.test}:breaker", "llm:{vendor.test}:quota:",
		"llm:{vendor.test/second}:quota:"} {
		if !slices.ContainsFunc(keys, func(k string) bool { return strings.HasPrefix(k, prefix) }) {
			t.Errorf("no key begins with %s: %q", prefix, keys)
		}
	}
	if got := l.Trouble(); !strings.Contains(got, "lane default") || strings.Contains(got, "lane second") ||
		l.Down() != 0 {
		t.Errorf("trouble %q, down for %v: the open breaker is the lane default's alone", got, l.Down())
	}
	if text := l.lines.String(); !strings.Contains(text, `msg="breaker open" lane=default`) ||
		strings.Contains(text, "lane=second") {
		t.Errorf("the log does not tell the lane: %s", text)
	}
}
