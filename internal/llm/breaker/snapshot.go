package breaker

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/spillway-dev/spillway/internal/llm"
)

// snapshot is a copy of the state in a pod. The state in it never changes; a new state is a new snapshot. Calls count
// in the snapshot under which they entered, and only the counts of the latest one are reported, so that calls that
// began before the breaker opened say nothing about the time after.
type snapshot struct {
	state  State
	gen    int64
	until  time.Time        // end of the open state, on this pod's monotonic clock
	shared bool             // the state is Redis's, and not that of this pod's machine
	leave  func(llm.Result) // of calls that enter in the closed state; one for all, so that entering allocates nothing

	mu      sync.Mutex
	pending tally // calls that have ended and are not reported yet
}

// successBatch is the number of calls that are reported at once, without waiting for the poll, so that the successes of
// a busy pod are known when the failures of another pod are judged.
const successBatch = 100

func (b *Breaker) newSnapshot(r reply, now time.Time, shared bool) *snapshot {
	s := &snapshot{state: r.state, gen: r.gen, shared: shared}
	if r.state == Open {
		s.until = now.Add(r.left)
	}
	s.leave = func(out llm.Result) {
		v, user := judge(out), userOf(out.User)
		if v == freed || b.repeats.add(time.Now(), user.of[0], v == lost) {
			return
		}
		if s.ended(user, v == lost) {
			b.sync.nudge()
		}
	}
	return s
}

// ended counts a call that entered in the closed state. It reports whether the count must be reported at once.
func (s *snapshot) ended(user users, failed bool) (urgent bool) {
	t := tally{calls: 1, callers: user}
	if failed {
		t.failures, t.row, t.failing = 1, 1, t.callers
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pending.add(t)
	return failed || s.pending.calls == successBatch
}

// take returns the pending tally and empties it. A tally that Redis does not take goes back with restore.
func (s *snapshot) take() tally {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.pending
	s.pending = tally{}
	return t
}

func (s *snapshot) restore(t tally) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t.add(s.pending)
	s.pending = t
}

// openLeft is the rest of an open state that this pod knows from Redis. A Redis that has lost its data is told of it.
func (s *snapshot) openLeft(now time.Time) time.Duration {
	if !s.shared || s.state != Open {
		return 0
	}
	return max(0, s.until.Sub(now))
}

// adoptLocked takes over the state v, unless the pod's own is newer. seen is the snapshot in use when v was asked for.
// When it is still in use, v is newer, even with an earlier generation: Redis may have lost writes. When it is not, the
// later generation is newer. Generation 0 comes from a Redis without data, and does not end an open state early.
func (s *syncer) adoptLocked(now time.Time, v reply, seen *snapshot, shared bool) {
	old := s.b.snapshot.Load()
	switch {
	case v.gen == old.gen && v.state == old.state:
		return
	case v.gen == 0 && (old.state == Closed || old.state == Open && now.Before(old.until)):
		return
	case v.gen < old.gen && old != seen:
		return
	}
	next := s.b.newSnapshot(v, now, shared)
	s.b.snapshot.Store(next)
	s.b.nextAt.Store(0)
	if next.state == old.state {
		return
	}
	s.b.metrics.transitions.WithLabelValues(next.state.String()).Inc()
	level, attrs := slog.LevelInfo, []slog.Attr{slog.Bool("shared", shared)}
	if next.state == Open {
		level, attrs = slog.LevelWarn, append(attrs, slog.Int64("for_ms", v.left.Milliseconds()))
	}
	s.log.LogAttrs(context.Background(), level, "breaker "+next.state.String(), attrs...)
}
