package llm

import (
	"context"
	"sync"
	"time"
)

// queueContext ends after the queue timeout, with ErrQueueTimeout as its cause, as one of context.WithTimeoutCause would.
// Its timer is only made when somebody looks for the end: most calls pass every gate without a wait, and then the timeout
// costs them nothing. It is safe for concurrent use.
type queueContext struct {
	context.Context

	deadline time.Time // its own; when the parent's is sooner, the parent ends first, and with the parent's cause

	mu     sync.Mutex
	timed  context.Context // nil until somebody waits
	cancel context.CancelFunc
}

func newQueueContext(parent context.Context, now time.Time, timeout time.Duration) *queueContext {
	return &queueContext{Context: parent, deadline: now.Add(timeout)}
}

// begin returns the context with the timer in it.
func (q *queueContext) begin() context.Context {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.timed == nil {
		q.timed, q.cancel = context.WithDeadlineCause(q.Context, q.deadline, ErrQueueTimeout)
	}
	return q.timed
}

// stop gives the timer back. Whoever looks afterwards finds a context that has ended.
func (q *queueContext) stop() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.timed == nil {
		q.timed = over
		return
	}
	q.cancel()
}

// over is a context that has ended.
var over = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

// Deadline is the sooner one of its own and the parent's.
func (q *queueContext) Deadline() (time.Time, bool) {
	if sooner, ok := q.Context.Deadline(); ok && sooner.Before(q.deadline) {
		return sooner, true
	}
	return q.deadline, true
}

func (q *queueContext) Done() <-chan struct{} { return q.begin().Done() }
func (q *queueContext) Err() error            { return q.begin().Err() }

// Value leads to the timer's context once there is one, which is how context.Cause finds out why it ended.
func (q *queueContext) Value(key any) any {
	q.mu.Lock()
	timed := q.timed
	q.mu.Unlock()
	if timed == nil || timed == over {
		return q.Context.Value(key)
	}
	return timed.Value(key)
}
