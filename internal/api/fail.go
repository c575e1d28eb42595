package api

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/spillway-dev/spillway/internal/middleware"
	"github.com/spillway-dev/spillway/internal/outcome"
)

// fail answers the request with err, in the shape the route's clients understand, and ends it.
func fail(c *gin.Context, err error) {
	c.Abort()
	p := problemOf(err)
	in := middleware.InfoFrom(c.Request.Context())
	in.Reason, in.Layer, in.Err, in.Status = p.code, p.layer, cause(err), p.status
	logVendor(in, p.vendor)
	if p.status == statusClosed {
		c.Status(statusClosed) // for whoever looks at the writer; nobody is there to read it
		return
	}
	h := c.Writer.Header()
	if p.retryAfter > 0 {
		h["Retry-After"] = []string{strconv.Itoa(wholeSeconds(p.retryAfter))}
	}
	if p.final {
		h["X-Should-Retry"] = noRetry
	}
	body, contentType := p.json(in.ID), "application/problem+json"
	if speaksOpenAI(c) {
		body, contentType = p.openAI(in.ID), "application/json"
	}
	h["Content-Type"] = []string{contentType}
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	c.Status(p.status)
	_, _ = c.Writer.Write(body) // a client that is gone is noticed elsewhere
}

// noRetry is the header's value that tells OpenAI's and Anthropic's clients not to repeat a request.
var noRetry = []string{"false"}

// speaksOpenAI tells whether the client is one of OpenAI's API, which looks for errors in its own shape, also on pages we
// do not have.
func speaksOpenAI(c *gin.Context) bool { return strings.HasPrefix(c.Request.URL.Path, "/v1/") }

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
	b = append(b, `{"type":"/docs#`...)
	b = append(b, p.code...)
	b = append(b, `","title":`...)
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
	b = appendVendor(b, p.vendor)
	b = append(b, `,"request_id":"`...)
	b = append(b, requestID...) // well formed, or made here: needs no escaping
	return append(b, "\"}\n"...)
}
