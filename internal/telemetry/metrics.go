package telemetry

import "github.com/prometheus/client_golang/prometheus"

// CounterVec returns a counter with labels. It is not registered yet.
func CounterVec(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
}

// Gauge returns a gauge that calls value at every scrape. It is not registered yet.
func Gauge(name, help string, value func() float64) prometheus.GaugeFunc {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value)
}
