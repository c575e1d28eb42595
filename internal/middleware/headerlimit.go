package middleware

import (
	"fmt"

	"github.com/gin-gonic/gin"

	"github.com/spillway-dev/spillway/internal/outcome"
)

// maxPassedHeader is the size in bytes of a header that goes on to the vendor or into Redis.
const maxPassedHeader = 256

// passedHeaders are the headers that a client chooses and that leave this pod.
var passedHeaders = [...]string{"Idempotency-Key", "Traceparent", "Tracestate", RequestIDHeader}

// HeaderLimit refuses requests whose passed headers are too long. A vendor's server that finds them too long would end
// the connection, and other users' calls with it.
func HeaderLimit(fail Fail) gin.HandlerFunc {
	refuse := make(map[string]*outcome.Rejected, len(passedHeaders))
	for _, name := range passedHeaders {
		refuse[name] = &outcome.Rejected{Layer: "header_limit", Reason: outcome.HeaderTooLong,
			Detail: fmt.Sprintf("%s may have at most %d bytes, all its lines together.", name, maxPassedHeader)}
	}
	return func(c *gin.Context) {
		for _, name := range passedHeaders {
			size := 0
			for _, line := range c.Request.Header[name] {
				size += len(line)
			}
			if size > maxPassedHeader {
				fail(c, refuse[name])
				return
			}
		}
		c.Next()
	}
}
