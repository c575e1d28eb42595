package llm

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/spillway-dev/spillway/internal/outcome"
	"github.com/spillway-dev/spillway/internal/telemetry"
)

// WaitBuckets are histogram buckets, in seconds, for waits in the gates: from a millisecond to beyond the usual queue
// timeout.
var WaitBuckets = []float64{.001, .005, .01, .05, .1, .25, .5, 1, 2, 3, 5, 10, 15, 20, 30, 60, 120}

// metrics counts what the Caller decides. Every gate counts its own decisions beside it.
type metrics struct {
	rejections  *prometheus.CounterVec // by layer and reason
	retries     *prometheus.CounterVec // by the kind of failure
	retryDenied *prometheus.CounterVec // by the reason against it
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		rejections: telemetry.CounterVec("llm_gate_rejections_total", "Calls a gate turned away, by gate and reason.",
			"layer", "reason"),
		retries: telemetry.CounterVec("llm_retries_total",
			"Attempts made after a failed one, by the kind of failure.", "kind"),
		retryDenied: telemetry.CounterVec("llm_retries_denied_total",
			"Retries not made, by what spoke against them: elsewhere, background, conditions, deadline, budget.",
			"reason"),
	}
	return m, errors.Join(reg.Register(m.rejections), reg.Register(m.retries), reg.Register(m.retryDenied))
}

// rejected counts a call that a gate did not admit.
func (m *metrics) rejected(layer string, err error) {
	reason := "ended" // the client hung up or the SLA ran out while the call waited
	if r, ok := errors.AsType[*outcome.Rejected](err); ok {
		reason = string(r.Reason)
	}
	m.rejections.WithLabelValues(layer, reason).Inc()
}
