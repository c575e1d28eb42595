package llm

import (
	"context"
	"time"
)

// watch ends one exchange when a limit on its progress runs out: the call timeout until the answer is there, and on a
// stream the idle limit between two events. Each limit has its own cause.
type watch struct {
	ctx      context.Context
	cancel   context.CancelCauseFunc
	timer    *time.Timer
	streamed bool // part of the answer has reached the client
}

func newWatch(ctx context.Context, limit time.Duration, cause error) *watch {
	w := &watch{}
	w.ctx, w.cancel = context.WithCancelCause(ctx)
	w.limit(limit, cause)
	return w
}

// limit replaces the limit in force by another one.
func (w *watch) limit(d time.Duration, cause error) {
	if w.timer != nil {
		w.timer.Stop()
	}
	w.timer = time.AfterFunc(d, func() { w.cancel(cause) })
}

// pause stops the clock, while it is the client that is slow.
func (w *watch) pause() { w.timer.Stop() }

// resume starts the clock again from d, with the cause of the limit in force.
func (w *watch) resume(d time.Duration) { w.timer.Reset(d) }

// stop ends the exchange: what is still under way is cancelled.
func (w *watch) stop() {
	w.timer.Stop()
	w.cancel(nil)
}
