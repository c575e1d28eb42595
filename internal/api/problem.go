package api

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/middleware"
	"github.com/spillway-dev/spillway/internal/outcome"
)

// problem is what a client is told about a request that came to nothing.
type problem struct {
	status     int
	code       string        // stable, for programs
	title      string        // the same for every problem of this code
	detail     string        // what to do, or where the mistake is
	retryAfter time.Duration // zero: no header
	layer      string        // for the log
	attempts   int           // vendor attempts; 0 leaves it out
}

// statusClosed is what a request counts as whose client hung up. Nobody receives it.
const statusClosed = 499

// rejections says what each reason to turn a request away means in HTTP.
var rejections = map[outcome.Reason]problem{
	outcome.InvalidJSON:          {status: http.StatusBadRequest, code: "invalid_json", title: "The body is not JSON"},
	outcome.InvalidPayload:       {status: http.StatusUnprocessableEntity, code: "invalid_payload", title: "The body is not a request this endpoint takes"},
	outcome.PayloadTooLarge:      {status: http.StatusRequestEntityTooLarge, code: "payload_too_large", title: "The body is too large"},
	outcome.UnsupportedMediaType: {status: http.StatusUnsupportedMediaType, code: "unsupported_media_type", title: "The body is not declared as JSON"},
	outcome.Unauthenticated:      {status: http.StatusUnauthorized, code: "unauthenticated", title: "No API key, or one nobody knows"},
	outcome.UserRateLimited:      {status: http.StatusTooManyRequests, code: "user_rate_limited", title: "Your requests per minute are used up"},
	outcome.Overloaded:           {status: http.StatusServiceUnavailable, code: "overloaded", title: "This pod is full"},
	outcome.Shed:                 {status: http.StatusTooManyRequests, code: "shed", title: "Turned away under load"},
	outcome.ShedLatency:          {status: http.StatusServiceUnavailable, code: "shed", title: "Turned away because answers come too late"},
	outcome.QueueTimeout:         {status: http.StatusTooManyRequests, code: "queue_timeout", title: "No place became free in time", detail: "Try again later; the service is busy."},
	outcome.VendorRateLimited:    {status: http.StatusTooManyRequests, code: "vendor_rate_limited", title: "The vendor's rate limit is used up", detail: "Try again after Retry-After."},
	outcome.VendorUnavailable:    {status: http.StatusServiceUnavailable, code: "vendor_unavailable", title: "The vendor is down", detail: "The vendor has been failing, so it is not being called for now. Try again after Retry-After."},
	outcome.DeadlineExceeded:     {status: http.StatusGatewayTimeout, code: "deadline_exceeded", title: "The request took too long", detail: "The answer did not come within the service's deadline."},
	outcome.ClientClosed:         {status: statusClosed, code: "client_closed", title: "The client hung up"},
	outcome.ShuttingDown:         {status: http.StatusServiceUnavailable, code: "shutting_down", title: "This pod is closing", detail: "Try again; another pod serves you.", retryAfter: time.Second},
	reasonNotFound:               {status: http.StatusNotFound, code: "not_found", title: "No such page", detail: "POST /llm is the way in; /docs shows the rest."},
	reasonMethodNotAllowed:       {status: http.StatusMethodNotAllowed, code: "method_not_allowed", title: "This page does not take that method", detail: "See the Allow header."},
}

const (
	reasonNotFound         outcome.Reason = "not_found"
	reasonMethodNotAllowed outcome.Reason = "method_not_allowed"
)

// The problems that are not rejections.
var (
	vendorFailed  = problem{status: http.StatusBadGateway, code: "vendor_error", title: "The vendor failed"}
	vendorAuth    = problem{status: http.StatusBadGateway, code: "vendor_auth", title: "The vendor does not accept this service", detail: "This is for the service's operators to mend; your key is fine."}
	internalError = problem{status: http.StatusInternalServerError, code: "internal", title: "Internal error", detail: "The service has a defect. Report the request ID."}
)

// problemOf is the one place where an error becomes a status.
func problemOf(err error) problem {
	if r, ok := errors.AsType[*outcome.Rejected](err); ok {
		p, known := rejections[r.Reason]
		if !known {
			return internalError
		}
		p.layer, p.retryAfter = r.Layer, max(r.RetryAfter, p.retryAfter)
		if r.Detail != "" {
			p.detail = r.Detail
		}
		return p
	}
	if failed, ok := errors.AsType[*llm.VendorError](err); ok {
		return vendorProblem(failed)
	}
	switch {
	case errors.Is(err, middleware.ErrDeadline):
		return rejections[outcome.DeadlineExceeded]
	case errors.Is(err, context.Canceled), errors.Is(err, errClientGone):
		return rejections[outcome.ClientClosed]
	}
	return internalError
}

func vendorProblem(failed *llm.VendorError) problem {
	p := vendorFailed
	switch failed.Kind {
	case llm.KindAuth:
		p = vendorAuth
	case llm.KindRateLimit:
		p = rejections[outcome.VendorRateLimited]
	default:
		p.detail = "The vendor failed or did not answer; " + strconv.Itoa(failed.Attempts) + " attempts were made."
		if failed.Attempts == 1 {
			p.detail = "The vendor failed or did not answer; 1 attempt was made."
		}
	}
	p.layer, p.retryAfter, p.attempts = "vendor", failed.RetryAfter, failed.Attempts
	return p
}

// fail answers the request with err, in the shape the route's clients understand, and ends it.
func fail(c *gin.Context, err error) {
	c.Abort()
	p := problemOf(err)
	in := middleware.InfoFrom(c.Request.Context())
	in.Reason, in.Layer, in.Err, in.Status = p.code, p.layer, cause(err), p.status
	if p.status == statusClosed {
		c.Status(statusClosed) // for whoever looks at the writer; nobody is there to read it
		return
	}
	h := c.Writer.Header()
	if p.retryAfter > 0 {
		h["Retry-After"] = []string{strconv.Itoa(wholeSeconds(p.retryAfter))}
	}
	body, contentType := p.json(in.ID), "application/problem+json"
	if c.FullPath() == chatCompletions {
		body, contentType = p.openAI(in.ID), "application/json"
	}
	h["Content-Type"] = []string{contentType}
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	c.Status(p.status)
	_, _ = c.Writer.Write(body) // a client that is gone is noticed elsewhere
}

// cause is what the log says beyond the code: nothing for a plain rejection.
func cause(err error) error {
	if r, ok := errors.AsType[*outcome.Rejected](err); ok {
		return r.Err
	}
	return err
}

// wholeSeconds rounds up: a client that comes back early is turned away again.
func wholeSeconds(d time.Duration) int { return max(1, int((d+time.Second-1)/time.Second)) }

// json is the problem as RFC 9457 has it. It is built by hand because refusing has to be cheap.
func (p problem) json(requestID string) []byte {
	b := make([]byte, 0, 384)
	b = append(b, `{"type":"about:blank","title":`...)
	b = appendJSONString(b, p.title)
	b = append(b, `,"status":`...)
	b = strconv.AppendInt(b, int64(p.status), 10)
	b = append(b, `,"code":"`...)
	b = append(b, p.code...)
	b = append(b, `","detail":`...)
	b = appendJSONString(b, p.detail)
	if p.attempts > 0 {
		b = append(b, `,"attempts":`...)
		b = strconv.AppendInt(b, int64(p.attempts), 10)
	}
	if p.retryAfter > 0 {
		b = append(b, `,"retry_after_seconds":`...)
		b = strconv.AppendInt(b, int64(wholeSeconds(p.retryAfter)), 10)
	}
	b = append(b, `,"request_id":"`...)
	b = append(b, requestID...) // well formed, or made here: needs no escaping
	return append(b, "\"}\n"...)
}

func rejected(reason outcome.Reason) error {
	return &outcome.Rejected{Layer: "router", Reason: reason}
}
