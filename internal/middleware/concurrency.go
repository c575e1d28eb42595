package middleware

import (
	"fmt"
	"sync"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/spillway-dev/spillway/internal/outcome"
)

// Concurrency bounds how many requests one user has inside this pod: those that wait for the vendor, those under way and
// those whose bodies are being read. Without it one user's long streams hold every slot, and that user's bodies the
// memory. It counts per pod, because what it divides is the pod's: places, memory, slots. Beyond the limit a request is
// refused at once and counts against no other limit.
type Concurrency struct {
	tiers map[string]tierConcurrency

	mu     sync.Mutex
	inside map[string]int // requests by user
}

// tierConcurrency is the limit of one tier, with what a refusal says.
type tierConcurrency struct {
	limit   int // 0: none
	refuse  *outcome.Rejected
	refused prometheus.Counter
}

// NewConcurrency returns the limit of every tier in cfg.
func NewConcurrency(cfg Config, reg prometheus.Registerer) (*Concurrency, error) {
	refused := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "llm_user_concurrency_rejections_total", Help: "Requests refused because their user had as many inside the pod as the tier allows.",
	}, []string{"tier"})
	c := &Concurrency{tiers: map[string]tierConcurrency{}, inside: map[string]int{}}
	for tier := range cfg.TierRates {
		limit := cfg.TierConcurrency[tier]
		c.tiers[tier] = tierConcurrency{limit: limit, refused: refused.WithLabelValues(tier), refuse: &outcome.Rejected{
			Layer: "user_concurrency", Reason: outcome.TooManyCalls, RetryAfter: time.Second,
			Detail: fmt.Sprintf("This key may have %d requests at a time with each pod. Wait until one has ended.", limit),
		}}
	}
	return c, reg.Register(refused)
}

// Handler counts a request in while it is inside, or refuses it.
func (l *Concurrency) Handler(fail Fail) gin.HandlerFunc {
	return func(c *gin.Context) {
		in := info(c)
		tier := l.tiers[in.Tier]
		if tier.limit == 0 {
			c.Next()
			return
		}
		if !l.enter(in.User, tier.limit) {
			tier.refused.Inc()
			fail(c, tier.refuse)
			return
		}
		defer l.leave(in.User)
		c.Next()
	}
}

func (l *Concurrency) enter(user string, limit int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := l.inside[user]
	if n >= limit {
		return false
	}
	l.inside[user] = n + 1
	return true
}

func (l *Concurrency) leave(user string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := l.inside[user] - 1; n > 0 {
		l.inside[user] = n
		return
	}
	delete(l.inside, user)
}
