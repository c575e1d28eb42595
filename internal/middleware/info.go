// Package middleware holds what stands between the network and the handler: one layer a file, in the order of the list
// in api/router.go.
//
//	Tracing, RequestID, AccessLog, Metrics   observe: they hold nothing, wait for nothing, refuse nothing
//	CORS                                     answers the preflight requests of browsers
//	Recover                                  a panic becomes an answer
//	Admission                                this pod: at most N requests inside it
//	Deadline                                 the SLA
//	Identity                                 API key -> user, tier and priority
//	HeaderLimit                              sizes of headers that go on to the vendor or into Redis
//	Concurrency                              this pod: at most N requests of one user inside it
//	FailFast                                 every vendor is down: nothing can succeed
//	Shed                                     this pod: early, and lower tiers first
//	UserLimit                                Redis: requests per minute of one user, over all pods
//	TokenLimit                               Redis: tokens per minute of one user; called by the handler
//
// A layer that refuses a request calls the Fail it was given with a *outcome.Rejected. Package api turns that into an
// answer. Nothing here knows of vendors.
package middleware

import (
	"context"
	"log/slog"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/spillway-dev/spillway/internal/priority"
	"github.com/spillway-dev/spillway/internal/telemetry"
)

// Fail answers a request with err and ends it. The api package provides it. For a client that is gone it panics with
// http.ErrAbortHandler, which closes the connection.
type Fail func(c *gin.Context, err error)

// Info is what the layers know of one request. It is made by RequestID and read when the request has ended.
type Info struct {
	ID     string // request ID
	User   string // the owner of the API key; "" until Identity
	Tier   string // the user's tier
	Reason string // the code in the answer when the request failed or was refused; "" on success
	Layer  string // the layer that refused it; "" when it failed
	Err    error  // why it failed, for the log
	Status int    // the status to log when it differs from the one written: 499 for a client that hung up

	// Priority is that of the user's tier, or the lower one that the request asks for; Low until Identity.
	Priority priority.Class

	FirstEvent time.Time // when the first event of a streamed answer was written; zero for other answers

	start   time.Time   // when the request came
	attrs   []slog.Attr // of the access log line, by layers; nil until the first, because most refusals have no line
	counted counted     // in the user's share
}

// The access log line has room for so many attributes.
const (
	maxAttrs = 12 // that layers added
	standing = 10 // that every line has
)

// Add puts attributes into the request's line of the access log. More than fit are dropped.
func (i *Info) Add(attrs ...slog.Attr) {
	if i.attrs == nil {
		i.attrs = make([]slog.Attr, 0, maxAttrs+standing)
	}
	i.attrs = append(i.attrs, attrs[:min(len(attrs), maxAttrs-len(i.attrs))]...)
}

type infoKey struct{}

// requestContext is the request's context with its record: one allocation instead of one for each.
type requestContext struct {
	context.Context

	info   Info
	header [1]string // the answer's request ID header
}

// Value finds the record, and the ID for the log; everything else is the parent's.
func (r *requestContext) Value(key any) any {
	switch key.(type) {
	case infoKey:
		return &r.info
	case telemetry.RequestIDKey:
		return &r.info.ID
	}
	return r.Context.Value(key)
}

// InfoFrom returns the record of the request, which belongs to the request's own goroutine. Outside the chain it
// returns a record that is not read.
func InfoFrom(ctx context.Context) *Info {
	if info, ok := ctx.Value(infoKey{}).(*Info); ok {
		return info
	}
	return &Info{start: time.Now()}
}

func info(c *gin.Context) *Info { return InfoFrom(c.Request.Context()) }
