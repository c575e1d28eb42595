package middleware

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/spillway-dev/spillway/internal/outcome"
	"github.com/spillway-dev/spillway/internal/telemetry"
)

// Admission lets at most limit requests into this pod and refuses the rest at once, before anything is read or decided.
// Without it a flood of requests can take all memory of the pod, whatever its other limits are.
type Admission struct {
	limit    int64
	inside   atomic.Int64
	rejected prometheus.Counter
}

// NewAdmission returns an admission of limit requests, at least 1.
func NewAdmission(limit int, reg prometheus.Registerer) (*Admission, error) {
	if limit < 1 {
		return nil, fmt.Errorf("ADMISSION_MAX is %d: use at least 1", limit)
	}
	a := &Admission{limit: int64(limit), rejected: prometheus.NewCounter(prometheus.CounterOpts{
		Name: "llm_admission_rejections_total", Help: "Requests refused because the pod was full.",
	})}
	used := telemetry.Gauge("llm_admission_used_ratio", "Requests inside this pod as a share of what it admits.",
		func() float64 { return float64(a.InFlight()) / float64(limit) })
	return a, errors.Join(reg.Register(a.rejected), reg.Register(used))
}

// InFlight is the number of requests inside now.
func (a *Admission) InFlight() int { return int(a.inside.Load()) }

// Handler admits or refuses.
func (a *Admission) Handler(fail Fail) gin.HandlerFunc {
	full := &outcome.Rejected{Layer: "admission", Reason: outcome.Overloaded, RetryAfter: time.Second}
	return func(c *gin.Context) {
		if !a.enter() {
			a.rejected.Inc()
			fail(c, full)
			return
		}
		defer a.inside.Add(-1)
		c.Next()
	}
}

// enter counts a request if there is room. To add first, and to subtract when it was too much, would be shorter. But
// for a moment a refused request would then hold the place of one that fits.
func (a *Admission) enter() bool {
	for {
		n := a.inside.Load()
		if n >= a.limit {
			return false
		}
		if a.inside.CompareAndSwap(n, n+1) {
			return true
		}
	}
}
