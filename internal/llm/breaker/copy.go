package breaker

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/spillway-dev/spillway/internal/llm"
)

// breakerCopy is a pod's copy of the state. The state in it never changes; a new state is a new copy. Calls count in the
// copy under which they entered, and only the one in force is reported, so that what began before the breaker opened says
// nothing about the time after.
type breakerCopy struct {
	state  State
	gen    int64
	until  time.Time         // end of the open state, on this pod's monotonic clock
	shared bool              // from Redis, not this pod's own finding
	leave  func(llm.Outcome) // of calls that enter in the closed state; one for all, so that entering allocates nothing

	calls    atomic.Int64 // ended, not reported yet
	failures atomic.Int64
}

// breakerBatch is the number of successes that are reported before their time, so that a busy pod's share of the window
// is not missing when another pod's failures are weighed.
const breakerBatch = 100

func (b *Breaker) newCopy(v breakerView, now time.Time, shared bool) *breakerCopy {
	c := &breakerCopy{state: v.state, gen: v.gen, shared: shared}
	if v.state == Open {
		c.until = now.Add(v.left)
	}
	c.leave = func(out llm.Outcome) {
		verdict := judge(out)
		if verdict == freed {
			return
		}
		n := c.calls.Add(1)
		if verdict == lost {
			c.failures.Add(1)
		}
		if verdict == lost || n == breakerBatch {
			b.sync.nudge()
		}
	}
	return c
}

// openLeft is what a Redis that has lost its data must be told: the rest of an open state that it had told of.
func (c *breakerCopy) openLeft(now time.Time) time.Duration {
	if !c.shared || c.state != Open {
		return 0
	}
	return max(0, c.until.Sub(now))
}

// adoptLocked makes v the pod's copy, unless the pod knows better. seen is the copy that was in force when v was asked
// for: when it still is, v is the newer one whatever its generation, which may have gone back with a Redis that lost
// writes. When it is not, the later generation is the newer one. Generation 0 comes from a Redis that knows nothing, and
// does not end an open state before its time.
func (s *breakerSync) adoptLocked(now time.Time, v breakerView, seen *breakerCopy, shared bool) {
	c := s.b.copy.Load()
	switch {
	case v.gen == c.gen && v.state == c.state:
		return
	case v.gen == 0 && (c.state == Closed || c.state == Open && now.Before(c.until)):
		return
	case v.gen < c.gen && c != seen:
		return
	}
	next := s.b.newCopy(v, now, shared)
	s.b.copy.Store(next)
	s.b.nextAt.Store(0)
	if next.state == c.state {
		return
	}
	s.b.metrics.transitions.WithLabelValues(next.state.String()).Inc()
	level, attrs := slog.LevelInfo, []slog.Attr{slog.Bool("shared", shared)}
	if next.state == Open {
		level, attrs = slog.LevelWarn, append(attrs, slog.Int64("for_ms", v.left.Milliseconds()))
	}
	s.log.LogAttrs(context.Background(), level, "breaker "+next.state.String(), attrs...)
}
