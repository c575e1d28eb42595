package upstream

import (
	"context"
	"net/http"
	"time"

	"github.com/spillway-dev/spillway/internal/llm"
)

// The body of a refusal is read for what it says, and so that the connection can be kept, if it comes soon: which
// status it belongs to is known already.
const (
	refusalSize = 64 << 10
	refusalTime = time.Second
)

// refused reads an answer whose status is not 2xx. A refusal that belongs to the caller is an answer like any other,
// and whatever is wrong with its body does not make it the vendor's failure: the client gets what came of it.
func (v *Vendor) refused(w *watch, res *http.Response, out *llm.Result) (*llm.Response, error) {
	var document errorDocument
	buf := newBuffer(w.ctx, v.memory)
	if res.StatusCode >= 200 { // else the body is a connection that has changed its protocol
		limit := v.maxResponse
		if refusal(res.StatusCode, &document, res.Header, &out.Limits) != nil {
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
	if failed := refusal(res.StatusCode, &document, res.Header, &out.Limits); failed != nil {
		buf.Free()
		return nil, failed
	}
	return &llm.Response{Status: res.StatusCode, Header: withWait(res.Header, &out.Limits), Body: buf.b, Memory: buf},
		nil
}
