package redisx

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics counts how commands ended.
type metrics struct {
	ok, failed, refused, skipped, full prometheus.Counter
}

func newMetrics(reg prometheus.Registerer, away, full func() bool) (*metrics, error) {
	commands := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "llm_redis_commands_total",
		Help: "Round trips to Redis by result: ok, failed, refused with an error reply such as NOPERM, " +
			"full (refused for lack of memory, and sent once more in a form that Redis accepts), or " +
			"skipped while Redis was away.",
	}, []string{"result"})
	err := errors.Join(reg.Register(commands),
		reg.Register(gaugeFunc("llm_redis_up",
			"1 while limits are shared through Redis, 0 while this pod works from its own counts.",
			func() bool { return !away() })),
		reg.Register(gaugeFunc("llm_redis_full",
			"1 while Redis refuses commands because its maxmemory is used up: no new jobs are accepted.", full)))
	if err != nil {
		return nil, err
	}
	return &metrics{
		ok: commands.WithLabelValues("ok"), failed: commands.WithLabelValues("failed"),
		refused: commands.WithLabelValues("refused"), skipped: commands.WithLabelValues("skipped"),
		full: commands.WithLabelValues("full"),
	}, nil
}

// gaugeFunc returns a gauge that is 1 while is reports true, else 0.
func gaugeFunc(name, help string, is func() bool) prometheus.GaugeFunc {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 {
		if is() {
			return 1
		}
		return 0
	})
}
