package upstream

import (
	"errors"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/memory"
	"github.com/spillway-dev/spillway/internal/telemetry"
)

// metrics counts vendor exchanges. The children are resolved once, because every call touches them.
type metrics struct {
	attempts         *prometheus.CounterVec // by result
	ok               prometheus.Counter
	duration         prometheus.Histogram
	connections      prometheus.Counter
	firstEvent       prometheus.Histogram
	lists            *prometheus.CounterVec // by result
	promptTokens     prometheus.Counter
	completionTokens prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	tokens := telemetry.CounterVec("llm_tokens_total", "Tokens by the vendor's own account.", "direction")
	took := []float64{.005, .025, .1, .25, .5, 1, 2, 5, 10, 20, 30, 60}
	m := &metrics{
		attempts: telemetry.CounterVec("llm_vendor_attempts_total",
			"Vendor exchanges by result: ok, client_error, client_gone, deadline, no_memory, not_sent, "+
				"key_changed (refused, for a key that is no longer in force), or the kind of failure.",
			"result"),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "llm_vendor_duration_seconds", Help: "Duration of vendor exchanges, streams until their last byte.",
			Buckets: took,
		}),
		firstEvent: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "llm_vendor_first_event_seconds",
			Help:    "Time from the start of a streamed exchange until it had something to show.",
			Buckets: took,
		}),
		connections: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "llm_vendor_connections_total", Help: "Connections to the vendor that were begun.",
		}),
		lists: telemetry.CounterVec("llm_model_lists_total",
			"Lists of models that the vendor was asked for: ok, none (it has no list) or failed.", "result"),
		promptTokens:     tokens.WithLabelValues("prompt"),
		completionTokens: tokens.WithLabelValues("completion"),
	}
	m.ok = m.attempts.WithLabelValues("ok")
	for _, kind := range []llm.Kind{llm.KindAuth, llm.KindQuota} { // at 0 from the start: an alert counts the first one
		m.attempts.WithLabelValues(string(kind))
	}
	return m, errors.Join(reg.Register(tokens), reg.Register(m.attempts), reg.Register(m.lists),
		reg.Register(m.duration), reg.Register(m.firstEvent), reg.Register(m.connections))
}

func (m *metrics) observe(out *llm.Result, resp *llm.Response) {
	m.duration.Observe(out.Duration.Seconds())
	m.promptTokens.Add(float64(out.Usage.Prompt))
	m.completionTokens.Add(float64(out.Usage.Completion))
	if result := resultOf(out, resp); result != "ok" {
		m.attempts.WithLabelValues(result).Inc()
		return
	}
	m.ok.Inc()
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
