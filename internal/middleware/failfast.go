package middleware

import (
	"time"

	"github.com/gin-gonic/gin"

	"github.com/spillway-dev/spillway/internal/outcome"
)

// FailFast refuses what cannot succeed: while the vendor counts as down, a request is turned away before it has cost a
// round trip or a place in the user's limit. The breaker decides, here as in its own place on the way out; down is its
// word, the time until it lets calls through again, 0 when it does now. A nil down is a vendor that never is.
func FailFast(down func() time.Duration, fail Fail) gin.HandlerFunc {
	if down == nil {
		return func(c *gin.Context) { c.Next() }
	}
	return func(c *gin.Context) {
		if wait := down(); wait > 0 {
			fail(c, &outcome.Rejected{Layer: "fail_fast", Reason: outcome.VendorUnavailable, RetryAfter: wait})
			return
		}
		c.Next()
	}
}
