package middleware_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/spillway-dev/spillway/internal/middleware"
)

// shedding is a shedder with the load it sees.
type shedding struct {
	load middleware.Load
	shed *middleware.Shed
	reg  *prometheus.Registry
	h    map[string]http.Handler // by tier
}

func newShedding(tb testing.TB, h gin.HandlerFunc) *shedding {
	tb.Helper()
	s := &shedding{reg: prometheus.NewRegistry(), h: map[string]http.Handler{}}
	var err error
	if s.shed, err = middleware.NewShed(config(), func() middleware.Load { return s.load }, s.reg); err != nil {
		tb.Fatal(err)
	}
	for tier := range config().TierRates {
		s.h[tier] = chain(h, middleware.RequestID(), as("ada", tier), s.shed.Handler(fail))
	}
	return s
}

// statuses is what each tier gets now.
func (s *shedding) statuses() [3]int {
	return [3]int{post(s.h["free"]).Code, post(s.h["pro"]).Code, post(s.h["enterprise"]).Code}
}

func TestShedByQueueAndSlots(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		load middleware.Load
		want [3]int // free, pro, enterprise
	}{
		"idle":                   {middleware.Load{}, [3]int{200, 200, 200}},
		"busy, no call waits":    {middleware.Load{SlotUse: 1}, [3]int{200, 200, 200}},
		"busy, a few wait":       {middleware.Load{SlotUse: 1, Waiting: 70}, [3]int{200, 200, 200}},
		"queue over 0.7":         {middleware.Load{SlotUse: 1, Waiting: 71}, [3]int{429, 200, 200}},
		"queue at 0.9":           {middleware.Load{SlotUse: 1, Waiting: 90}, [3]int{429, 200, 200}},
		"queue over 0.9":         {middleware.Load{SlotUse: 1, Waiting: 91}, [3]int{429, 429, 200}},
		"queue over its maximum": {middleware.Load{SlotUse: 2, Waiting: 1000}, [3]int{429, 429, 200}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShedding(t, served)
			s.load = tt.load
			if got := s.statuses(); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
			if p, late := s.shed.Pressure(time.Now(), "ada"); p < 0 || p > 1 || late {
				t.Errorf("pressure %v, late %t", p, late)
			}
		})
	}
}

// A pod that answers too late sheds, and recovers although it has no new samples.
func TestShedByLatencyAndBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		took := 57 * time.Second // of 60
		s := newShedding(t, func(*gin.Context) { time.Sleep(took) })
		if got := s.statuses(); got != [3]int{200, 200, 200} {
			t.Fatalf("at the start: %v", got)
		}
		serve(s.h["enterprise"], 30)
		synctest.Wait()
		// p95 is above 0.9 of the SLA: all but enterprise are shed, for latency, with nothing waiting.
		took = 0
		if got := s.statuses(); got != [3]int{503, 503, 200} {
			t.Errorf("under pressure: %v", got)
		}
		// No request is served any more. The samples age, and after two spans all are let in again.
		time.Sleep(20 * time.Second)
		if got := s.statuses(); got != [3]int{200, 200, 200} {
			t.Errorf("afterwards: %v", got)
		}
		if err := testutil.GatherAndCompare(s.reg, strings.NewReader(`
			# HELP llm_pressure Pressure on this pod, 0 to 1: the lowest tier is shed above SHED_FREE, all but the highest above SHED_ALL.
			# TYPE llm_pressure gauge
			llm_pressure 0
			# HELP llm_shed_total Requests refused under pressure, by tier and by what the pressure came from.
			# TYPE llm_shed_total counter
			llm_shed_total{reason="shed",tier="enterprise"} 0
			llm_shed_total{reason="shed",tier="free"} 0
			llm_shed_total{reason="shed",tier="pro"} 0
			llm_shed_total{reason="shed_latency",tier="enterprise"} 0
			llm_shed_total{reason="shed_latency",tier="free"} 1
			llm_shed_total{reason="shed_latency",tier="pro"} 1
		`)); err != nil {
			t.Error(err)
		}
	})
}

// serve sends n requests at once.
func serve(h http.Handler, n int) {
	for range n {
		go post(h)
	}
	time.Sleep(59 * time.Second)
}

// Refused requests are quick, and must not make a slow pod look quick. Requests that ran into the SLA must count.
func TestShedLearnsFromMeaningfulLatencies(t *testing.T) {
	t.Parallel()
	for reason, late := range map[string]bool{"queue_timeout": false, "vendor_error": false, "deadline_exceeded": true,
		"": true} {
		t.Run("reason "+reason, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newShedding(t, func(c *gin.Context) {
					time.Sleep(58 * time.Second)
					middleware.InfoFrom(c.Request.Context()).Reason = reason
				})
				serve(s.h["enterprise"], 30)
				synctest.Wait()
				if _, got := s.shed.Pressure(time.Now(), "ada"); got != late {
					t.Errorf("late is %t, want %t", got, late)
				}
			})
		})
	}
}

func TestShedSpreadsTheReturn(t *testing.T) {
	t.Parallel()
	s := newShedding(t, served)
	s.load.Waiting = 100
	seen := map[string]bool{}
	for range 20 {
		after := post(s.h["free"]).Header().Get("X-Retry-After")
		seen[after] = true
		if d, err := time.ParseDuration(after); err != nil || d < time.Second || d > 5*time.Second {
			t.Errorf("Retry-After is %s", after)
		}
	}
	if len(seen) < 10 {
		t.Errorf("all come back together: %v", seen)
	}
}

func TestTheOnlyTierIsShedLate(t *testing.T) {
	t.Parallel()
	cfg := config()
	cfg.TierRates = map[string]int{"standard": 50}
	load := middleware.Load{Waiting: 80}
	shed, err := middleware.NewShed(cfg, func() middleware.Load { return load }, prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	h := chain(served, middleware.RequestID(), as("ada", "standard"), shed.Handler(fail))
	if got := post(h).Code; got != http.StatusOK {
		t.Errorf("at 0.8: %d", got)
	}
	load.Waiting = 95
	if got := post(h).Code; got != http.StatusTooManyRequests {
		t.Errorf("at 0.95: %d", got)
	}
}

// The latency of a stream is the time to its first event: a long stream is no reason to shed.
func TestAStreamIsJudgedByItsFirstEvent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShedding(t, func(c *gin.Context) {
			time.Sleep(time.Second)
			middleware.InfoFrom(c.Request.Context()).FirstEvent = time.Now()
			time.Sleep(57 * time.Second)
		})
		serve(s.h["enterprise"], 30)
		synctest.Wait()
		if p, late := s.shed.Pressure(time.Now(), "ada"); late && p > 0.1 {
			t.Errorf("pressure is %v", p)
		}
	})
}

// One user's calls near the SLA shed that user at most.
func TestOneSlowUserShedsNoOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		took := 57 * time.Second // of 60
		s := newShedding(t, func(*gin.Context) { time.Sleep(took) })
		serve(s.h["pro"], 30)
		synctest.Wait()
		took = 0
		other := chain(served, middleware.RequestID(), as("bob", "pro"), s.shed.Handler(fail))
		if got := post(other).Code; got != http.StatusOK {
			t.Errorf("another user of the tier gets %d", got)
		}
		if got := post(s.h["pro"]).Code; got != http.StatusServiceUnavailable {
			t.Errorf("the user gets %d", got)
		}
	})
}
