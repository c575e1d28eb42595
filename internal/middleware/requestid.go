package middleware

import (
	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/spillway-dev/spillway/internal/telemetry"
)

// RequestIDHeader carries the request's ID, inwards, outwards and on to the vendor.
const RequestIDHeader = "X-Request-Id"

// maxRequestID is the longest ID taken over from a client.
const maxRequestID = 128

// RequestID gives every request an ID: the client's own when it is well formed, else a new UUIDv7. The answer carries it
// whatever comes of the request.
func RequestID() gin.HandlerFunc {
	return func(c *gin.Context) {
		id := c.Request.Header.Get(RequestIDHeader)
		if !wellFormed(id) {
			id = uuid.Must(uuid.NewV7()).String() // fails only without a source of randomness, and then nothing is safe
		}
		ctx := &requestContext{
			Context: telemetry.WithRequestID(c.Request.Context(), id),
			info:    Info{ID: id}, header: [1]string{id},
		}
		c.Request = c.Request.WithContext(ctx)
		c.Writer.Header()[RequestIDHeader] = ctx.header[:]
		c.Next()
	}
}

// wellFormed keeps out what could break a log line, a header or a reader's eyes.
func wellFormed(id string) bool {
	if id == "" || len(id) > maxRequestID {
		return false
	}
	for i := range len(id) {
		switch c := id[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_', c == '.':
		default:
			return false
		}
	}
	return true
}
