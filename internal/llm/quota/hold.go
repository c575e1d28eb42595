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

// pause is what Redis knows of the pauses the vendor asked for. Only durations cross the wire: the clocks of pods differ.
type pause struct {
	generation int64  // of the state in Redis; a larger one began with nothing
	total      micros // all pauses of this generation added up
	remaining  micros // of the one in force
}

// before tells whether p is what Redis knew earlier than other.
func (p pause) before(other pause) bool {
	return p.generation < other.generation || p.generation == other.generation && p.total < other.total
}

// hold is a pod's copy of it. It is replaced, never changed.
type hold struct {
	pause
	until   time.Time     // end of the pause in force, by this pod's clock
	changed chan struct{} // closed when a later hold replaces this one
}

// holds is the pod's view on the vendor's pauses. It is safe for concurrent use.
type holds struct{ current atomic.Pointer[hold] }

func (h *holds) init() { h.current.Store(&hold{changed: make(chan struct{})}) }

// observe takes in what Redis said in an answer or an announcement, in whatever order those arrive.
func (h *holds) observe(p pause, now time.Time) {
	for {
		old := h.current.Load()
		if !old.before(p) || h.replace(old, old.with(p, now)) {
			return
		}
	}
}

// goBack takes in an answer that is older than what was known when Redis was asked: a replica has taken over that had not heard
// of the latest pauses. Kept, they would move every start that Redis books from now on. What is left of them is still waited
// out. It reports false when something else has been heard since.
func (h *holds) goBack(asked, p pause, now time.Time) bool {
	for {
		old := h.current.Load()
		if old.generation != asked.generation || old.total != asked.total {
			return false
		}
		if h.replace(old, old.with(p, now)) {
			return true
		}
	}
}

// with is what follows h when Redis has said p.
func (h *hold) with(p pause, now time.Time) *hold {
	until := h.until
	if p.remaining > 0 {
		until = later(until, now.Add(time.Duration(p.remaining)*time.Microsecond))
	}
	return &hold{pause: p, until: until}
}

// demand starts a pause of d at once in this pod, before Redis has heard of it. It reports false when the one in force is
// as long.
func (h *holds) demand(d time.Duration, now time.Time) bool {
	for {
		old := h.current.Load()
		if until := now.Add(d); !until.After(old.until) {
			return false
		} else if h.replace(old, &hold{pause: old.pause, until: until}) {
			return true
		}
	}
}

func (h *holds) replace(old, next *hold) bool {
	next.changed = make(chan struct{})
	if !h.current.CompareAndSwap(old, next) {
		return false
	}
	close(old.changed)
	return true
}

// start returns when a call may start that was booked for at, when Redis's pauses were p: pauses that came since have
// moved it, and all other calls with it. A younger generation began after the booking, so all its pauses count; but where none
// was known, because Redis had not answered yet, nobody knows which of them came since.
func (h *hold) start(at time.Time, p pause) time.Time {
	moved := h.total
	switch p.generation {
	case h.generation:
		moved -= p.total
	case 0:
		moved = 0
	}
	return later(at.Add(time.Duration(max(moved, 0))*time.Microsecond), h.until)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// requestedPause is how long the vendor asks not to be called, as far as an exchange says so; 0 when it does not.
//
// A vendor's reset time is often when its bucket will be full again, and not when the next call is welcome. With a 429 it is
// the best there is to go by. With a success it delays calls only for as long as they can wait in the queue; the answer to
// the next call then shows more.
func requestedPause(out *llm.Outcome, queue time.Duration) time.Duration {
	if out.Err == nil {
		return min(spent(&out.Limits), queue)
	}
	failed, ok := errors.AsType[*llm.VendorError](out.Err)
	if !ok {
		return 0
	}
	switch failed.Status {
	case http.StatusTooManyRequests:
		if failed.RetryAfter > 0 {
			return failed.RetryAfter
		}
		return max(out.Limits.RetryAfter, spent(&out.Limits))
	case http.StatusServiceUnavailable, statusOverloaded:
		return max(failed.RetryAfter, out.Limits.RetryAfter)
	}
	return 0
}

// statusOverloaded is what some vendors answer when they are too busy.
const statusOverloaded = 529

// isRefusal reports whether the vendor refused because of its limits, for now.
func isRefusal(err error) bool {
	failed, ok := errors.AsType[*llm.VendorError](err)
	return ok && failed.Kind == llm.KindRateLimit
}

// spent is the time until a limit of which nothing remains is reset.
func spent(l *llm.Limits) (d time.Duration) {
	if l.HasRequests && l.RemainingRequests == 0 {
		d = l.ResetRequests
	}
	if l.HasTokens && l.RemainingTokens == 0 {
		d = max(d, l.ResetTokens)
	}
	return d
}

// listen hears pauses that other pods were asked for, so that calls asleep here hear them too. A message that is lost is
// made good by the answer to the next booking.
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
			var p pause
			if _, err := cutInts(m.Payload, &p.generation, &p.total, &p.remaining); err == nil {
				q.holds.observe(p, time.Now())
			}
		}
	}
}
