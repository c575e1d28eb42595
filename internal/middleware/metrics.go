package middleware

import (
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/spillway-dev/spillway/internal/telemetry"
)

// Metrics counts requests by route, method, status and reason, and measures how long they take. No label has values
// that a client chooses.
type Metrics struct {
	inFlight atomic.Int64
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec

	mu       sync.RWMutex
	children map[series]child
}

// series is one combination of labels; its metrics are looked up once and then kept.
type series struct {
	route, method, reason string
	status                int
}

type child struct {
	requests prometheus.Counter
	duration prometheus.Observer
}

// NewMetrics registers the metrics of the edge.
func NewMetrics(reg prometheus.Registerer) (*Metrics, error) {
	m := &Metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "llm_http_requests_total",
			Help: "Requests by route, method, status and, when refused or failed, reason.",
		}, []string{"route", "method", "status", "reason"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "llm_http_request_duration_seconds", Help: "Duration of requests, refused ones too.",
			Buckets: []float64{.001, .005, .025, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1200},
		}, []string{"route"}),
		children: map[series]child{},
	}
	inFlight := telemetry.Gauge("llm_http_in_flight", "Requests inside this pod now.",
		func() float64 { return float64(m.inFlight.Load()) })
	return m, errors.Join(reg.Register(m.requests), reg.Register(m.duration), reg.Register(inFlight))
}

// Handler counts requests.
func (m *Metrics) Handler() gin.HandlerFunc {
	return func(c *gin.Context) {
		in := info(c)
		m.inFlight.Add(1)
		defer func() { // also while a panic that breaks the connection off passes through
			m.inFlight.Add(-1)
			one := m.child(series{route(c), method(c.Request.Method), in.Reason, status(c, in)})
			one.requests.Inc()
			one.duration.Observe(time.Since(in.start).Seconds())
		}()
		c.Next()
	}
}

func (m *Metrics) child(s series) child {
	m.mu.RLock()
	one, ok := m.children[s]
	m.mu.RUnlock()
	if ok {
		return one
	}
	one = child{
		requests: m.requests.WithLabelValues(s.route, s.method, strconv.Itoa(s.status), s.reason),
		duration: m.duration.WithLabelValues(s.route),
	}
	m.mu.Lock()
	m.children[s] = one
	m.mu.Unlock()
	return one
}

// method returns one of the known methods, or "other": a client may send any text.
func method(m string) string {
	switch m {
	case "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS":
		return m
	}
	return "other"
}
