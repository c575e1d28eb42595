package upstream

import (
	"context"
	"time"

	"github.com/spillway-dev/spillway/internal/deadline"
	"github.com/spillway-dev/spillway/internal/llm"
)

// watch ends one exchange when a limit on its progress runs out: the call timeout until a buffered answer is there,
// the first event of a stream, and then the pauses of the stream and its whole length. Each limit has its own cause.
// One timer serves the limit in force and the end of the whole: that of the request, and from a stream's first event
// on, that of the longest stream. verdict recognises the end of the request by the request's context.
type watch struct {
	request context.Context // of the call; from a stream's first event on without the time limit of the request
	ctx     context.Context // of the exchange
	cancel  context.CancelCauseFunc
	start   time.Time

	free     context.Context // request without its time limit
	end      time.Time       // of the whole; zero: request knows itself, or there is none
	endCause error           // nil: the request's own

	timer    *time.Timer
	streamed bool // part of the answer has reached the client
}

func newWatch(ctx context.Context, limit time.Duration, cause error) *watch {
	w := &watch{request: ctx, start: time.Now()}
	w.free, w.end = deadline.Untimed(ctx)
	w.ctx, w.cancel = context.WithCancelCause(w.free)
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

// stream puts the limits of a stream in force: idle between two events, longest from the start of the exchange, where
// zero means no limit. The request's own time limit ends: it is for the time to the first event.
func (w *watch) stream(idle, longest time.Duration) {
	w.request, w.end, w.endCause = w.free, time.Time{}, nil
	if longest > 0 {
		w.end, w.endCause = w.start.Add(longest), llm.ErrStreamMax
	}
	w.limit(idle, llm.ErrStreamIdle)
}

// atMost is d, or what is left of the whole.
func (w *watch) atMost(d time.Duration) time.Duration {
	if w.end.IsZero() {
		return d
	}
	return min(d, time.Until(w.end))
}

// requestEnded reports whether the request itself has ended.
func (w *watch) requestEnded() bool {
	if w.endCause == nil && !w.end.IsZero() && time.Until(w.end) <= 0 {
		<-w.request.Done() // which ends at this very moment, by a timer of its own
	}
	return w.request.Err() != nil
}

// pause stops the clock of the limit, while it is the client that is slow.
func (w *watch) pause() {
	if w.end.IsZero() {
		w.timer.Stop()
	} else {
		w.timer.Reset(time.Until(w.end))
	}
}

// resume starts the clock again from d, with the cause of the limit in force.
func (w *watch) resume(d time.Duration) { w.timer.Reset(w.atMost(d)) }

// stop ends the exchange: what is still under way is cancelled.
func (w *watch) stop() {
	w.timer.Stop()
	w.cancel(nil)
}
