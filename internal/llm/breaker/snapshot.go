package breaker

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/spillway-dev/spillway/internal/llm"
)

// snapshot is a pod's copy of the state. The state in it never changes; a new state is a new copy. Calls count in the
// copy under which they entered, and only the one in force is reported, so that what began before the breaker opened
// says nothing about the time after.
type snapshot struct {
	state  State
	gen    int64
	until  time.Time         // end of the open state, on this pod's monotonic clock
	shared bool              // from Redis, not this pod's own finding
	leave  func(llm.Outcome) // of calls that enter in the closed state; one for all, so that entering allocates nothing

	mu      sync.Mutex
	pending tally // of calls that have ended, not reported yet
}

// successBatch is the number of successes that are reported before their time, so that a busy pod's share of the window
// is not missing when another pod's failures are weighed.
const successBatch = 100

func (b *Breaker) newSnapshot(r reply, now time.Time, shared bool) *snapshot {
	c := &snapshot{state: r.state, gen: r.gen, shared: shared}
	if r.state == Open {
		c.until = now.Add(r.left)
	}
	c.leave = func(out llm.Outcome) {
		v, user := judge(out), userOf(out.User)
		if v == freed || b.repeats.add(time.Now(), user.one, v == lost) {
			return
		}
		if c.ended(user, v == lost) {
			b.sync.nudge()
		}
	}
	return c
}

// ended counts a call that entered in the closed state. It reports whether Redis must learn of it at once.
func (c *snapshot) ended(user users, failed bool) (urgent bool) {
	t := tally{calls: 1, callers: user}
	if failed {
		t.failures, t.row, t.failing = 1, 1, t.callers
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pending.add(t)
	return failed || c.pending.calls == successBatch
}

// take empties the pending tally. What Redis does not take is put back with restore.
func (c *snapshot) take() tally {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.pending
	c.pending = tally{}
	return t
}

func (c *snapshot) restore(t tally) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t.add(c.pending)
	c.pending = t
}

// openLeft is what a Redis that has lost its data must be told: the rest of an open state that it had told of.
func (c *snapshot) openLeft(now time.Time) time.Duration {
	if !c.shared || c.state != Open {
		return 0
	}
	return max(0, c.until.Sub(now))
}

// adoptLocked makes v the pod's copy, unless the pod knows better. seen is the copy that was in force when v was
// asked for: when it still is, v is the newer one whatever its generation, which may have gone back with a Redis that
// lost writes. When it is not, the later generation is the newer one. Generation 0 comes from a Redis that knows
// nothing, and does not end an open state before its time.
func (s *syncer) adoptLocked(now time.Time, v reply, seen *snapshot, shared bool) {
	c := s.b.snapshot.Load()
	switch {
	case v.gen == c.gen && v.state == c.state:
		return
	case v.gen == 0 && (c.state == Closed || c.state == Open && now.Before(c.until)):
		return
	case v.gen < c.gen && c != seen:
		return
	}
	next := s.b.newSnapshot(v, now, shared)
	s.b.snapshot.Store(next)
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
