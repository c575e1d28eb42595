package api

import (
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/spillway-dev/spillway/internal/health"
)

// NewAdmin returns the handler of the admin port: metrics, probes and, when asked for, profiles. It must not be
// reachable from outside the cluster.
func NewAdmin(h *health.Health, metrics prometheus.Gatherer, profiles bool) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /livez", h.Livez)
	mux.HandleFunc("GET /readyz", h.ReadyzVerbose)
	if profiles {
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("POST /debug/pprof/symbol", pprof.Symbol) // pprof sends long lists of addresses in a body
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	}
	return mux
}

// RegisterReadiness exports what /readyz says: llm_ready is 1 while the pod wants traffic, and llm_pod_state is 1 for
// the one state it is in, which is the reason when it does not.
func RegisterReadiness(h *health.Health, reg prometheus.Registerer) error {
	return reg.Register(readiness{h})
}

var (
	readyDesc = prometheus.NewDesc("llm_ready", "1 while the pod wants traffic, else 0.", nil, nil)
	stateDesc = prometheus.NewDesc("llm_pod_state",
		"1 for the state the pod is in: starting, ready, saturated or draining.", []string{"state"}, nil)
)

// readiness asks the health once for both metrics, so that they cannot disagree within a scrape.
type readiness struct{ health *health.Health }

func (r readiness) Describe(ch chan<- *prometheus.Desc) {
	ch <- readyDesc
	ch <- stateDesc
}

func (r readiness) Collect(ch chan<- prometheus.Metric) {
	now := r.health.State(time.Now())
	gauge := func(desc *prometheus.Desc, is bool, labels ...string) {
		value := 0.0
		if is {
			value = 1
		}
		ch <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
	}
	gauge(readyDesc, now == health.Ready)
	for _, state := range []health.State{health.Starting, health.Ready, health.Saturated, health.Draining} {
		gauge(stateDesc, state == now, string(state))
	}
}
