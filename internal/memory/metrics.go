package memory

import (
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/spillway-dev/spillway/internal/telemetry"
)

// New returns a budget for a process with a memory limit of limit bytes; 0 means no limit. Bodies wait at most for the
// time wait.
func New(cfg Config, limit int64, wait time.Duration, log *slog.Logger, reg prometheus.Registerer) (*Budget, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	b := &Budget{size: cfg.Bytes(limit), wait: wait, log: log}
	b.metrics = &metrics{
		waits: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "llm_memory_wait_seconds",
			Help:    "Time that bodies and answers waited for memory, without those that got it at once.",
			Buckets: []float64{.01, .1, .5, 1, 2.5, 5, 10, 30},
		}, []string{"use"}),
		rejected: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "llm_memory_rejections_total",
			Help: "Requests that got no memory in time, for their body or for their answer.",
		}, []string{"use"}),
	}
	size := telemetry.Gauge("llm_memory_budget_bytes", "Most bytes of bodies and answers that this pod may hold.",
		func() float64 { return float64(b.size) })
	errs := []error{reg.Register(b.metrics.waits), reg.Register(b.metrics.rejected), reg.Register(size)}
	for use := range uses {
		label := prometheus.Labels{"use": use.String()}
		b.metrics.rejected.With(label)
		b.metrics.waits.With(label)
		used := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "llm_memory_used_bytes", Help: "Bytes of bodies and answers that this pod holds.", ConstLabels: label,
		}, func() float64 { used, _ := b.look(use); return float64(used) })
		waiting := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "llm_memory_waiting", Help: "Bodies and answers that wait for memory.", ConstLabels: label,
		}, func() float64 { _, waiting := b.look(use); return float64(waiting) })
		errs = append(errs, reg.Register(used), reg.Register(waiting))
	}
	return b, errors.Join(errs...)
}

type metrics struct {
	waits    *prometheus.HistogramVec
	rejected *prometheus.CounterVec
}

// waited counts a wait after its end.
func (m *metrics) waited(use Use, d time.Duration, err error) {
	if err == nil {
		m.waits.WithLabelValues(use.String()).Observe(d.Seconds())
	} else if errors.Is(err, ErrFull) {
		m.rejected.WithLabelValues(use.String()).Inc()
	}
}
