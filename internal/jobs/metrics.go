package jobs

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/spillway-dev/spillway/internal/outcome"
	"github.com/spillway-dev/spillway/internal/telemetry"
)

type metrics struct {
	depth, age *prometheus.GaugeVec // the same in every pod
	bytes      prometheus.Gauge     // the same in every pod
	taken      *prometheus.CounterVec
	ended      *prometheus.CounterVec
	dropped    prometheus.Counter
	again      *prometheus.CounterVec
	wait       *prometheus.HistogramVec
	running    prometheus.Gauge
	waits      *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer, mem *memory, pool *waits) (*metrics, error) {
	gauges := func(name, help string, labels ...string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
	}
	gauge := func(name, help string) prometheus.GaugeOpts { return prometheus.GaugeOpts{Name: name, Help: help} }
	m := &metrics{
		depth: gauges("llm_jobs_depth", "Jobs that are queued, by priority. Every pod tells the same figure, of all "+
			"pods.", "priority"),
		age: gauges("llm_jobs_oldest_seconds", "Age of the oldest queued job, by priority; the same in every pod.",
			"priority"),
		bytes: prometheus.NewGauge(gauge("llm_jobs_bytes",
			"Bytes that jobs, their bodies and results, take in Redis, about; the same in every pod.")),
		taken: telemetry.CounterVec("llm_jobs_submitted_total",
			"Jobs submitted, by priority and result: new, repeated, or the reason for a refusal.", "priority",
			"result"),
		ended: telemetry.CounterVec("llm_jobs_processed_total",
			"Jobs that ended, by priority and state: succeeded, failed, cancelled, poisoned.", "priority", "state"),
		dropped: prometheus.NewCounter(prometheus.CounterOpts{Name: "llm_jobs_results_dropped_total",
			Help: "Jobs that ended without the vendor's answer, because it could not be stored."}),
		again: telemetry.CounterVec("llm_jobs_retried_total",
			"Jobs that went back into the queue: after a failed attempt (failure), handed back by a pod that stops, "+
				"rescued from one that died or does not know them, to wait for the operator, "+
				"or because enough jobs wait for their lane (lane).", "reason"),
		wait: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "llm_jobs_wait_seconds", Help: "Time from submission to the start of the vendor call, by priority.",
			Buckets: []float64{.05, .25, 1, 5, 15, 60, 300, 900, 3600, 14400},
		}, []string{"priority"}),
		running: prometheus.NewGauge(gauge("llm_jobs_running", "Jobs this pod works on.")),
		waits: telemetry.CounterVec("llm_jobs_waits_total",
			"Requests that asked to wait for a job: held, or answered at once because all places of the "+
				"pod (pod_full) or of the user (user_full) were taken.", "result"),
	}
	limit := telemetry.Gauge("llm_jobs_bytes_limit", "Bytes that jobs may take in Redis before no more are taken in.",
		func() float64 { all, _ := mem.limits(); return float64(all) })
	held := telemetry.Gauge("llm_jobs_waiting_requests", "Requests in this pod that wait for a job.",
		func() float64 { return float64(pool.held()) })
	m.prepare()
	var errs []error
	for _, c := range []prometheus.Collector{m.depth, m.age, m.bytes, limit, m.taken, m.ended, m.dropped, m.again,
		m.wait, m.running, m.waits, held} {
		errs = append(errs, reg.Register(c))
	}
	return m, errors.Join(errs...)
}

// prepare makes the series that alerts compare, before there is anything to count.
func (m *metrics) prepare() {
	for _, class := range classes {
		m.depth.WithLabelValues(class)
		m.age.WithLabelValues(class)
		m.wait.WithLabelValues(class)
		m.taken.WithLabelValues(class, "new")
		for _, state := range States {
			if state.Final() {
				m.ended.WithLabelValues(class, string(state))
			}
		}
	}
	for _, reason := range []string{"failure", "handed_back", "rescued", "operator", "lane"} {
		m.again.WithLabelValues(reason)
	}
	for p := hasPlace; p <= userFull; p++ {
		m.waits.WithLabelValues(p.String())
	}
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

// observe takes what a sign of life has learned of all pods.
func (m *metrics) observe(said reply) {
	for _, q := range said.replies("queues") {
		class := q.text("class")
		m.depth.WithLabelValues(class).Set(float64(q.number("depth")))
		m.age.WithLabelValues(class).Set((time.Duration(q.number("age")) * time.Microsecond).Seconds())
	}
	m.bytes.Set(float64(said.number("bytes")))
}
