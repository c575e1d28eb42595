package api

import (
	"errors"
	"net/http"
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
		c.Status(statusClosed) // for the layers that look at the writer; the client does not read it
		return
	}
	h := c.Writer.Header()
	if p.retryAfter > 0 {
		h["Retry-After"] = []string{strconv.Itoa(wholeSeconds(p.retryAfter))}
	}
	if p.hopeless() {
		h["X-Should-Retry"] = noRetry
	}
	d := dialectOf(c.Request)
	d.nameRequest(h)
	body, contentType := p.document(d, in.ID), "application/problem+json"
	if speaksOpenAI(c) {
		contentType = "application/json"
	}
	h["Content-Type"] = []string{contentType}
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	c.Status(p.status)
	_, _ = c.Writer.Write(body) // a client that is gone is noticed elsewhere
	if p.status == http.StatusRequestEntityTooLarge {
		linger(c)
	}
}

// longestRetry is the longest Retry-After that a client's library is asked to wait for by itself. A program that waits
// for longer looks hung to its user.
const longestRetry = 15 * time.Second

// hopeless reports whether a client's library should not repeat the request by itself: it would fail again, or the wait
// would be long.
func (p problem) hopeless() bool {
	return p.final || p.retryAfter > longestRetry ||
		p.status == http.StatusRequestEntityTooLarge || p.status == http.StatusUnprocessableEntity
}

// noRetry is the header's value that tells OpenAI's and Anthropic's clients not to repeat a request.
var noRetry = []string{"false"}

// speaksOpenAI reports whether the path is one of OpenAI's API or of one built like it. Such clients expect errors, also
// for paths that do not exist, to be declared as plain JSON.
func speaksOpenAI(c *gin.Context) bool { return strings.HasPrefix(c.Request.URL.Path, "/v1/") }

// cause is what the log says beyond the code: nothing for a plain rejection.
func cause(err error) error {
	if r, ok := errors.AsType[*outcome.Rejected](err); ok {
		return r.Err
	}
	return err
}

// wholeSeconds rounds up: a client that returns early is refused again.
func wholeSeconds(d time.Duration) int { return max(1, int((d+time.Second-1)/time.Second)) }
