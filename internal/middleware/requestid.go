package middleware

import (
	"encoding/binary"
	"math/rand/v2"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"
)

// RequestIDHeader carries the request's ID, inwards, outwards and on to the vendor.
const RequestIDHeader = "X-Request-Id"

// maxRequestID is the longest ID taken over from a client.
const maxRequestID = 128

// RequestID gives every request an ID: the client's own when it is well formed, else a new UUIDv7. Every answer carries
// it.
func RequestID() gin.HandlerFunc {
	return func(c *gin.Context) {
		start := time.Now()
		id := firstValue(c.Request.Header, RequestIDHeader)
		if !wellFormed(id) {
			id = newRequestID(start)
		}
		ctx := &requestContext{Context: c.Request.Context(), info: Info{ID: id, start: start}, header: [1]string{id}}
		c.Request = c.Request.WithContext(ctx)
		c.Writer.Header()[RequestIDHeader] = ctx.header[:]
		c.Next()
	}
}

// newRequestID makes a UUIDv7: the time in milliseconds, then random bits. They come from the runtime's own ChaCha8
// generator, which costs no system call. An ID need not be secret.
func newRequestID(now time.Time) string {
	var id uuid.UUID
	binary.BigEndian.PutUint64(id[:8], uint64(now.UnixMilli())<<16|rand.Uint64()&0xffff)
	binary.BigEndian.PutUint64(id[8:], rand.Uint64())
	id[6] = id[6]&0x0f | 0x70 // version 7
	id[8] = id[8]&0x3f | 0x80 // RFC 9562's variant
	return id.String()
}

// wellFormed reports whether an ID is safe in a log line and a header, and short enough to read.
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
