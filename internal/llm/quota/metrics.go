package quota

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/telemetry"
)

// metrics counts what the quota decides. The children are resolved once, because every call touches them.
type metrics struct {
	shared   decisions // of bookings in Redis
	local    decisions // of bookings from this pod's share
	wait     prometheus.Histogram
	requests prometheus.Gauge
	tokens   prometheus.Gauge
	pauses   prometheus.Counter
	backoffs prometheus.Counter
	up, down prometheus.Counter
}

type decisions struct{ atOnce, booked, rejected, tooLarge, moved, ended, recheck prometheus.Counter }

func newMetrics(q *Quota, reg prometheus.Registerer) (*metrics, error) {
	decided := telemetry.CounterVec("llm_quota_decisions_total",
		"What became of calls: at_once, booked (for a later start), rejected, too_large. And of booked ones: "+
			"moved (too far, by a pause of the vendor), ended (the wait was cut short), "+
			"recheck (a pause came while the call waited in a later gate).",
		"decision", "mode")
	used := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "llm_quota_used_ratio",
		Help: "Use of the contract as of the last booking. " +
			"requests: part of the burst that is used up, over 1 when calls wait. " +
			"tokens: part of the window's tokens that is booked.",
	}, []string{"resource"})
	settled := telemetry.CounterVec("llm_quota_settled_tokens_total",
		"Tokens by which calls differed from their estimate: down (given back) or up (used beyond it).", "direction")
	m := &metrics{
		wait: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "llm_quota_wait_seconds",
			Help:    "Time calls slept until their booked start, those that started at once left out.",
			Buckets: llm.WaitBuckets,
		}),
		requests: used.WithLabelValues("requests"),
		tokens:   used.WithLabelValues("tokens"),
		pauses: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "llm_quota_holds_total",
			Help: "Pauses the vendor asked this pod for, or made longer.",
		}),
		backoffs: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "llm_quota_backoffs_total",
			Help: "Pauses this pod made because the vendor refused without a time to wait.",
		}),
		up:   settled.WithLabelValues("up"),
		down: settled.WithLabelValues("down"),
	}
	m.shared, m.local = newDecisions(decided, "shared"), newDecisions(decided, "local")
	usable := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "llm_quota_usable_per_second",
		Help: "Requests and tokens a second that the quota can start in the long run, all pods together. " +
			"It is a little less than the contract. +Inf means not limited.",
	}, []string{"resource"})
	usable.WithLabelValues("requests").Set(perSecond(float64(q.contract.interval)))
	usable.WithLabelValues("tokens").Set(perSecond(q.contract.pace))
	waiting := telemetry.Gauge("llm_quota_waiting", "Calls that sleep until their booked start.",
		func() float64 { return float64(q.Waiting()) })
	return m, errors.Join(reg.Register(decided), reg.Register(used), reg.Register(settled), reg.Register(usable),
		reg.Register(m.wait), reg.Register(m.pauses), reg.Register(m.backoffs), reg.Register(waiting))
}

func newDecisions(decided *prometheus.CounterVec, mode string) decisions {
	return decisions{
		atOnce:   decided.WithLabelValues("at_once", mode),
		booked:   decided.WithLabelValues("booked", mode),
		rejected: decided.WithLabelValues("rejected", mode),
		tooLarge: decided.WithLabelValues("too_large", mode),
		moved:    decided.WithLabelValues("moved", mode),
		ended:    decided.WithLabelValues("ended", mode),
		recheck:  decided.WithLabelValues("recheck", mode),
	}
}

// perSecond is the number of units a second at one unit every interval, in microseconds; +Inf when the interval is 0.
func perSecond(interval float64) float64 { return float64(time.Second.Microseconds()) / interval }

func (m *metrics) decided(b *booking, v *ruling) {
	d := m.of(b.local)
	if !b.local && v.why != whySize {
		m.requests.Set(float64(v.requests) / 1000)
		m.tokens.Set(float64(v.tokens) / 1000)
	}
	switch {
	case !v.admitted && v.why == whySize:
		d.tooLarge.Inc()
	case !v.admitted:
		d.rejected.Inc()
	case b.delay > 0:
		d.booked.Inc()
	default:
		d.atOnce.Inc()
	}
}

// of returns the counters of one mode.
func (m *metrics) of(local bool) *decisions {
	if local {
		return &m.local
	}
	return &m.shared
}

func (m *metrics) settled(tokens int64) {
	if tokens > 0 {
		m.up.Add(float64(tokens))
	} else if tokens < 0 {
		m.down.Add(float64(-tokens))
	}
}
