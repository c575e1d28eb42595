package upstream

import (
	"context"
	"net/http"
	"time"

	"github.com/spillway-dev/spillway/internal/llm"
)

// How much of a failure's body is read, and for how long. It says more about the failure than the status, and a
// connection whose body was read can be used again; but no call waits long for it.
const (
	refusalSize = 64 << 10
	refusalTime = time.Second
)

// refused reads an answer whose status is not 2xx. A refusal that is about the client's request is an answer, which the
// client gets. A fault in its body does not make it the vendor's failure: the client gets the part that came.
func (v *Vendor) refused(w *watch, res *http.Response, out *llm.Result) (*llm.Response, error) {
	var document errorDocument
	buf := newBuffer(w.ctx, v.memory)
	if res.StatusCode >= 200 { // below it the body is a connection with another protocol
		limit := v.maxResponse
		if failureOf(res.StatusCode, &document, res.Header, &out.Limits) != nil {
			w.limit(refusalTime, llm.ErrCallTimeout)
			limit = min(limit, refusalSize)
		}
		_, err := buf.readFrom(res.Body, -1, limit)
		if err != nil && w.requestEnded() {
			buf.Free()
			return nil, context.Cause(w.ctx)
		}
		document = readError(buf.b)
	}
	out.Limits.RetryAfter = max(out.Limits.RetryAfter, bounded(document.retryDelay))
	if failed := failureOf(res.StatusCode, &document, res.Header, &out.Limits); failed != nil {
		buf.Free()
		return nil, failed
	}
	header := withWait(res.Header, &document, &out.Limits)
	return &llm.Response{Status: res.StatusCode, Header: header, Body: buf.b, Memory: buf}, nil
}
