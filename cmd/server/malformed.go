package main

import (
	"bytes"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/spillway-dev/spillway/internal/telemetry"
)

// newMalformed counts the requests that net/http refuses by itself, before any handler sees them: headers that are too
// large (431), and what is no HTTP (400). There is no hook for them, so they are recognised by what is written.
func newMalformed(reg prometheus.Registerer) (*prometheus.CounterVec, error) {
	v := telemetry.CounterVec("llm_malformed_requests_total",
		"Requests that the server refused before any layer saw them, by port and status: headers too large (431), no "+
			"HTTP (400), or others.", "port", "status")
	return v, reg.Register(v)
}

// malformed are the counters of one port.
type malformed struct{ bad, large, other prometheus.Counter }

func malformedOf(v *prometheus.CounterVec, port string) *malformed {
	count := func(status string) prometheus.Counter { return v.WithLabelValues(port, status) }
	return &malformed{bad: count("400"), large: count("431"), other: count("other")}
}

// ownHeader is what net/http writes behind the status line of its own refusals, and behind no other: every answer of a
// handler has a Date at least.
var ownHeader = []byte("Content-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n")

// note counts p, which is written to a client, if it is a refusal of net/http's own.
func (m *malformed) note(p []byte) {
	const prefix = "HTTP/1.1 "
	if len(p) < len(prefix)+3 || p[len(prefix)] < '4' || !bytes.HasPrefix(p, []byte(prefix)) {
		return
	}
	line, rest, _ := bytes.Cut(p, []byte("\r\n"))
	if !bytes.HasPrefix(rest, ownHeader) {
		return
	}
	switch string(line[len(prefix) : len(prefix)+3]) {
	case "400":
		m.bad.Inc()
	case "431":
		m.large.Inc()
	default:
		m.other.Inc()
	}
}
