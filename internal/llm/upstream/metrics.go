package upstream

import (
	"errors"
	"net/http"
	"slices"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/memory"
	"github.com/spillway-dev/spillway/internal/telemetry"
)

// metrics counts vendor exchanges.
type metrics struct {
	attempts         *prometheus.CounterVec   // by endpoint and result
	duration         *prometheus.HistogramVec // by endpoint
	firstEvent       *prometheus.HistogramVec // by endpoint
	of               []atomic.Pointer[endpointMetrics]
	connections      prometheus.Counter
	lists            *prometheus.CounterVec // by result
	promptTokens     prometheus.Counter
	completionTokens prometheus.Counter
}

// endpointMetrics are the series of one endpoint, which exist from its first call on. They are resolved once, because
// every call touches them.
type endpointMetrics struct {
	ok                   prometheus.Counter
	duration, firstEvent prometheus.Observer
}

// newMetrics registers the metrics. Those of the endpoint own exist from the start.
func newMetrics(own *llm.Endpoint, reg prometheus.Registerer) (*metrics, error) {
	tokens := telemetry.CounterVec("llm_tokens_total", "Tokens by the vendor's own account.", "direction")
	took := func(name, help string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: name, Help: help,
			// Calls that end at the default call timeout, 30 s, have a bucket of their own just above it.
			Buckets: []float64{.005, .025, .1, .25, .5, 1, 2, 5, 10, 20, 29.5, 30.5, 60, 120, 300, 600, 1200},
		}, []string{"endpoint"})
	}
	m := &metrics{
		of: make([]atomic.Pointer[endpointMetrics], len(llm.Endpoints)),
		attempts: telemetry.CounterVec("llm_vendor_attempts_total",
			"Vendor exchanges by endpoint and result: ok, client_error, client_gone, deadline, no_memory, not_sent, "+
				"key_changed (refused, for a key that is no longer in force), or the kind of failure.",
			"endpoint", "result"),
		duration: took("llm_vendor_duration_seconds",
			"Duration of vendor exchanges by endpoint, streams until their last byte."),
		firstEvent: took("llm_vendor_first_event_seconds",
			"Time from the start of a streamed exchange until it had something to show, by endpoint."),
		connections: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "llm_vendor_connections_total", Help: "Connections to the vendor that were begun.",
		}),
		lists: telemetry.CounterVec("llm_model_lists_total",
			"Lists of models that the vendor was asked for: ok, none (it has no list) or failed.", "result"),
		promptTokens:     tokens.WithLabelValues("prompt"),
		completionTokens: tokens.WithLabelValues("completion"),
	}
	m.at(own)
	return m, errors.Join(reg.Register(tokens), reg.Register(m.attempts), reg.Register(m.lists),
		reg.Register(m.duration), reg.Register(m.firstEvent), reg.Register(m.connections))
}

// at returns the series of an endpoint.
func (m *metrics) at(e *llm.Endpoint) *endpointMetrics {
	place := &m.of[slices.Index(llm.Endpoints, e)]
	if known := place.Load(); known != nil {
		return known
	}
	for _, kind := range []llm.Kind{llm.KindAuth, llm.KindQuota} { // at 0 from the start: an alert counts the first one
		m.attempts.WithLabelValues(e.Name, string(kind))
	}
	made := &endpointMetrics{
		ok: m.attempts.WithLabelValues(e.Name, "ok"), duration: m.duration.WithLabelValues(e.Name),
		firstEvent: m.firstEvent.WithLabelValues(e.Name),
	}
	place.Store(made) // two that make it at the same time make the same
	return made
}

func (m *metrics) observe(e *llm.Endpoint, out *llm.Result, resp *llm.Response) {
	at := m.at(e)
	at.duration.Observe(out.Duration.Seconds())
	m.promptTokens.Add(float64(out.Usage.Prompt))
	m.completionTokens.Add(float64(out.Usage.Completion))
	if result := resultOf(out, resp); result != "ok" {
		m.attempts.WithLabelValues(e.Name, result).Inc()
		return
	}
	at.ok.Inc()
}

// resultOf is the label of one exchange.
func resultOf(out *llm.Result, resp *llm.Response) string {
	switch failed, ok := errors.AsType[*llm.VendorError](out.Err); {
	case out.ClientGone:
		return "client_gone"
	case ok && failed.KeyChanged:
		return "key_changed"
	case ok:
		return string(failed.Kind)
	case errors.Is(out.Err, memory.ErrFull):
		return "no_memory"
	case !out.Called:
		return "not_sent"
	case out.Err != nil:
		return "deadline"
	case resp.Status >= http.StatusBadRequest:
		return "client_error"
	}
	return "ok"
}
