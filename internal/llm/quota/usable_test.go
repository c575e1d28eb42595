package quota

import (
	"log/slog"
	"math"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// TestTellsWhatItCanStartInTheLongRun: of 600 calls a minute, 12 of them at once, and of 200,000 tokens, with calls
// that start up to 5 s after they were booked. The alerts divide by it.
func TestTellsWhatItCanStartInTheLongRun(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		cfg              Config
		requests, tokens float64
	}{
		{Config{Requests: 600, Tokens: 200_000, Window: time.Minute, Shares: 1}, 588. / 65, 190_000. / 65},
		{Config{}, math.Inf(1), math.Inf(1)},
	} {
		reg := prometheus.NewRegistry()
		q, err := New(c.cfg, 5*time.Second, nil, "v", slog.New(slog.DiscardHandler), reg)
		ok(t, err)
		t.Cleanup(func() { ok(t, q.Close()) })
		families, err := reg.Gather()
		ok(t, err)
		got := map[string]float64{}
		for _, family := range families {
			if family.GetName() == "llm_quota_usable_per_second" {
				for _, m := range family.GetMetric() {
					got[m.GetLabel()[0].GetValue()] = m.GetGauge().GetValue()
				}
			}
		}
		near := func(a, b float64) bool { return a == b || math.Abs(a-b) < b/1000 }
		if !near(got["requests"], c.requests) || !near(got["tokens"], c.tokens) {
			t.Errorf("%+v: %v, want %v requests and %v tokens a second", c.cfg, got, c.requests, c.tokens)
		}
	}
}
