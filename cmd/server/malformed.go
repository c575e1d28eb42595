package main

import (
	"bytes"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/spillway-dev/spillway/internal/telemetry"
)

// newMalformed returns the counter of the requests that net/http refuses before any handler sees them: headers that are
// too large (431), and bytes that are not HTTP (400). net/http has no hook for them, so they are recognised by the
// bytes of the answer.
func newMalformed(reg prometheus.Registerer) (*prometheus.CounterVec, error) {
	v := telemetry.CounterVec("llm_malformed_requests_total",
		"Requests that the server refused before any layer saw them, by port and status: headers too large (431), "+
			"not HTTP (400), or other.", "port", "status")
	return v, reg.Register(v)
}

// malformed are the counters of one port.
type malformed struct{ bad, large, other prometheus.Counter }

func malformedOf(v *prometheus.CounterVec, port string) *malformed {
	count := func(status string) prometheus.Counter { return v.WithLabelValues(port, status) }
	return &malformed{bad: count("400"), large: count("431"), other: count("other")}
}

// ownHeader follows the status line in refusals of net/http itself. No answer of a handler has it, because each of them
// has a Date header.
var ownHeader = []byte("Content-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n")

// note counts p, which is written to a client, when it is a refusal of net/http itself.
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
