package middleware

import (
	"fmt"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/spillway-dev/spillway/internal/outcome"
)

// The largest sizes in bytes: of headers of every call that go on to the vendor or into Redis, and of headers that a
// vendor defines.
const (
	maxPassedHeader = 256
	maxVendorHeader = 1024
)

// passedHeaders are the headers that a client chooses and that leave this pod.
var passedHeaders = [...]string{"Idempotency-Key", "Traceparent", "Tracestate", RequestIDHeader}

// headerLimit is the limit on one header.
type headerLimit struct {
	name   string // in the canonical form of net/http
	most   int    // bytes, of all lines together
	refuse *outcome.Rejected
}

func newHeaderLimit(name string, most int) headerLimit {
	return headerLimit{name, most, &outcome.Rejected{Layer: "header_limit", Reason: outcome.HeaderTooLong,
		Detail: fmt.Sprintf("%s may have at most %d bytes, all its lines together.", name, most)}}
}

// HeaderLimit refuses requests whose passed headers are too long. A vendor's server that finds a header too long may
// close the connection, on which other users' calls are. vendors are the names of further headers of clients that the
// vendors of the lanes get.
func HeaderLimit(vendors []string, fail Fail) gin.HandlerFunc {
	var limits []headerLimit
	for _, name := range passedHeaders {
		limits = append(limits, newHeaderLimit(name, maxPassedHeader))
	}
	for _, name := range vendors {
		limits = append(limits, newHeaderLimit(http.CanonicalHeaderKey(name), maxVendorHeader))
	}
	return func(c *gin.Context) {
		for i := range limits {
			size := 0
			for _, line := range c.Request.Header[limits[i].name] {
				size += len(line)
			}
			if size > limits[i].most {
				fail(c, limits[i].refuse)
				return
			}
		}
		c.Next()
	}
}
