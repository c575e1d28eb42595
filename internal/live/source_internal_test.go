package live

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// TestTheMetricsOfThePageExist: the page is read from metrics by their names. Each of them is some package's own, so
// that a metric which gets another name is noticed here.
func TestTheMetricsOfThePageExist(t *testing.T) {
	t.Parallel()
	named := regexp.MustCompile(`"(llm_[a-z_]+)"`)
	read, made := map[string]bool{}, map[string]bool{}
	err := filepath.WalkDir("..", func(path string, _ os.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, found := range named.FindAllStringSubmatch(string(text), -1) {
			if strings.HasPrefix(path, filepath.Join("..", "live")) {
				read[found[1]] = true
			} else {
				made[found[1]] = true
			}
		}
		return err
	})
	if err != nil || len(read) < 20 {
		t.Fatalf("%d metrics, %v", len(read), err)
	}
	for name := range read {
		isPrefix := slices.Contains([]string{prefix, "llm_memory_"}, name)
		if !isPrefix && !made[name] {
			t.Errorf("no package has a metric %s", name)
		}
	}
}

// TestEachFigureIsOfItsMetric: metrics go in, each with a value of its own, and come out where they belong.
func TestEachFigureIsOfItsMetric(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	gauge := func(name string, v float64, labels ...string) { // name, value, name, value
		names, values := []string{}, []string{}
		for i := 0; i < len(labels); i += 2 {
			names, values = append(names, labels[i]), append(values, labels[i+1])
		}
		g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: "A gauge."}, names)
		b.reg.MustRegister(g)
		g.WithLabelValues(values...).Set(v)
	}
	first := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "llm_vendor_first_event_seconds", Help: "Times.",
		Buckets: []float64{1, 2, 4}})
	b.reg.MustRegister(first)
	old := b.read(t, 0, nil)
	gauge("llm_http_in_flight", 11)
	gauge("llm_slots", 12)
	gauge("llm_slots_in_use", 13)
	gauge("llm_slots_waiting", 14)
	gauge("llm_quota_waiting", 15, "lane", "default")
	gauge("llm_pressure", .16)
	gauge("llm_retry_budget", 17, "lane", "default")
	gauge("llm_jobs_running", 18)
	gauge("llm_jobs_depth", 19, "priority", "low")
	gauge("llm_memory_used_bytes", 20)
	gauge("llm_redis_up", 1)
	gauge("llm_redis_full", 1)
	gauge("llm_pod_state", 1, "state", "saturated")
	gauge("llm_quota_usable_per_second", 21, "lane", "default", "resource", "tokens")
	first.Observe(3)
	s := derive(old, old, b.read(t, 5, map[cause]float64{{"deadline", "deadline_exceeded"}: 5, {"client", "x"}: 10}))
	first3 := s.Vendor.First.P50
	for what, pair := range map[string][2]any{
		"inside": {s.Requests.Inside, 11.0}, "slots": {s.Slots, Slots{12, 13, 14}},
		"waiting": {s.Quota.Waiting, 15.0}, "pressure": {s.Pressure, .16}, "budget": {s.Retries.Budget, 17.0},
		"jobs": {*s.Jobs, Jobs{[]Amount{{"low", 19}}, 18}}, "memory": {*s.Memory, Memory{{"llm_memory_used_bytes", 20}}},
		"redis": {s.Redis, Redis{true, true}}, "state": {s.State, "saturated"}, "tokens": {*s.Quota.Tokens, Use{0, 21}},
		"first event": {*first3 > 2 && *first3 < 4, true},
		"failed":      {s.point().Failed, 1.0}, "refused": {s.point().Refused, 0.0},
	} {
		if !reflect.DeepEqual(pair[0], pair[1]) {
			t.Errorf("%s: %+v, want %+v", what, pair[0], pair[1])
		}
	}
}

// TestWhatIsWorseOfTwoPods counts for both.
func TestWhatIsWorseOfTwoPods(t *testing.T) {
	t.Parallel()
	a, b := twoPods(t)
	a.Breaker, a.Redis, a.Pressure = Breaker{State: "half-open", ProbeInSeconds: 0}, Redis{Shared: false}, .1
	b.Breaker, b.Redis, b.Pressure = Breaker{State: "open", ProbeInSeconds: 7}, Redis{Shared: true, Full: true}, .7
	for _, both := range [][]Snapshot{{a, b}, {b, a}} {
		s := addUp(both)
		if s.Breaker.State != "open" || s.Breaker.ProbeInSeconds != 7 || s.Redis != (Redis{false, true}) ||
			s.Pressure != .7 {
			t.Errorf("breaker %+v, redis %+v, pressure %v", s.Breaker, s.Redis, s.Pressure)
		}
	}
	b.Breaker.State, a.Breaker.ProbeInSeconds = "closed", 3
	if s := addUp([]Snapshot{a, b}); s.Breaker.State != "half-open" || s.Breaker.ProbeInSeconds != 3 {
		t.Errorf("breaker %+v", s.Breaker)
	}
	a.Play = &Play{}
	var left map[string]any
	if err := json.Unmarshal(figuresOf(a), &left); err != nil || left["dev"] != nil {
		t.Errorf("a pod leaves its playground: %v, %v", left["dev"], err)
	}
}

// TestALaneSaysWhenItProbes, and the page when the next one does, although another lane is well.
func TestALaneSaysWhenItProbes(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.breaker.WithLabelValues("default").Set(0)
	b.breaker.WithLabelValues("spare").Set(2)
	l := New(Config{Metrics: b.reg, ProbeIn: func(lane string) time.Duration {
		return map[string]time.Duration{"spare": 9 * time.Second}[lane]
	}})
	s := l.own.snapshot()
	if s.Breaker.ProbeInSeconds != 9 || s.Lanes[0].ProbeInSeconds != 0 || s.Lanes[1].ProbeInSeconds != 9 {
		t.Errorf("the next probe is in %v s; lanes: %+v", s.Breaker.ProbeInSeconds, s.Lanes)
	}
}
