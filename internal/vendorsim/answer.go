package vendorsim

import (
	"io"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/spillway-dev/spillway/internal/vendorsim/dialect"
	"github.com/spillway-dev/spillway/internal/vendorsim/script"
)

// answer sends the call's answer. It returns the status, and whether the client left before the end.
func (c *call) answer(w http.ResponseWriter, r *http.Request, cfg Config) (status int, cancelled bool) {
	switch {
	case c.wrong != nil:
		return c.fail(w, c.wrong), false
	case c.refuse:
		retryAfter(w.Header(), c.again)
		retryAfterMS(w.Header(), c.again)
		return c.fail(w, &dialect.Failure{Status: http.StatusTooManyRequests, Message: "the contract is used up"}),
			false
	case c.fault.Kind == "hang":
		<-r.Context().Done()
		return 0, true
	case !script.Pause(r, c.wait):
		return 0, true
	}
	switch c.fault.Kind {
	case "status":
		retryAfter(w.Header(), time.Duration(c.fault.RetryAfter))
		retryAfterMS(w.Header(), time.Duration(c.fault.RetryAfterMS)*time.Millisecond)
		return c.fail(w, &dialect.Failure{Status: c.fault.Status, Message: "a fault on demand"}), false
	case "answer":
		_, c.sent = c.bill()
		return c.fault.Answer.Play(w, r)
	case "reset":
		script.Reset(w)
		return 0, false
	case "malformed":
		w.Header().Set("Content-Type", "application/json")
		return written(io.WriteString(w, `{"choices": [oops`))
	case "huge":
		return huge(w)
	}
	switch {
	case c.endpoint.Method == http.MethodGet:
		return c.models(w, cfg)
	case c.Stream:
		return c.streamed(w, r)
	}
	return c.buffered(w, r)
}

// content returns the parts of the answer.
func (c *call) content() *dialect.Answer {
	return &dialect.Answer{Request: c.Request, Reply: c.reply, Usage: c.usage, Number: c.number, Created: c.at}
}

// buffered answers with one JSON object.
func (c *call) buffered(w http.ResponseWriter, r *http.Request) (int, bool) {
	b := c.endpoint.Whole(c.buf.AvailableBuffer(), c.content())
	w.Header()["Content-Type"] = []string{"application/json"}
	if c.breaks() {
		w.Header().Set("Content-Length", strconv.Itoa(len(b)))
		_, _ = w.Write(b[:len(b)/2])
		return c.broken(w, r)
	}
	c.sent = c.usage.Completion + c.usage.Thought()
	return written(w.Write(b))
}

// defaultModels are listed when the configuration names none.
var defaultModels = []string{"demo", "gpt-4o", "gpt-4o-mini", "claude-sonnet-4-5", "text-embedding-3-small"}

// models answers with the list of models, or with one of them.
func (c *call) models(w http.ResponseWriter, cfg Config) (int, bool) {
	all := cfg.Models
	if len(all) == 0 {
		all = defaultModels
	}
	if c.Model != "" && !slices.Contains(all, c.Model) {
		return c.fail(w, unknownModel("The model %q does not exist", c.Model)), false
	}
	w.Header()["Content-Type"] = []string{"application/json"}
	if c.Model != "" {
		return written(w.Write(dialect.Model(nil, c.Model, c.anthropic)))
	}
	return written(w.Write(dialect.Models(nil, all, c.anthropic)))
}

// fail answers with an error in the format of the endpoint.
func (c *call) fail(w http.ResponseWriter, f *dialect.Failure) int {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(f.Status)
	_, _ = w.Write(f.Body(c.anthropic, c.number))
	return f.Status
}

// written returns the end of an answer with status 200, or cancelled when writing failed because the client left.
func written(_ int, err error) (status int, cancelled bool) {
	if err != nil {
		return 0, true
	}
	return http.StatusOK, false
}
