package live

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Refusal is one request that was refused or failed. It does not say whose it was.
type Refusal struct {
	RequestID string    `json:"request_id"`
	Layer     string    `json:"layer"`  // that refused it; "vendor" or "service" when it failed
	Reason    string    `json:"reason"` // the code of the error document, or the status that the vendor gave
	Status    int       `json:"status"`
	At        time.Time `json:"at"`
}

// Bounds of what is kept of refusals.
const (
	keptRefusals = 50
	keptCauses   = 128 // pairs of layer and reason; far more than there are
)

// cause is why a request was not answered.
type cause struct{ layer, reason string }

// refusals counts requests by cause and keeps the last ones. The zero value is ready.
type refusals struct {
	mu    sync.Mutex
	count map[cause]float64
	last  ring[Refusal]
}

// Refused takes one request that was refused or failed, when it has ended. Requests for paths that do not exist are
// left out: they are not on the way to the vendor.
func (l *Live) Refused(r Refusal) {
	if r.Layer != "router" {
		l.refusals.add(r)
	}
}

func (r *refusals) add(one Refusal) {
	one.Reason = cmp.Or(one.Reason, passedOn+strconv.Itoa(one.Status))
	one.Layer = cmp.Or(one.Layer, place(one.Reason))
	why := cause{one.Layer, one.Reason}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.count == nil {
		r.count, r.last = map[cause]float64{}, newRing[Refusal](keptRefusals)
	}
	if _, known := r.count[why]; known || len(r.count) < keptCauses {
		r.count[why]++
	}
	r.last.add(one)
}

// totals copies the counts.
func (r *refusals) totals() map[cause]float64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.count)
}

// list has the last requests, the latest one first.
func (r *refusals) list() []Refusal {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := r.last.list()
	slices.Reverse(list)
	return list
}

// place is where a request ended that no layer refused.
func place(reason string) string {
	switch {
	case reason == "deadline_exceeded":
		return "deadline"
	case reason == "client_closed":
		return layerClient
	case strings.HasPrefix(reason, "vendor"), strings.HasPrefix(reason, passedOn), strings.HasPrefix(reason, "stream_"),
		reason == "insufficient_quota", reason == "answer_too_large":
		return layerVendor
	}
	return layerService
}
