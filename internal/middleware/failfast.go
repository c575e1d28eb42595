package middleware

import (
	"time"

	"github.com/gin-gonic/gin"

	"github.com/spillway-dev/spillway/internal/outcome"
)

// FailFast refuses requests that cannot succeed, before they cost a round trip or count in the user's limit. down
// returns the time until a vendor may be called again, 0 while one may be called now: the breakers decide that, and
// decide again when the call comes to them. With a nil down nothing is refused.
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
