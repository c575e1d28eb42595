package api

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/memory"
	"github.com/spillway-dev/spillway/internal/middleware"
	"github.com/spillway-dev/spillway/internal/outcome"
)

// caller takes a call to a vendor. In the service it is a *chain.Chain, which chooses the lane and calls its
// *llm.Caller.
type caller interface {
	Do(ctx context.Context, call *llm.Call) (*llm.Response, error)
}

// call serves a route that leads to a vendor call: the body goes to the vendor byte for byte, and the vendor's answer
// comes back the same way.
func (s *server) call(e *llm.Endpoint) gin.HandlerFunc {
	return func(c *gin.Context) {
		body, block, err := s.readBody(c.Request, s.cfg.MaxBody)
		defer block.Release()
		if err != nil {
			s.fail(c, err)
			return
		}
		dialectOf(c.Request).nameRequest(c.Writer.Header())
		s.forward(c, e, body, block)
	}
}

// forward calls an endpoint of the vendor with body and answers with what comes back. block is the memory in which body
// lies: an attempt that still reads body keeps it from being used again. A route that makes a body of its own calls
// forward with a nil block.
func (s *server) forward(c *gin.Context, e *llm.Endpoint, body []byte, block *memory.Block) {
	payload, err := llm.ParsePayload(e, body, s.estimate)
	if err != nil {
		s.fail(c, err)
		return
	}
	asked := azureOf(c)
	in := middleware.InfoFrom(c.Request.Context())
	header := c.Request.Header
	call := &llm.Call{
		ID: in.ID, User: in.User, Priority: in.Priority, Endpoint: e, Body: body, Payload: payload,
		APIVersion: asked.version, IdempotencyKey: vendorKey(in.User, header.Get("Idempotency-Key")),
		Header: traceHeaders(header), Client: header,
	}
	asked.apply(call)
	if block.Reused() {
		call.Hold = block
	}
	booked, err := s.tokens.Book(c.Request.Context(), c.Writer.Header(), payload.Tokens(), payload.Text())
	if err != nil {
		s.fail(c, err)
		return
	}
	defer func() { booked.Settle(call.Spent) }()
	var sink *sseSink
	if payload.Stream {
		sink = newSSESink(c, call, s.cfg.WriteTimeout, s.streams)
		defer sink.leave()
		call.Stream = sink
	}
	resp, err := s.caller.Do(c.Request.Context(), call)
	logCall(in, call)
	if err != nil && sink != nil && sink.started {
		endStream(c, sink, err)
		return
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	defer resp.Close()
	if resp.Streamed {
		sink.end()
		return
	}
	s.respond(c, resp, call)
}

// vendorKey is the Idempotency-Key that the vendor gets: a hash of the user and the user's key, so that two users who
// choose the same key do not get each other's answers. It is empty when the client sent none.
func vendorKey(user, key string) string {
	if key == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(user + "\x00" + key))
	return hex.EncodeToString(sum[:16])
}

// respond writes a buffered answer.
func (s *server) respond(c *gin.Context, resp *llm.Response, call *llm.Call) {
	h := c.Writer.Header()
	maps.Copy(h, resp.Header)
	advise(h, resp.Status, s.longestRetry)
	h["Server-Timing"] = []string{timing(call)}
	if call.Lane != "" {
		h["X-Llm-Lane"] = []string{call.Lane}
	}
	s.write(c, resp.Status, resp.Body)
}

// write writes an answer that lies in memory.
func (s *server) write(c *gin.Context, status int, answer []byte) {
	if len(answer) > smallAnswer { // net/http itself sets the length of a smaller one
		c.Writer.Header()["Content-Length"] = []string{strconv.Itoa(len(answer))}
	}
	c.Status(status)
	if err := writeInSteps(c.Writer, answer, s.cfg.WriteTimeout); err != nil {
		noteGone(c, err)
	}
}

// noteGone records that the client has not taken its answer. Nothing can be answered; but the request was not served.
func noteGone(c *gin.Context, err error) {
	in := middleware.InfoFrom(c.Request.Context())
	in.Reason, in.Err, in.Status = string(outcome.ClientClosed), err, statusClosed
}

// smallAnswer is the size up to which writing an answer does not wait for the client: net/http keeps it until the
// handler has returned.
const smallAnswer = 2 << 10

// timing tells the client where the time went, in milliseconds.
func timing(call *llm.Call) string {
	b := make([]byte, 0, 64)
	for _, part := range [...]struct {
		name string
		d    time.Duration
	}{{"queue;dur=", call.Timing.Queue}, {", vendor;dur=", call.Timing.Vendor}, {", retry;dur=", call.Timing.Retry}} {
		b = append(b, part.name...)
		tenths := part.d.Round(100*time.Microsecond).Microseconds() / 100
		b = append(strconv.AppendInt(b, tenths/10, 10), '.', byte('0'+tenths%10))
	}
	return string(b)
}

// traceHeaders are the headers of the client's trace. The vendor gets them when this service records no trace.
func traceHeaders(h http.Header) http.Header {
	parent := h["Traceparent"]
	if parent == nil {
		return nil
	}
	out := http.Header{"Traceparent": parent}
	if state := h["Tracestate"]; state != nil {
		out["Tracestate"] = state
	}
	return out
}

// logCall adds what became of the call to the request's line of the access log.
func logCall(in *middleware.Info, call *llm.Call) {
	in.Add(
		slog.String("model", clip(call.Payload.Model)),
		slog.Bool("stream", call.Payload.Stream),
		slog.String("priority", call.Priority.String()),
		slog.String("lane", call.Lane),
		slog.String("endpoint", endpointName(call)),
		slog.Int("attempts", call.Attempts),
		slog.Int64("queue_ms", call.Timing.Queue.Milliseconds()),
		slog.Int64("vendor_ms", call.Timing.Vendor.Milliseconds()),
		slog.Int("prompt_tokens", call.Usage.Prompt),
		slog.Int("completion_tokens", call.Usage.Completion),
	)
}

// endpointName names the endpoint of a call; "" when a lane was to decide it, and the call reached none.
func endpointName(call *llm.Call) string {
	if call.Endpoint == llm.LaneDecides {
		return ""
	}
	return call.Endpoint.Name
}

// maxModel is how many bytes of a model's name go into the log. A client may send a name as long as a body.
const maxModel = 100

func clip(s string) string {
	if len(s) <= maxModel {
		return s
	}
	return strings.ToValidUTF8(s[:maxModel], "") + "…"
}
