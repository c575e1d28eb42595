package middleware

import (
	"errors"
	"math/rand/v2"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/spillway-dev/spillway/internal/outcome"
	"github.com/spillway-dev/spillway/internal/telemetry"
)

// Load is the state of the pod that shedding looks at.
type Load struct {
	Waiting int     // calls that wait for a slot
	SlotUse float64 // share of the slots in use, 0 to 1
}

// Shed refuses requests early, before they have cost anything, when the pod is under pressure: the lowest tier first,
// the highest never. It is local and decides from figures that the pod has anyway.
type Shed struct {
	cfg     Config
	load    func() Load
	latency latency
	tiers   map[string]shedTier
}

// shedTier is one tier with what is counted of it.
type shedTier struct {
	above float64 // pressure above which the tier is shed
	busy  prometheus.Counter
	late  prometheus.Counter
}

// neverShed is a limit that no pressure exceeds, because a pressure is 1 at most.
const neverShed = 2

// NewShed returns a shedder that reads the pod's state from load.
func NewShed(cfg Config, load func() Load, reg prometheus.Registerer) (*Shed, error) {
	shed := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "llm_shed_total", Help: "Requests refused under pressure, by tier and by what the pressure came from.",
	}, []string{"tier", "reason"})
	s := &Shed{cfg: cfg, load: load, tiers: map[string]shedTier{}}
	for tier := range cfg.TierRates {
		s.tiers[tier] = shedTier{
			above: map[rank]float64{lowest: cfg.ShedFree, middle: cfg.ShedAll, highest: neverShed}[cfg.rank(tier)],
			busy:  shed.WithLabelValues(tier, string(outcome.Shed)),
			late:  shed.WithLabelValues(tier, string(outcome.ShedLatency)),
		}
	}
	gauge := telemetry.Gauge("llm_pressure",
		"Pressure on this pod, 0 to 1: the lowest tier is shed above SHED_FREE, all but the highest above SHED_ALL.",
		func() float64 { now := time.Now(); p, _ := s.pressure(s.latency.highest(now)); return p })
	return s, errors.Join(reg.Register(shed), reg.Register(gauge))
}

// Pressure is how loaded the pod is for a user, 0 to 1. late reports whether that comes from latency.
func (s *Shed) Pressure(now time.Time, user string) (p float64, late bool) {
	return s.pressure(s.latency.p95(now, user))
}

// pressure is the greatest of three:
//
//   - waiting calls over QUEUE_MAX;
//   - slot use, worth SHED_FREE at most: a pod whose slots are all used while no call waits is busy, not overloaded, so
//     slot use alone sheds nothing;
//   - latency p95 over SLA: near 1, answers will soon come too late.
func (s *Shed) pressure(p95 time.Duration) (p float64, late bool) {
	load := s.load()
	queue := min(float64(load.Waiting)/float64(s.cfg.QueueMax), 1)
	slots := min(load.SlotUse, 1) * s.cfg.ShedFree
	slow := min(float64(p95)/float64(s.cfg.SLA), 1)
	p = max(queue, slots, slow)
	return p, slow > max(queue, slots)
}

// Handler sheds, and measures the latency of the requests that it lets through: of a stream, the time to its first
// event; of a buffered answer, the whole time.
func (s *Shed) Handler(fail Fail) gin.HandlerFunc {
	return func(c *gin.Context) {
		start := time.Now()
		in := info(c)
		tier := s.tiers[in.Tier]
		if p, late := s.Pressure(start, in.User); p > tier.above {
			fail(c, tier.reject(late))
			return
		}
		c.Next()
		if end := time.Now(); countsAsLatency(in) {
			took := end.Sub(start)
			if !in.FirstEvent.IsZero() {
				took = in.FirstEvent.Sub(start)
			}
			s.latency.observe(end, in.User, took)
		}
	}
}

// reject counts a request that is refused. Its Retry-After is random, so that clients do not all return at once.
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

// countsAsLatency reports whether the time of a request says how fast the pod is: the request was served, or it ran
// into the SLA. A request that a gate refused was quick for another reason.
func countsAsLatency(in *Info) bool {
	return in.Reason == "" || in.Reason == string(outcome.DeadlineExceeded)
}
