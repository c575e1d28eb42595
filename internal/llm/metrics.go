package llm

import (
	"errors"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/spillway-dev/spillway/internal/outcome"
)

// waitBuckets fit waits in the gates: from a blink to the queue timeout and a little beyond.
var waitBuckets = []float64{.001, .005, .01, .05, .1, .25, .5, 1, 2, 3, 5, 10}

// metrics counts what the Caller decides. Every gate counts its own decisions beside it.
type metrics struct {
	rejections  *prometheus.CounterVec // by layer and reason
	retries     *prometheus.CounterVec // by the kind of failure
	retryDenied *prometheus.CounterVec // by what spoke against it
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		rejections:  counterVec("llm_gate_rejections_total", "Calls a gate turned away, by gate and reason.", "layer", "reason"),
		retries:     counterVec("llm_retries_total", "Attempts made after a failed one, by the kind of failure.", "kind"),
		retryDenied: counterVec("llm_retries_denied_total", "Retries not made, by what spoke against them: conditions, deadline, budget.", "reason"),
	}
	return m, errors.Join(reg.Register(m.rejections), reg.Register(m.retries), reg.Register(m.retryDenied))
}

// rejected counts a call that a gate did not let in.
func (m *metrics) rejected(layer string, err error) {
	reason := "ended" // the client hung up or the SLA ran out while the call waited
	if r, ok := errors.AsType[*outcome.Rejected](err); ok {
		reason = string(r.Reason)
	}
	m.rejections.WithLabelValues(layer, reason).Inc()
}

// vendorMetrics counts vendor exchanges. The children are resolved once, because every call touches them.
type vendorMetrics struct {
	attempts         *prometheus.CounterVec // by result
	ok               prometheus.Counter
	duration         prometheus.Histogram
	promptTokens     prometheus.Counter
	completionTokens prometheus.Counter
}

func newVendorMetrics(reg prometheus.Registerer) (*vendorMetrics, error) {
	tokens := counterVec("llm_tokens_total", "Tokens by the vendor's own account.", "direction")
	m := &vendorMetrics{
		attempts: counterVec("llm_vendor_attempts_total", "Vendor exchanges by result: ok, client_error, client_gone, deadline, or the kind of failure.", "result"),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "llm_vendor_duration_seconds", Help: "Duration of vendor exchanges, streams until their last byte.",
			Buckets: []float64{.005, .025, .1, .25, .5, 1, 2, 5, 10, 20, 30, 60},
		}),
		promptTokens:     tokens.WithLabelValues("prompt"),
		completionTokens: tokens.WithLabelValues("completion"),
	}
	m.ok = m.attempts.WithLabelValues("ok")
	return m, errors.Join(reg.Register(tokens), reg.Register(m.attempts), reg.Register(m.duration))
}

func (m *vendorMetrics) observe(out *Outcome, resp *Response) {
	m.duration.Observe(out.Duration.Seconds())
	m.promptTokens.Add(float64(out.Usage.Prompt))
	m.completionTokens.Add(float64(out.Usage.Completion))
	if result := result(out, resp); result != "ok" {
		m.attempts.WithLabelValues(result).Inc()
		return
	}
	m.ok.Inc()
}

// result is the label of one exchange.
func result(out *Outcome, resp *Response) string {
	switch failed, ok := errors.AsType[*VendorError](out.Err); {
	case out.ClientGone:
		return "client_gone"
	case ok:
		return string(failed.Kind)
	case out.Err != nil:
		return "deadline"
	case resp.Status >= http.StatusBadRequest:
		return "client_error"
	}
	return "ok"
}

func counterVec(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
}

func gauge(name, help string, value func() float64) prometheus.GaugeFunc {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value)
}
