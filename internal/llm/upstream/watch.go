package upstream

import (
	"context"
	"time"

	"github.com/spillway-dev/spillway/internal/deadline"
	"github.com/spillway-dev/spillway/internal/llm"
)

// watch ends one exchange when a limit on its progress runs out: the call timeout of a buffered answer, or the time to
// the first event of a stream and then each pause of the stream. Each limit has its own cause. A second limit bounds
// the exchange as a whole: first the SLA of the request, and from a stream's first event on the longest time of a
// stream. One timer serves both.
type watch struct {
	request context.Context // of the call; from a stream's first event on without its time limit, which is the SLA
	ctx     context.Context // of the exchange
	cancel  context.CancelCauseFunc
	start   time.Time

	untimed  context.Context // request without its time limit
	end      time.Time       // of the exchange as a whole; zero when nothing bounds it, or only request's own timer
	endCause error           // of an end at end; nil while end is the SLA: then request has the cause

	timer    *time.Timer
	streamed bool // part of the answer has reached the client
}

func newWatch(ctx context.Context, limit time.Duration, cause error) *watch {
	w := &watch{request: ctx, start: time.Now()}
	w.untimed, w.end = deadline.Untimed(ctx)
	w.ctx, w.cancel = context.WithCancelCause(w.untimed)
	w.limit(limit, cause)
	return w
}

// limit replaces the limit in force by another one.
func (w *watch) limit(d time.Duration, cause error) {
	if w.timer != nil {
		w.timer.Stop()
	}
	w.timer = time.AfterFunc(w.atMost(d), w.expire(cause))
}

// expire returns what the timer does when a limit with this cause is in force.
func (w *watch) expire(cause error) func() {
	end, endCause := w.end, w.endCause
	return func() {
		if endCause != nil && time.Until(end) <= 0 {
			w.cancel(endCause)
		} else {
			w.cancel(cause)
		}
	}
}

// stream puts the limits of a stream in force: idle between two events, and longest from the start of the exchange,
// where zero means no limit. The time limit of the request no longer counts, because it bounds the time to the first
// event.
func (w *watch) stream(idle, longest time.Duration) {
	w.request, w.end, w.endCause = w.untimed, time.Time{}, nil
	if longest > 0 {
		w.end, w.endCause = w.start.Add(longest), llm.ErrStreamMax
	}
	w.limit(idle, llm.ErrStreamIdle)
}

// atMost is d, or the time until the end of the whole when that is shorter.
func (w *watch) atMost(d time.Duration) time.Duration {
	if w.end.IsZero() {
		return d
	}
	return min(d, time.Until(w.end))
}

// requestEnded reports whether the request itself has ended.
func (w *watch) requestEnded() bool {
	if w.endCause == nil && !w.end.IsZero() && time.Until(w.end) <= 0 {
		<-w.request.Done() // it ends at this moment too, by a timer of its own
	}
	return w.request.Err() != nil
}

// pause stops the limit while the client is written to. The end of the whole still counts.
func (w *watch) pause() {
	if w.end.IsZero() {
		w.timer.Stop()
	} else {
		w.timer.Reset(time.Until(w.end))
	}
}

// resume starts the limit again, with d.
func (w *watch) resume(d time.Duration) { w.timer.Reset(w.atMost(d)) }

// stop ends the exchange, and cancels what is still under way.
func (w *watch) stop() {
	w.timer.Stop()
	w.cancel(nil)
}
