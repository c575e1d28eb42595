package vendorsim

import (
	"net/http"
	"strings"
)

// Seen is the request of a call.
type Seen struct {
	Method    string      `json:"method"`
	URL       string      `json:"url"` // path and query
	Header    http.Header `json:"header"`
	Body      string      `json:"body"`                // its first 64 KiB
	Truncated bool        `json:"truncated,omitempty"` // the body was longer
}

const (
	maxSeenBody = 64 << 10 // bytes
	maxSeen     = 1_000    // calls, whatever the configuration says
)

// see keeps the request of a call. Only those of the last calls are kept.
func (l *callLog) see(r *record, keep int, req *http.Request, body string) {
	if keep = min(keep, maxSeen); keep > 0 {
		r.Seen = &Seen{
			Method: req.Method, URL: req.URL.RequestURI(), Header: req.Header.Clone(),
			Body: strings.Clone(body[:min(len(body), maxSeenBody)]), Truncated: len(body) > maxSeenBody,
		}
		l.seen = append(l.seen, r)
	}
	for len(l.seen) > max(0, keep) {
		l.seen[0].Seen, l.seen[0] = nil, nil
		l.seen = l.seen[1:]
	}
}

// describe records the purpose of the call. Texts are copied, so that the log does not keep whole bodies in memory.
func (r *record) describe(c *call, keep int) {
	if keep < 0 {
		return
	}
	if c.endpoint != nil {
		r.Endpoint = c.endpoint.Name
	}
	r.Model, r.Answer = strings.Clone(short(c.Model)), c.fault.Name
}
