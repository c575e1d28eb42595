package upstream

import (
	"context"
	"time"

	"github.com/spillway-dev/spillway/internal/deadline"
)

// watch ends one exchange when a limit on its progress runs out: the call timeout until the answer is there, and on a
// stream the idle limit between two events. Each limit has its own cause. Its one timer keeps to the request's own end as
// well, which classify recognises by the request's context.
type watch struct {
	request  context.Context // of the call
	ctx      context.Context // of the exchange
	cancel   context.CancelCauseFunc
	end      time.Time // of the request; zero: ctx knows itself
	timer    *time.Timer
	streamed bool // part of the answer has reached the client
}

func newWatch(ctx context.Context, limit time.Duration, cause error) *watch {
	w := &watch{request: ctx}
	ctx, w.end = deadline.Untimed(ctx)
	w.ctx, w.cancel = context.WithCancelCause(ctx)
	w.limit(limit, cause)
	return w
}

// limit replaces the limit in force by another one.
func (w *watch) limit(d time.Duration, cause error) {
	if w.timer != nil {
		w.timer.Stop()
	}
	w.timer = time.AfterFunc(w.atMost(d), func() { w.cancel(cause) })
}

// atMost is d, or what is left of the request.
func (w *watch) atMost(d time.Duration) time.Duration {
	if w.end.IsZero() {
		return d
	}
	return min(d, time.Until(w.end))
}

// requestEnded reports whether the request itself has ended.
func (w *watch) requestEnded() bool {
	if !w.end.IsZero() && time.Until(w.end) <= 0 {
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
