package middleware

import (
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/spillway-dev/spillway/internal/outcome"
)

// AccessLog writes one line for every request when it has ended. Three kinds of requests are counters and not lines,
// because under overload the log would be the next thing to break; at debug they are lines too:
//
//   - those that were refused to protect the service;
//   - those without a known API key that the client's mistake made fail, such as unknown paths and methods;
//   - those that succeed without a key, which are health checks and documentation.
//
// refused is called with every request that was refused or failed, also with those without a line; it may be nil.
func AccessLog(log *slog.Logger, refused func(Refusal)) gin.HandlerFunc {
	return func(c *gin.Context) {
		in := info(c)
		defer func() { // also while a panic that breaks the connection passes through
			code := status(c, in)
			if refused != nil && (in.Reason != "" || in.User != "" && code >= http.StatusBadRequest) {
				refused(Refusal{RequestID: in.ID, Layer: in.Layer, Reason: in.Reason, Status: code, At: time.Now()})
			}
			level := logLevel(code, in)
			ctx := c.Request.Context() // it has ended, which slog does not mind
			if !log.Enabled(ctx, level) {
				return
			}
			took := time.Since(in.start)
			// The record has no source position, which is always this one, and one group without a name for all
			// attributes, which handlers take apart. So nothing is looked up or copied.
			r := slog.NewRecord(in.start.Add(took), level, "request", 0)
			r.AddAttrs(slog.GroupAttrs("", in.line(c, code, took)...))
			_ = log.Handler().Handle(ctx, r) // slog ignores the error of a failing log as well
		}()
		c.Next()
	}
}

// Refusal is a request that was refused or failed, without anything of its user. Without a reason it was given the
// vendor's own answer, such as 400.
type Refusal struct {
	RequestID string
	Layer     string // the layer that refused it; "" when it failed
	Reason    string // code of the answer
	Status    int    // as in the access log
	At        time.Time
}

func logLevel(code int, in *Info) slog.Level {
	switch outcome.Reason(in.Reason) { // by code, so that Shed stands for ShedLatency too
	case outcome.Overloaded, outcome.TooManyCalls, outcome.Shed, outcome.UserRateLimited, outcome.UserTokensLimited,
		outcome.VendorUnavailable, outcome.VendorRateLimited, outcome.QueueTimeout, outcome.Unauthenticated:
		return slog.LevelDebug
	}
	switch {
	case in.User == "" && code < http.StatusInternalServerError:
		return slog.LevelDebug
	case code == http.StatusInternalServerError:
		return slog.LevelError
	case code > http.StatusInternalServerError:
		return slog.LevelWarn
	}
	return slog.LevelInfo
}

// line lists the attributes of a request: those that layers added, then those that every line has.
func (i *Info) line(c *gin.Context, code int, took time.Duration) []slog.Attr {
	i.Add() // makes room
	attrs := i.attrs
	attrs = append(attrs,
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
		attrs = append(attrs, slog.String("error", clip(i.Err.Error(), maxError)))
	}
	return attrs
}

// maxError is how many bytes of an error's text go into the log. A vendor or a client can choose part of it.
const maxError = 500

// clip cuts s to about limit bytes, at the end of a character.
func clip(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit], "") + "…"
}
