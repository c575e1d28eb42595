package llm

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

type breakerMetrics struct {
	rejected    prometheus.Counter
	transitions *prometheus.CounterVec // by the new state
	probes      *prometheus.CounterVec // by verdict
}

func newBreakerMetrics(reg prometheus.Registerer, state func() BreakerState) (*breakerMetrics, error) {
	m := &breakerMetrics{
		rejected:    prometheus.NewCounter(prometheus.CounterOpts{Name: "llm_breaker_rejections_total", Help: "Calls turned away because the breaker was not closed."}),
		transitions: counterVec("llm_breaker_transitions_total", "Changes of the breaker's state that this pod heard of, by the new state.", "to"),
		probes:      counterVec("llm_breaker_probes_total", "Probes this pod made in the half-open state, by result: won, lost, freed.", "result"),
	}
	return m, errors.Join(reg.Register(m.rejected), reg.Register(m.transitions), reg.Register(m.probes),
		reg.Register(gauge("llm_breaker_state", "0 closed, 1 half-open, 2 open, as this pod knows it.", func() float64 { return float64(state()) })))
}
