package live

import (
	"math"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// bench is a registry with some of the service's metrics.
type bench struct {
	reg      *prometheus.Registry
	requests *prometheus.CounterVec
	took     *prometheus.HistogramVec
	breaker  *prometheus.GaugeVec
	start    time.Time
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{
		reg: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "llm_http_requests_total", Help: "Requests.",
		}, []string{"route", "status", "reason"}),
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "llm_vendor_duration_seconds", Help: "Durations.", Buckets: []float64{1, 2, 4},
		}, []string{"lane"}),
		breaker: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "llm_breaker_state", Help: "State."},
			[]string{"lane"}),
		start: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	b.reg.MustRegister(b.requests, b.took, b.breaker)
	return b
}

// read takes a reading so many seconds after the start.
func (b *bench) read(t *testing.T, seconds int, refused map[cause]float64) reading {
	t.Helper()
	f, err := gather(b.reg)
	if err != nil {
		t.Fatal(err)
	}
	return reading{at: b.start.Add(time.Duration(seconds) * time.Second), figures: f, refused: refused}
}

func TestRequestsAndLayersAddUp(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.requests.WithLabelValues("/llm", "200", "").Add(100)
	old := b.read(t, 0, map[cause]float64{{"shed", "shed"}: 5})
	b.requests.WithLabelValues("/llm", "200", "").Add(20)
	b.requests.WithLabelValues("/v1/chat/completions", "429", "shed").Add(10)
	b.requests.WithLabelValues("/llm", "502", "vendor_error").Add(5)
	b.requests.WithLabelValues("/llm", "404", "").Add(5)      // the vendor's own answer
	b.requests.WithLabelValues("/health", "200", "").Add(999) // no request for a call
	now := b.read(t, 5, map[cause]float64{{"shed", "shed"}: 15, {"vendor", "vendor_error"}: 5})

	s := derive(old, old, now)
	if s.Requests.PerSecond != 8 || s.Requests.Total != 140 {
		t.Errorf("requests are %+v, want 140 and 8 a second", s.Requests.Rate)
	}
	got := map[string]float64{}
	for _, o := range s.Requests.Outcomes {
		got[o.Name] = o.PerSecond
	}
	for name, want := range map[string]float64{"ok": 4, "shed": 2, "vendor_error": 1, "status_404": 1} {
		if got[name] != want {
			t.Errorf("%s is %v a second, want %v", name, got[name], want)
		}
	}
	want := map[string]struct{ passed, refused float64 }{"admission": {8, 0}, "shed": {6, 2}, "slots": {6, 0},
		"vendor": {5, 1}}
	for _, layer := range s.Layers {
		if w, ok := want[layer.Name]; ok && (layer.Passed != w.passed || layer.Refused.PerSecond != w.refused) {
			t.Errorf("%s lets %v through and refuses %v, want %+v", layer.Name, layer.Passed, layer.Refused.PerSecond,
				w)
		}
	}
	if p := s.point(); p.OK != 4 || p.Refused != 2 || p.Failed != 1 {
		t.Errorf("the point is %+v, want 4 answered, 2 refused, 1 failed", p)
	}
}

// The first reading has none before it: there is no rate yet, and no division by zero.
func TestTheFirstSnapshotHasNoRates(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.requests.WithLabelValues("/llm", "200", "").Add(100)
	only := b.read(t, 0, nil)
	if s := derive(only, only, only); s.Requests.PerSecond != 0 || s.Requests.Total != 100 ||
		s.Vendor.Latency.P50 != nil {
		t.Errorf("got %+v, vendor %+v", s.Requests, s.Vendor)
	}
}

func TestEachLaneIsARow(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	old := b.read(t, 0, nil)
	b.breaker.WithLabelValues("default").Set(0)
	b.breaker.WithLabelValues("spare").Set(2)
	b.took.WithLabelValues("default").Observe(.5)
	b.took.WithLabelValues("spare").Observe(3)
	s := derive(old, old, b.read(t, 1, nil))
	if len(s.Lanes) != 2 || s.Lanes[0].Breaker != "closed" || s.Lanes[1].Breaker != "open" ||
		s.Breaker.State != "open" {
		t.Fatalf("lanes are %+v, the breaker is %q", s.Lanes, s.Breaker.State)
	}
	if low, high := *s.Lanes[0].Vendor.Latency.P99, *s.Lanes[1].Vendor.Latency.P99; low > 1 || high < 2 || high > 4 {
		t.Errorf("p99 of the lanes is %v and %v, want at most 1 and from 2 to 4", low, high)
	}
}

func TestQuantile(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		b    buckets
		q    float64
		want float64
	}{
		"middle of the first bucket":  {buckets{All: 10, Under: []bucket{{1, 10}, {2, 10}}}, .5, .5},
		"middle of the second bucket": {buckets{All: 10, Under: []bucket{{1, 0}, {2, 10}}}, .5, 1.5},
		"at a limit":                  {buckets{All: 10, Under: []bucket{{1, 5}, {2, 10}}}, .5, 1},
		"beyond the last limit":       {buckets{All: 10, Under: []bucket{{1, 0}, {2, 1}}}, .99, 2},
	} {
		if got := tt.b.quantile(tt.q); got == nil || math.Abs(*got-tt.want) > 1e-9 {
			t.Errorf("%s: got %v, want %v", name, got, tt.want)
		}
	}
	if got := (buckets{All: 0, Under: []bucket{{1, 0}}}).quantile(.5); got != nil {
		t.Errorf("the quantile of nothing is %v, want none", *got)
	}
}

func TestRingKeepsTheLastOnes(t *testing.T) {
	t.Parallel()
	r := newRing[int](3)
	for n := range 5 {
		r.add(n)
		if got := r.back(1); got != max(0, n-1) {
			t.Errorf("after %d the one before is %d", n, got)
		}
	}
	if got := r.list(); len(got) != 3 || got[0] != 2 || got[2] != 4 {
		t.Errorf("kept %v, want 2, 3, 4", got)
	}
	if got := r.back(9); got != 2 {
		t.Errorf("far back is %d, want the oldest, 2", got)
	}
}
