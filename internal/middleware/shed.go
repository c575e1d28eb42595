package middleware

import (
	"errors"
	"math/rand/v2"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/spillway-dev/spillway/internal/outcome"
)

// Load is the state of the pod that shedding looks at.
type Load struct {
	Waiting int     // calls that wait for a slot
	SlotUse float64 // share of the slots in use, 0 to 1
}

// Shed turns requests away early, before they have cost anything, when the pod is under pressure: the lowest tier first,
// the highest never. It is local and decides from figures the pod has anyway.
type Shed struct {
	cfg     Config
	load    func() Load
	latency latency
	tiers   map[string]shedTier
}

// shedTier is one tier with what is counted of it.
type shedTier struct {
	above float64 // pressure above which the tier gives way
	busy  prometheus.Counter
	late  prometheus.Counter
}

// never is a pressure that there is not.
const never = 2

// NewShed returns a shedder that reads the pod's state from load.
func NewShed(cfg Config, load func() Load, reg prometheus.Registerer) (*Shed, error) {
	shed := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "llm_shed_total", Help: "Requests turned away under pressure, by tier and by what the pressure came from.",
	}, []string{"tier", "reason"})
	s := &Shed{cfg: cfg, load: load, tiers: map[string]shedTier{}}
	for tier := range cfg.TierRates {
		s.tiers[tier] = shedTier{
			above: map[rank]float64{lowest: cfg.ShedFree, middle: cfg.ShedAll, highest: never}[cfg.rank(tier)],
			busy:  shed.WithLabelValues(tier, string(outcome.Shed)),
			late:  shed.WithLabelValues(tier, string(outcome.ShedLatency)),
		}
	}
	gauge := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "llm_pressure", Help: "Pressure on this pod, 0 to 1: the lowest tier is shed above SHED_FREE, all but the highest above SHED_ALL.",
	}, func() float64 { p, _ := s.Pressure(time.Now()); return p })
	return s, errors.Join(reg.Register(shed), reg.Register(gauge))
}

// Pressure is how hard the pod is pressed, 0 to 1, and whether that comes from latency. It is the greatest of three:
//
//   - waiting calls over QUEUE_MAX;
//   - slot use, worth SHED_FREE at most: a pod whose slots are all used while nobody waits is busy, not overloaded, so
//     that by itself it sheds nobody;
//   - latency p95 over SLA, which tells that answers will soon be too late to be of use.
func (s *Shed) Pressure(now time.Time) (p float64, late bool) {
	load := s.load()
	queue := min(float64(load.Waiting)/float64(s.cfg.QueueMax), 1)
	slots := min(load.SlotUse, 1) * s.cfg.ShedFree
	slow := min(float64(s.latency.p95(now))/float64(s.cfg.SLA), 1)
	p = max(queue, slots, slow)
	return p, slow > max(queue, slots)
}

// Handler sheds, and learns from the latency of what it let through.
func (s *Shed) Handler(fail Fail) gin.HandlerFunc {
	return func(c *gin.Context) {
		start := time.Now()
		in := info(c)
		tier := s.tiers[in.Tier]
		if p, late := s.Pressure(start); p > tier.above {
			fail(c, tier.reject(late))
			return
		}
		c.Next()
		if end := time.Now(); tells(in) {
			s.latency.observe(end, end.Sub(start))
		}
	}
}

// reject counts a request that is turned away. When it may come back is drawn, lest all come back together.
func (t shedTier) reject(late bool) error {
	rejected := &outcome.Rejected{Layer: "shed", Reason: outcome.Shed, RetryAfter: time.Second + rand.N(4*time.Second),
		Detail: "The service is under pressure and serves higher tiers first."}
	if late {
		rejected.Reason = outcome.ShedLatency
		t.late.Inc()
		return rejected
	}
	t.busy.Inc()
	return rejected
}

// tells reports whether the time a request took says something of the pod: it was served, or it ran into the SLA. One
// that a gate turned away was quick for a reason that has nothing to do with how quick the pod is.
func tells(in *Info) bool {
	return in.Reason == "" || in.Reason == string(outcome.DeadlineExceeded)
}
