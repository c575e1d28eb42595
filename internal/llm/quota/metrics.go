package quota

import (
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/telemetry"
)

// metrics counts what the quota decides. The children are resolved once, because every call touches them.
type metrics struct {
	decisions [2]decisions // shared, local
	wait      prometheus.Histogram
	requests  prometheus.Gauge
	tokens    prometheus.Gauge
	pauses    prometheus.Counter
	backoffs  prometheus.Counter
	up, down  prometheus.Counter
}

type decisions struct{ atOnce, booked, rejected, tooLarge, moved, ended, recheck prometheus.Counter }

func newMetrics(q *Quota, reg prometheus.Registerer) (*metrics, error) {
	decided := telemetry.CounterVec(
		"llm_quota_decisions_total",
		"What became of calls: at_once, booked (for a later start), rejected, too_large; and of booked ones: moved "+
			"(too far, by a pause of the vendor), ended (the wait cut short), recheck (a pause came while the call "+
			"waited elsewhere).",
		"decision",
		"mode",
	)
	used := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "llm_quota_used_ratio",
		Help: "Use of the contract as of the last booking. requests: part of the burst that is used up, over 1 when " +
			"calls wait. tokens: part of the window's tokens that is booked.",
	}, []string{"resource"})
	settled := telemetry.CounterVec(
		"llm_quota_settled_tokens_total",
		"Tokens by which calls differed from their estimate: down (given back) or up (used beyond it).",
		"direction",
	)
	m := &metrics{
		wait: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "llm_quota_wait_seconds",
			Help:    "Time calls slept until their booked start, those that started at once left out.",
			Buckets: llm.WaitBuckets,
		}),
		requests: used.WithLabelValues("requests"),
		tokens:   used.WithLabelValues("tokens"),
		pauses: prometheus.NewCounter(
			prometheus.CounterOpts{Name: "llm_quota_holds_total",
				Help: "Pauses the vendor asked this pod for, or made longer."},
		),
		backoffs: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "llm_quota_backoffs_total",
			Help: "Pauses this pod made because the vendor refused without saying for how long.",
		}),
		up:   settled.WithLabelValues("up"),
		down: settled.WithLabelValues("down"),
	}
	for i, mode := range []string{"shared", "local"} {
		m.decisions[i] = decisions{
			atOnce:   decided.WithLabelValues("at_once", mode),
			booked:   decided.WithLabelValues("booked", mode),
			rejected: decided.WithLabelValues("rejected", mode),
			tooLarge: decided.WithLabelValues("too_large", mode),
			moved:    decided.WithLabelValues("moved", mode),
			ended:    decided.WithLabelValues("ended", mode),
			recheck:  decided.WithLabelValues("recheck", mode),
		}
	}
	usable := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "llm_quota_usable_per_second",
		Help: "What the quota starts of the contract in the long run, all pods together: requests and tokens a " +
			"second. It is a little less than the contract. +Inf means not limited.",
	}, []string{"resource"})
	usable.WithLabelValues("requests").Set(perSecond(float64(q.contract.interval)))
	usable.WithLabelValues("tokens").Set(perSecond(q.contract.pace))
	waiting := telemetry.Gauge(
		"llm_quota_waiting",
		"Calls that sleep until their booked start.",
		func() float64 { return float64(q.Waiting()) },
	)
	return m, errors.Join(reg.Register(decided), reg.Register(used), reg.Register(settled), reg.Register(usable),
		reg.Register(m.wait), reg.Register(m.pauses), reg.Register(m.backoffs), reg.Register(waiting))
}

// perSecond is how many units a second one unit every interval makes, given in microseconds. An interval of zero is
// none.
func perSecond(interval float64) float64 { return float64(time.Second.Microseconds()) / interval }

func (m *metrics) decided(b *booking, v *ruling) {
	d := m.of(b.local)
	if !b.local && v.why != whySize {
		m.requests.Set(float64(v.requests) / 1000)
		m.tokens.Set(float64(v.tokens) / 1000)
	}
	switch {
	case v.admitted == 0 && v.why == whySize:
		d.tooLarge.Inc()
	case v.admitted == 0:
		d.rejected.Inc()
	case b.delay > 0:
		d.booked.Inc()
	default:
		d.atOnce.Inc()
	}
}

func (m *metrics) of(local bool) *decisions {
	if local {
		return &m.decisions[1]
	}
	return &m.decisions[0]
}

func (m *metrics) settled(tokens int64) {
	if tokens > 0 {
		m.up.Add(float64(tokens))
	} else if tokens < 0 {
		m.down.Add(float64(-tokens))
	}
}

// details returns the text that a rejected client reads, for each rule that decides. The texts are made once.
func details(cfg Config) (d [whySize + 1]string) {
	d[whyRequests] = fmt.Sprintf("The vendor's contract of %d calls per %v is used up for now.", cfg.Requests,
		cfg.Window)
	d[whyTokens] = fmt.Sprintf(
		"The vendor's contract of %d tokens per %v is used up for now; smaller calls may pass sooner.",
		cfg.Tokens,
		cfg.Window,
	)
	d[whyPause] = "The vendor asked for a pause."
	d[whyOrder] = "Calls that came earlier wait for the vendor's contract."
	d[whyAway] = "The state of the vendor's contract cannot be read at the moment."
	d[whyShare] = "The state of the vendor's contract cannot be read at the moment, and the part of it that is safe " +
		"to use is too small for this call."
	d[whySize] = fmt.Sprintf(
		"The call asks for more tokens than the vendor's whole contract of %d per %v: lower max_tokens or shorten "+
			"the prompt.",
		cfg.Tokens,
		cfg.Window,
	)
	return d
}
