package middleware

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/spillway-dev/spillway/internal/outcome"
)

// standing is the number of attributes that a line may have beside those that layers added.
const standing = 10

// AccessLog writes one line for every request, when it has ended, however it has ended. Requests that were refused to
// protect the service are counters, not lines: under overload the log would be the next thing to break. At debug they are
// logged too.
func AccessLog(log *slog.Logger) gin.HandlerFunc {
	return func(c *gin.Context) {
		start := time.Now()
		defer func() { // also while a panic that breaks the connection off passes through
			in := info(c)
			code := status(c, in)
			level := logLevel(code, in.Reason)
			ctx := c.Request.Context() // which has ended; to slog that is nothing
			if !log.Enabled(ctx, level) {
				return
			}
			var room [standing + maxAttrs]slog.Attr // on the stack: slog copies what it is given
			log.LogAttrs(ctx, level, "request", in.line(room[:0], c, code, time.Since(start))...)
		}()
		c.Next()
	}
}

func logLevel(code int, reason string) slog.Level {
	switch outcome.Reason(reason) {
	case outcome.Overloaded, outcome.Shed, outcome.ShedLatency, outcome.UserRateLimited, outcome.VendorUnavailable,
		outcome.VendorRateLimited, outcome.QueueTimeout, outcome.Unauthenticated:
		return slog.LevelDebug
	}
	switch {
	case code == http.StatusInternalServerError:
		return slog.LevelError
	case code > http.StatusInternalServerError:
		return slog.LevelWarn
	}
	return slog.LevelInfo
}

// line appends what is said about a request: the standing attributes, then those that layers added.
func (i *Info) line(attrs []slog.Attr, c *gin.Context, code int, took time.Duration) []slog.Attr {
	attrs = append(attrs,
		slog.String("method", method(c.Request.Method)),
		slog.String("route", route(c)),
		slog.Int("status", code),
		slog.Float64("duration_ms", float64(took.Microseconds())/1000),
		slog.Int("bytes", max(c.Writer.Size(), 0)),
	)
	if i.User != "" {
		attrs = append(attrs, slog.String("user", i.User), slog.String("tier", i.Tier))
	}
	if i.Reason != "" {
		attrs = append(attrs, slog.String("reason", i.Reason))
	}
	if i.Layer != "" {
		attrs = append(attrs, slog.String("layer", i.Layer))
	}
	if i.Err != nil {
		attrs = append(attrs, slog.String("error", i.Err.Error()))
	}
	return append(attrs, i.attrs[:i.n]...)
}
