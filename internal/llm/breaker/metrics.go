package breaker

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/spillway-dev/spillway/internal/telemetry"
)

type metrics struct {
	rejected    prometheus.Counter
	transitions *prometheus.CounterVec // by the new state
	probes      *prometheus.CounterVec // by verdict
}

func newMetrics(reg prometheus.Registerer, state func() State) (*metrics, error) {
	m := &metrics{
		rejected: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "llm_breaker_rejections_total", Help: "Calls turned away because the breaker was not closed.",
		}),
		transitions: telemetry.CounterVec("llm_breaker_transitions_total",
			"Changes of the breaker's state that this pod learned of, by the new state.", "to"),
		probes: telemetry.CounterVec("llm_breaker_probes_total",
			"Probes this pod made in the half-open state, by result: won, lost, freed.", "result"),
	}
	gauge := telemetry.Gauge("llm_breaker_state", "0 closed, 1 half-open, 2 open, as this pod knows it.",
		func() float64 { return float64(state()) })
	return m, errors.Join(reg.Register(m.rejected), reg.Register(m.transitions), reg.Register(m.probes),
		reg.Register(gauge))
}
