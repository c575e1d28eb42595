package middleware

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/spillway-dev/spillway/internal/outcome"
)

// AccessLog writes one line for every request, when it has ended, however it has ended. Requests that were refused to
// protect the service are counters, not lines: under overload the log would be the next thing to break. At debug they are
// logged too.
func AccessLog(log *slog.Logger) gin.HandlerFunc {
	return func(c *gin.Context) {
		in := info(c)
		defer func() { // also while a panic that breaks the connection off passes through
			code := status(c, in)
			level := logLevel(code, in.Reason)
			ctx := c.Request.Context() // which has ended; to slog that is nothing
			if !log.Enabled(ctx, level) {
				return
			}
			took := time.Since(in.start)
			// A record without the place in the code, which is always this one, and with all attributes in one group without a
			// name, which handlers take apart: so nothing is looked up or copied.
			r := slog.NewRecord(in.start.Add(took), level, "request", 0)
			r.AddAttrs(slog.GroupAttrs("", in.line(c, code, took)...))
			_ = log.Handler().Handle(ctx, r) // a log that fails has nobody to tell; slog does the same
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

// line is what is said about a request: what layers added, then the standing attributes.
func (i *Info) line(c *gin.Context, code int, took time.Duration) []slog.Attr {
	attrs := append(i.attrs[:i.n],
		slog.String("method", method(c.Request.Method)),
		slog.String("route", route(c)),
		slog.Int("status", code),
		slog.Int64("duration_ms", took.Milliseconds()),
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
	return attrs
}
