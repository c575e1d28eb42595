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
	now := b.read(t, 5, map[cause]float64{{"shed", "shed"}: 15, {"vendor", "vendor_error"}: 5,
		{"vendor", "status_404"}: 5})

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
		"vendor": {4, 2}}
	for _, layer := range s.Layers {
		if w, ok := want[layer.Name]; ok && (layer.Passed != w.passed || layer.Refused.PerSecond != w.refused) {
			t.Errorf("%s lets %v through and refuses %v, want %+v", layer.Name, layer.Passed, layer.Refused.PerSecond,
				w)
		}
	}
	if p := s.point(); p.OK != 4 || p.Refused != 2 || p.Failed != 2 {
		t.Errorf("the point is %+v, want 4 answered, 2 refused, 2 failed", p)
	}
}

// TestRequestsAreFollowedToWhereTheyAre: those that are not answered yet count as soon as they come, and those that
// need no call, or wait, get no further than that.
func TestRequestsAreFollowedToWhereTheyAre(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	gauge := func(name string) prometheus.Gauge {
		g := prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: "A gauge."})
		b.reg.MustRegister(g)
		return g
	}
	inside, polls := gauge("llm_http_in_flight"), gauge("llm_jobs_waiting_requests")
	booked, queued := gauge("llm_quota_waiting"), gauge("llm_slots_waiting")
	inside.Set(5)
	old := b.read(t, 0, nil)
	b.requests.WithLabelValues("/v1/models", "200", "").Add(10)
	b.requests.WithLabelValues("/llm/jobs/:id", "200", "").Add(20)
	b.requests.WithLabelValues("/llm/jobs/:id", "404", "job_not_found").Add(5)
	b.requests.WithLabelValues("/llm", "202", "").Add(15)
	b.requests.WithLabelValues("/llm", "200", "").Add(10)
	inside.Set(5 + 5 + 10 + 15 + 20) // of which some wait for a job, a booked start, and a slot
	polls.Set(5)
	booked.Set(10)
	queued.Set(15)
	s := derive(old, old, b.read(t, 5, map[cause]float64{{"jobs", "job_not_found"}: 5}))
	if s.Requests.PerSecond != 22 || s.Requests.Total != 60 {
		t.Errorf("requests are %+v, want 22 a second, and 60 that ended", s.Requests.Rate)
	}
	want := map[string]float64{"identity": 22, "header_limit": 15, "user_limit": 15, "token_limit": 12, "breaker": 12,
		"quota": 10, "pacer": 10, "slots": 7, "vendor": 2, "here": 9}
	for _, layer := range s.Layers {
		if w, ok := want[layer.Name]; ok && layer.Passed != w {
			t.Errorf("%s lets %v through, want %v", layer.Name, layer.Passed, w)
		}
	}
}

// TestUseOfTheContract is what was called of late, of what can be called: it falls when calls end, and there is none
// without a limit.
func TestUseOfTheContract(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	counter := func(name, label string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: "A counter."}, []string{"lane", label})
		b.reg.MustRegister(c)
		return c
	}
	usable := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "llm_quota_usable_per_second", Help: "A gauge."},
		[]string{"lane", "resource"})
	b.reg.MustRegister(usable)
	attempts, tokens := counter("llm_vendor_attempts_total", "result"), counter("llm_tokens_total", "direction")
	for lane, most := range map[string]float64{"default": 10, "spare": 100} {
		usable.WithLabelValues(lane, "requests").Set(most)
		usable.WithLabelValues(lane, "tokens").Set(math.Inf(1))
	}
	old := b.read(t, 0, nil)
	attempts.WithLabelValues("default", "ok").Add(100)
	attempts.WithLabelValues("default", "status").Add(50)
	attempts.WithLabelValues("spare", "ok").Add(300)
	tokens.WithLabelValues("default", "in").Add(9999)
	busy := b.read(t, 30, nil)
	s := derive(old, old, busy)
	if *s.Lanes[0].Quota.Requests != (Use{5, 10}) || *s.Lanes[1].Quota.Requests != (Use{10, 100}) ||
		*s.Quota.Requests != (Use{5, 10}) || *s.point().Requests != .5 {
		t.Errorf("requests used: %+v and %+v, nearest %+v", *s.Lanes[0].Quota.Requests, *s.Lanes[1].Quota.Requests,
			*s.Quota.Requests)
	}
	if s.Quota.Tokens != nil || s.point().Tokens != nil {
		t.Errorf("tokens without a limit are used: %+v", s.Quota.Tokens)
	}
	if later := derive(busy, busy, b.read(t, 60, nil)); *later.Quota.Requests != (Use{0, 10}) {
		t.Errorf("used without calls: %+v", *later.Quota.Requests)
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
