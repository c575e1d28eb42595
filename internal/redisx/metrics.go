package redisx

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics counts what became of commands.
type metrics struct {
	ok, failed, refused, skipped prometheus.Counter
}

func newMetrics(reg prometheus.Registerer, away func() bool) (*metrics, error) {
	commands := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "llm_redis_commands_total", Help: "Round trips to Redis by result: ok, failed, refused with an error reply such as NOPERM, or skipped while it was away.",
	}, []string{"result"})
	up := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "llm_redis_up", Help: "1 while limits are shared through Redis, 0 while this pod works from its own counts.",
	}, func() float64 {
		if away() {
			return 0
		}
		return 1
	})
	if err := errors.Join(reg.Register(commands), reg.Register(up)); err != nil {
		return nil, err
	}
	return &metrics{
		ok: commands.WithLabelValues("ok"), failed: commands.WithLabelValues("failed"),
		refused: commands.WithLabelValues("refused"), skipped: commands.WithLabelValues("skipped"),
	}, nil
}
