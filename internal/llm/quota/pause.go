package quota

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/spillway-dev/spillway/internal/llm"
)

// This file keeps the pauses that the vendor asks for, and reads them from its answers.

// pause is what Redis knows of the pauses that the vendor asked for. It holds durations only, because the clocks of
// pods differ.
type pause struct {
	generation int64  // of the state in Redis; a larger one began with nothing
	total      micros // all pauses of this generation added up
	remaining  micros // of the one in force
}

// before reports whether p is an earlier state of Redis than other.
func (p pause) before(other pause) bool {
	return p.generation < other.generation || p.generation == other.generation && p.total < other.total
}

// knownPause is this pod's copy of Redis's pause. It is replaced and never changed.
type knownPause struct {
	pause
	until   time.Time     // end of the pause in force, by this pod's clock
	changed chan struct{} // closed when a later one replaces this one
}

// pauses holds the pause that this pod knows of. It is safe for concurrent use.
type pauses struct{ current atomic.Pointer[knownPause] }

func (s *pauses) init() { s.current.Store(&knownPause{changed: make(chan struct{})}) }

// observe takes over a pause from an answer or a message of Redis. They may arrive in any order.
func (s *pauses) observe(p pause, now time.Time) {
	for {
		old := s.current.Load()
		if !old.before(p) || s.replace(old, old.with(p, now)) {
			return
		}
	}
}

// revert takes over a pause that is older than the pause known when the script was sent. This happens after a
// failover, when the new primary lacks the latest pauses. Keeping the newer total would delay every start that Redis
// books from then on. The rest of the pause in force is still waited for. It reports false when the known pause has
// changed since the script was sent.
func (s *pauses) revert(asked, p pause, now time.Time) bool {
	for {
		old := s.current.Load()
		if old.generation != asked.generation || old.total != asked.total {
			return false
		}
		if s.replace(old, old.with(p, now)) {
			return true
		}
	}
}

// with returns the known pause after Redis has answered p.
func (k *knownPause) with(p pause, now time.Time) *knownPause {
	until := k.until
	if p.remaining > 0 {
		until = latest(until, now.Add(time.Duration(p.remaining)*time.Microsecond))
	}
	return &knownPause{pause: p, until: until}
}

// begin starts a pause of d in this pod at once, before Redis knows of it. It reports false when the pause in force
// lasts as long.
func (s *pauses) begin(d time.Duration, now time.Time) bool {
	for {
		old := s.current.Load()
		if until := now.Add(d); !until.After(old.until) {
			return false
		} else if s.replace(old, &knownPause{pause: old.pause, until: until}) {
			return true
		}
	}
}

func (s *pauses) replace(old, next *knownPause) bool {
	next.changed = make(chan struct{})
	if !s.current.CompareAndSwap(old, next) {
		return false
	}
	close(old.changed)
	return true
}

// start returns when a call may start that was booked for at, when Redis knew the pause p. Pauses that came after the
// booking delay it, as they delay all other calls. A newer generation began after the booking, so all its pauses
// count. Without a known generation only the end of the pause in force counts, because the earlier total is not known.
func (k *knownPause) start(at time.Time, p pause) time.Time {
	moved := k.total
	switch p.generation {
	case k.generation:
		moved -= p.total
	case 0:
		moved = 0
	}
	return latest(at.Add(time.Duration(max(moved, 0))*time.Microsecond), k.until)
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// requestedPause returns the pause that the vendor asks for, or 0.
//
// The reset time of a vendor is often when its limit is full again, which is later than the next call may start. After
// a 429 it is the best value there is. After a success it delays calls by the queue timeout at most. The answer to the
// next call then shows more.
func requestedPause(out *llm.Result, queue time.Duration) time.Duration {
	if out.Err == nil {
		return min(usedUpUntil(&out.Limits), queue)
	}
	failed, ok := errors.AsType[*llm.VendorError](out.Err)
	if !ok || failed.Permanent() { // a pause does not mend an account, and each client is told what is wrong
		return 0
	}
	switch failed.Status {
	case http.StatusTooManyRequests:
		if failed.RetryAfter > 0 {
			return failed.RetryAfter
		}
		return max(out.Limits.RetryAfter, usedUpUntil(&out.Limits))
	case http.StatusServiceUnavailable, statusOverloaded:
		return max(failed.RetryAfter, out.Limits.RetryAfter)
	}
	return 0
}

// statusOverloaded is the status of an overloaded vendor, such as Anthropic.
const statusOverloaded = 529

// isRefusal reports whether the vendor refused the call because of its rate limits.
func isRefusal(err error) bool {
	failed, ok := errors.AsType[*llm.VendorError](err)
	return ok && failed.Kind == llm.KindRateLimit
}

// usedUpUntil returns the time until the reset of a limit of which nothing remains.
func usedUpUntil(l *llm.Limits) (d time.Duration) {
	if l.HasRequests && l.RemainingRequests == 0 {
		d = l.ResetRequests
	}
	if l.HasTokens && l.RemainingTokens == 0 {
		d = max(d, l.ResetTokens)
	}
	return d
}

// listen receives the pauses and refusals that other pods have learned of, so that calls that sleep in this pod wait
// for them. When the message of a pause is lost, the answer to the next booking has the pause too.
func (q *Quota) listen(ctx context.Context) {
	sub := q.shared.rdb.Redis().Subscribe(ctx, q.shared.channel(), q.shared.refusals())
	defer func() { _ = sub.Close() }()
	messages := sub.Channel()
	for {
		select {
		case <-ctx.Done():
			return
		case m, ok := <-messages:
			if !ok {
				return
			}
			if m.Channel == q.shared.refusals() {
				if n, err := strconv.ParseInt(m.Payload, 10, 64); err == nil && n > 0 {
					q.backoff.announced(time.Now(), n)
				}
				continue
			}
			if p, err := parsePause(m.Payload); err == nil {
				q.pauses.observe(p, time.Now())
			}
		}
	}
}
