// Package deadline bounds requests, at no cost for those that never wait.
//
// A context of context.WithDeadlineCause starts a timer and registers with its parent at once. Most requests pass the
// gates without a wait, and a refused request ends before any code waits for its end. They need no timer.
package deadline

import (
	"context"
	"sync"
	"time"
)

// Context ends at a moment, with a cause of its own, as one of context.WithDeadlineCause would; the timer is only made
// when code first asks for the end. It is safe for concurrent use.
type Context struct {
	context.Context // the parent

	at    time.Time // a parent that ends earlier ends it with its own cause
	cause error

	mu      sync.Mutex
	timed   context.Context // nil until code waits for the end
	cancel  context.CancelFunc
	stopped bool
}

// New returns a context that ends at the given moment with the given cause, or with its parent. It should be stopped.
func New(parent context.Context, at time.Time, cause error) *Context {
	return &Context{Context: parent, at: at, cause: cause}
}

// Untimed returns ctx without its time limit, and the moment of that limit, for a caller that has a timer of its own
// for it, or that goes on without the limit. The limit may stand anywhere above ctx, if all contexts between the two
// only add values. The zero time means that there is no limit; then ctx is returned as it is.
func Untimed(ctx context.Context) (context.Context, time.Time) {
	if c, ok := ctx.(*Context); ok {
		return c.Context, c.at
	}
	if c, ok := ctx.Value(contextKey{}).(*Context); ok {
		return &untimed{c.Context, ctx}, c.at
	}
	return ctx, time.Time{}
}

// contextKey finds the nearest Context above a context.
type contextKey struct{}

// untimed ends as the Context below a time limit does, and has the values that were added above the limit.
type untimed struct {
	context.Context

	values context.Context
}

// Value looks above the limit first. Package context looks for the context that ends another one as a value that is a
// context: the answer must be one below the limit.
func (u *untimed) Value(key any) any {
	value := u.values.Value(key)
	if _, internal := value.(context.Context); internal || value == nil {
		return u.Context.Value(key)
	}
	return value
}

// Over reports whether ctx has ended. It makes no timer.
func Over(ctx context.Context) bool {
	parent, at := Untimed(ctx)
	return parent.Err() != nil || !at.IsZero() && time.Until(at) <= 0
}

// begin returns the context with the timer in it.
func (c *Context) begin() context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.timed == nil {
		c.timed, c.cancel = context.WithDeadlineCause(c.Context, c.at, c.cause)
		if c.stopped {
			c.cancel()
		}
	}
	return c.timed
}

// Stop stops the timer. Afterwards the context has ended.
func (c *Context) Stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped = true
	if c.timed != nil {
		c.cancel()
	}
}

// Deadline is the sooner one of its own and the parent's.
func (c *Context) Deadline() (time.Time, bool) {
	if sooner, ok := c.Context.Deadline(); ok && sooner.Before(c.at) {
		return sooner, true
	}
	return c.at, true
}

// Done is closed at the end.
func (c *Context) Done() <-chan struct{} { return c.begin().Done() }

// Err is nil until the end.
func (c *Context) Err() error { return c.begin().Err() }

// Value is that of the context with the timer once there is one: context.Cause finds the cause there.
func (c *Context) Value(key any) any {
	if key == (contextKey{}) {
		return c
	}
	c.mu.Lock()
	timed := c.timed
	c.mu.Unlock()
	if timed == nil {
		return c.Context.Value(key)
	}
	return timed.Value(key)
}
