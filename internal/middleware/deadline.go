package middleware

import (
	"context"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/spillway-dev/spillway/internal/deadline"
)

// ErrDeadline is the cause of a request's end when its SLA ran out. It wraps context.DeadlineExceeded.
var ErrDeadline error = deadlineError{}

type deadlineError struct{}

func (deadlineError) Error() string { return "SLA deadline: the request took too long as a whole" }
func (deadlineError) Unwrap() error { return context.DeadlineExceeded }
func (deadlineError) Timeout() bool { return true }

// Deadline bounds the time of the whole request with its retries. For a stream it is the time to the first event: the
// exchange with the vendor then takes the limit off (upstream/watch.go).
func Deadline(sla time.Duration) gin.HandlerFunc {
	return func(c *gin.Context) {
		ctx := deadline.New(c.Request.Context(), time.Now().Add(sla), ErrDeadline)
		defer ctx.Stop()
		c.Request = c.Request.WithContext(ctx)
		c.Next()
	}
}
