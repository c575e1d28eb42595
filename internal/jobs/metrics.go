package jobs

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/spillway-dev/spillway/internal/outcome"
)

type metrics struct {
	depth, age *prometheus.GaugeVec // the same in every pod
	taken      *prometheus.CounterVec
	ended      *prometheus.CounterVec
	again      *prometheus.CounterVec
	wait       *prometheus.HistogramVec
	running    prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		depth: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "llm_jobs_depth", Help: "Jobs that are queued, by priority. Every pod tells the same figure, of all pods.",
		}, []string{"priority"}),
		age: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "llm_jobs_oldest_seconds", Help: "Age of the oldest queued job, by priority; the same in every pod.",
		}, []string{"priority"}),
		taken: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "llm_jobs_submitted_total", Help: "Jobs submitted, by priority and by what became of them: new, repeated, or the reason for a refusal.",
		}, []string{"priority", "result"}),
		ended: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "llm_jobs_processed_total", Help: "Jobs that ended, by priority and state: succeeded, failed, cancelled.",
		}, []string{"priority", "state"}),
		again: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "llm_jobs_retried_total", Help: "Jobs that went back into the queue: after a failed attempt, handed back by a pod that stops, rescued from one that died or has lost sight of them.",
		}, []string{"reason"}),
		wait: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "llm_jobs_wait_seconds", Help: "Time from submission to the start of the vendor call, by priority.",
			Buckets: []float64{.05, .25, 1, 5, 15, 60, 300, 900, 3600, 14400},
		}, []string{"priority"}),
		running: prometheus.NewGauge(prometheus.GaugeOpts{Name: "llm_jobs_running", Help: "Jobs this pod works on."}),
	}
	for _, class := range classes {
		m.depth.WithLabelValues(class)
		m.age.WithLabelValues(class)
		m.wait.WithLabelValues(class)
		m.taken.WithLabelValues(class, "new")
		for _, state := range []State{Succeeded, Failed, Cancelled} {
			m.ended.WithLabelValues(class, string(state))
		}
	}
	for _, reason := range []string{"failure", "handed_back", "rescued"} {
		m.again.WithLabelValues(reason)
	}
	var errs []error
	for _, c := range []prometheus.Collector{m.depth, m.age, m.taken, m.ended, m.again, m.wait, m.running} {
		errs = append(errs, reg.Register(c))
	}
	return m, errors.Join(errs...)
}

// submitted counts one submission.
func (m *metrics) submitted(class string, fresh bool, err error) {
	result := "repeated"
	if rejected, ok := errors.AsType[*outcome.Rejected](err); ok {
		result = string(rejected.Reason)
	} else if fresh {
		result = "new"
	}
	m.taken.WithLabelValues(class, result).Inc()
}

func (m *metrics) finished(class string, state State) {
	m.ended.WithLabelValues(class, string(state)).Inc()
}

func (m *metrics) rescued(n int) { m.again.WithLabelValues("rescued").Add(float64(n)) }

// observe takes depth and age in microseconds of each class.
func (m *metrics) observe(queues []any) {
	for i, class := range classes {
		if len(queues) < 2*i+2 {
			return
		}
		n, _ := queues[2*i].(int64)
		us, _ := queues[2*i+1].(int64)
		m.depth.WithLabelValues(class).Set(float64(n))
		m.age.WithLabelValues(class).Set((time.Duration(us) * time.Microsecond).Seconds())
	}
}
