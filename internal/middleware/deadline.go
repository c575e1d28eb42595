package middleware

import (
	"context"
	"time"

	"github.com/gin-gonic/gin"
)

// ErrDeadline is the cause of a request's end when its SLA ran out. It wraps context.DeadlineExceeded.
var ErrDeadline error = deadlineError{}

type deadlineError struct{}

func (deadlineError) Error() string { return "SLA deadline: the request took too long as a whole" }
func (deadlineError) Unwrap() error { return context.DeadlineExceeded }
func (deadlineError) Timeout() bool { return true }

// Deadline bounds the whole request, its retries and streams too.
func Deadline(sla time.Duration) gin.HandlerFunc {
	return func(c *gin.Context) {
		ctx, cancel := context.WithTimeoutCause(c.Request.Context(), sla, ErrDeadline)
		defer cancel()
		c.Request = c.Request.WithContext(ctx)
		c.Next()
	}
}
