package vendorsim

import (
	"io"
	"net/http"
	"strconv"
	"time"
)

// answer gives the call what it is due and returns the status, and whether the client left first.
func (c *call) answer(w http.ResponseWriter, r *http.Request) (status int, cancelled bool) {
	switch {
	case c.invalid:
		return failure(w, http.StatusBadRequest, "the body is not a JSON object"), false
	case c.refuse:
		retryAfter(w.Header(), c.again)
		retryAfterMS(w.Header(), c.again)
		return failure(w, http.StatusTooManyRequests, "the contract is used up"), false
	case c.fault.Kind == "hang":
		<-r.Context().Done()
		return 0, true
	case !pause(r, c.wait):
		return 0, true
	}
	switch c.fault.Kind {
	case "status":
		retryAfter(w.Header(), time.Duration(c.fault.RetryAfter))
		retryAfterMS(w.Header(), time.Duration(c.fault.RetryAfterMS)*time.Millisecond)
		return failure(w, c.fault.Status, "a fault on demand"), false
	case "reset":
		return reset(w), false
	case "malformed":
		return written(io.WriteString(w, `{"choices": [oops`))
	case "huge":
		return huge(w)
	}
	if c.stream {
		return c.streamed(w, r)
	}
	return c.buffered(w, r)
}

// buffered answers with one JSON object.
func (c *call) buffered(w http.ResponseWriter, r *http.Request) (int, bool) {
	c.buf.Reset() // the body is read
	b := c.buf.AvailableBuffer()
	b = append(b, `{"id":"chatcmpl-sim","object":"chat.completion","created":`...)
	b = strconv.AppendInt(b, c.at.Unix(), 10)
	b = append(append(b, `,"model":`...), c.model...)
	b = append(b, `,"choices":[{"index":0,"message":{"role":"assistant","content":`...)
	b = append(b, c.reply()...)
	b = append(b, `},"finish_reason":"stop"}],"usage":`...)
	b = append(c.appendUsage(b), '}', '\n')
	w.Header()["Content-Type"] = []string{"application/json"}
	if c.breaks() {
		w.Header().Set("Content-Length", strconv.Itoa(len(b)))
		_, _ = w.Write(b[:len(b)/2])
		return c.broken(w, r)
	}
	c.sent = c.tokens
	return written(w.Write(b))
}

func (c *call) appendUsage(b []byte) []byte {
	b = strconv.AppendInt(append(b, `{"prompt_tokens":`...), int64(c.prompt), 10)
	b = strconv.AppendInt(append(b, `,"completion_tokens":`...), int64(c.tokens), 10)
	b = strconv.AppendInt(append(b, `,"total_tokens":`...), int64(c.prompt+c.tokens), 10)
	return append(b, '}')
}

// written is the end of an answer with status 200, or the client's leave when it could not be written.
func written(_ int, err error) (status int, cancelled bool) {
	if err != nil {
		return 0, true
	}
	return http.StatusOK, false
}

// pause waits, and reports false when the client left first.
func pause(r *http.Request, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
		return false
	}
}
