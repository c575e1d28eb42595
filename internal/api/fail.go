package api

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/middleware"
	"github.com/spillway-dev/spillway/internal/outcome"
)

// This file writes the error of a request as an answer. It is the Fail that package middleware asks for.

// failing returns a Fail that lets clients' libraries wait by themselves for a Retry-After of at most longest.
func failing(longest time.Duration) middleware.Fail {
	return func(c *gin.Context, err error) { answer(c, err, longest) }
}

// fail is failing(0), for problems without a Retry-After.
func fail(c *gin.Context, err error) { answer(c, err, 0) }

// answer answers the request with err, in the shape the route's clients understand, and ends it. A client that closed
// the connection gets no answer: answer panics with http.ErrAbortHandler then.
func answer(c *gin.Context, err error, longest time.Duration) {
	c.Abort()
	p := problemOf(err)
	in := middleware.InfoFrom(c.Request.Context())
	logProblem(in, p, err)
	if p.status == statusClosed {
		abort()
	}
	h := c.Writer.Header()
	if p.retryAfter > 0 {
		h["Retry-After"] = []string{strconv.Itoa(wholeSeconds(p.retryAfter))}
	}
	if p.final || hopeless(p.status, p.retryAfter, longest) {
		h["X-Should-Retry"] = noRetry
	}
	d := dialectOf(c.Request)
	d.nameRequest(h)
	room := documents.Get().(*[]byte)
	defer documents.Put(room)
	*room = p.appendDocument((*room)[:0], d, in.ID)
	body, contentType := *room, "application/problem+json"
	if speaksOpenAI(c) {
		contentType = "application/json"
	}
	h["Content-Type"] = []string{contentType}
	lingers := p.status == http.StatusRequestEntityTooLarge
	if lingers || len(body) > smallAnswer { // of another one net/http finds the length itself
		h["Content-Length"] = []string{strconv.Itoa(len(body))}
	}
	c.Status(p.status)
	_, _ = c.Writer.Write(body) // a client that is gone is noticed elsewhere
	if lingers {
		linger(c)
	}
}

// abort closes the connection of a request without an end to its answer, so that a client that has closed only its own
// direction and still reads does not take the answer for a whole one. net/http has no other way. The layers count and
// log the request all the same.
func abort() { panic(http.ErrAbortHandler) }

// documents are buffers for documents of problems.
var documents = sync.Pool{New: func() any { b := make([]byte, 0, 1<<10); return &b }}

// logProblem adds the problem that err became to the request's record.
func logProblem(in *middleware.Info, p problem, err error) {
	in.Reason, in.Layer, in.Err, in.Status = p.code, p.layer, cause(err), p.status
	logVendor(in, p.vendor)
}

// hopeless reports whether a client's library should not repeat the request by itself: it would fail again, or the
// library would wait for longer than longest, and its program would look hung.
func hopeless(status int, retryAfter, longest time.Duration) bool {
	return retryAfter > longest ||
		status == http.StatusRequestEntityTooLarge || status == http.StatusUnprocessableEntity
}

// advise adds the same advice to a refusal of the vendor that is passed on, unless the vendor gave its own.
func advise(h http.Header, status int, longest time.Duration) {
	if status < http.StatusBadRequest || h["X-Should-Retry"] != nil {
		return
	}
	seconds, _ := strconv.Atoi(h.Get("Retry-After"))
	if hopeless(status, time.Duration(seconds)*time.Second, longest) {
		h["X-Should-Retry"] = noRetry
	}
}

// noRetry is the header's value that tells OpenAI's and Anthropic's clients not to repeat a request.
var noRetry = []string{"false"}

// speaksOpenAI reports whether the path is one of OpenAI's API or of an API like it. Their clients expect errors to be
// declared as plain JSON, also for paths that do not exist.
func speaksOpenAI(c *gin.Context) bool {
	path := c.Request.URL.Path
	return strings.HasPrefix(path, llm.Base+"/") || strings.HasPrefix(path, azurePrefix)
}

// cause is what the log says beyond the code: nothing for a plain rejection.
func cause(err error) error {
	if r, ok := errors.AsType[*outcome.Rejected](err); ok {
		return r.Err
	}
	return err
}

// wholeSeconds rounds up, because a client that comes back early is refused again.
func wholeSeconds(d time.Duration) int { return max(1, int((d+time.Second-1)/time.Second)) }
