package middleware

import (
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/spillway-dev/spillway/internal/outcome"
)

// Concurrency bounds how many requests one user has inside this pod: those that wait for the vendor, those under way
// and those whose bodies are being read. Without it one user's long streams can hold every slot, and the user's bodies
// all memory. It counts per pod, because places, memory and slots belong to the pod. The bodies of one user together
// may take half of the memory that the pod has for bodies; one body alone may be larger. Beyond a limit a request is
// refused at once and counts in no other limit.
type Concurrency struct {
	tiers map[string]tierConcurrency
	bytes int64 // of the bodies of one user

	mu     sync.Mutex
	inside map[string]held // by user
}

// held is what the requests of one user hold of a pod.
type held struct {
	requests int
	bytes    int64 // of bodies, by their declared length
}

// tierConcurrency is the limit of one tier, with what a refusal says.
type tierConcurrency struct {
	limit           int               // requests of one user; 0: neither they nor the bytes are limited
	refuseRequests  *outcome.Rejected // too many requests
	refuseBytes     *outcome.Rejected // too many bytes of bodies
	refusedRequests prometheus.Counter
	refusedBytes    prometheus.Counter
}

// slotShares are the shares of a pod's slots, in percent, that one user of a tier may have where nothing else is set.
var slotShares = map[rank]int{lowest: 8, middle: 40, highest: 80}

// Concurrencies returns the limit of every tier, in a pod that has so many slots and takes so many requests in.
func (c Config) Concurrencies(slots int) map[string]int {
	limits := map[string]int{}
	for tier := range c.TierRates {
		limits[tier] = max(1, min(slots, c.AdmissionMax)*slotShares[c.rank(tier)]/100)
	}
	maps.Copy(limits, c.TierConcurrency)
	return limits
}

// NewConcurrency returns the limit of every tier in cfg. bodies is what the pod has for the bodies of all requests, in
// bytes.
func NewConcurrency(cfg Config, bodies int64, reg prometheus.Registerer) (*Concurrency, error) {
	refused := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "llm_user_concurrency_rejections_total",
		Help: "Requests refused because their user had as many, or as many bytes of bodies, " +
			"inside the pod as one user may.",
	}, []string{"tier", "limit"})
	c := &Concurrency{tiers: map[string]tierConcurrency{}, bytes: bodies / 2, inside: map[string]held{}}
	refusal := func(format string, args ...any) *outcome.Rejected {
		return &outcome.Rejected{Layer: "user_concurrency", Reason: outcome.TooManyCalls, RetryAfter: time.Second,
			Detail: fmt.Sprintf(format, args...)}
	}
	for tier := range cfg.TierRates {
		limit := cfg.TierConcurrency[tier]
		c.tiers[tier] = tierConcurrency{
			limit:           limit,
			refusedRequests: refused.WithLabelValues(tier, "requests"),
			refusedBytes:    refused.WithLabelValues(tier, "bytes"),
			refuseRequests: refusal("This key may have %d requests at a time with each pod. Wait until one has ended.",
				limit),
			refuseBytes: refusal("The bodies of this key's requests may have %d bytes together at a time with each "+
				"pod. Wait until one has ended, and send large bodies with their Content-Length.", c.bytes),
		}
	}
	return c, reg.Register(refused)
}

// Handler counts a request in while it is inside, or until Info.LeaveConcurrency, or refuses it.
func (l *Concurrency) Handler(fail Fail) gin.HandlerFunc {
	return func(c *gin.Context) {
		in := info(c)
		size := c.Request.ContentLength
		if size < 0 { // not declared: it may become large
			size = l.bytes / 2
		}
		if reason := l.enter(in, size); reason != nil {
			fail(c, reason)
			return
		}
		defer in.LeaveConcurrency()
		c.Next()
	}
}

// Enter counts a request in that has no body, or no body any more, until Info.LeaveConcurrency. The error is a
// *outcome.Rejected.
func (l *Concurrency) Enter(in *Info) error { return l.enter(in, 0) }

// counted is what a request counts for in its user's share; the zero value counts for nothing.
type counted struct {
	by    *Concurrency
	bytes int64
}

// LeaveConcurrency ends the counting of the request in its user's share, which the end of the request ends as well. A
// request that only waits from now on leaves its place to others.
func (i *Info) LeaveConcurrency() {
	if i.counted.by != nil {
		i.counted.by.leave(i.User, i.counted.bytes)
		i.counted = counted{}
	}
}

// enter counts a request in, or says why not.
func (l *Concurrency) enter(in *Info, size int64) error {
	tier := l.tiers[in.Tier]
	if tier.limit == 0 {
		return nil
	}
	if reason := l.add(in.User, size, tier); reason != nil {
		return reason
	}
	in.counted = counted{l, size}
	return nil
}

func (l *Concurrency) add(user string, size int64, tier tierConcurrency) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	h := l.inside[user]
	switch {
	case h.requests >= tier.limit:
		tier.refusedRequests.Inc()
		return tier.refuseRequests
	case h.bytes > 0 && h.bytes+size > l.bytes:
		tier.refusedBytes.Inc()
		return tier.refuseBytes
	}
	l.inside[user] = held{h.requests + 1, h.bytes + size}
	return nil
}

func (l *Concurrency) leave(user string, size int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	h := l.inside[user]
	if h.requests > 1 {
		l.inside[user] = held{h.requests - 1, h.bytes - size}
		return
	}
	delete(l.inside, user)
}
