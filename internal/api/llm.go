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

// caller takes a call to the vendor; *llm.Caller is one.
type caller interface {
	Do(ctx context.Context, call *llm.Call) (*llm.Response, error)
}

// forward takes body to an endpoint of the vendor and answers with what comes back. Attempts hold block, where the
// body's bytes are used again. A route of another shape builds the body that the vendor wants and ends here, without a
// block.
func (s *server) forward(c *gin.Context, e *llm.Endpoint, body []byte, block *memory.Block) {
	payload, err := llm.ParsePayload(e, body, s.estimate)
	if err != nil {
		s.fail(c, err)
		return
	}
	asked := azureOf(c)
	body, changed := asked.apply(body, &payload)
	in := middleware.InfoFrom(c.Request.Context())
	header := c.Request.Header
	call := &llm.Call{
		APIVersion: asked.version,
		ID:         in.ID, Body: body, Payload: payload, Endpoint: e, User: in.User, Priority: in.Priority,
		IdempotencyKey: vendorKey(in.User, header.Get("Idempotency-Key")), Header: traceHeaders(header), Client: header,
	}
	if block.Reused() && !changed {
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
	describe(in, call)
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
	if len(resp.Body) > smallAnswer { // of a smaller one net/http finds the length itself
		h["Content-Length"] = []string{strconv.Itoa(len(resp.Body))}
	}
	c.Status(resp.Status)
	// No client is there to tell, but it was not served either.
	if err := writeInSteps(c.Writer, resp.Body, s.cfg.WriteTimeout); err != nil {
		in := middleware.InfoFrom(c.Request.Context())
		in.Reason, in.Err, in.Status = string(outcome.ClientClosed), err, statusClosed
	}
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

// traceHeaders passes the client's trace on when this service records none of its own.
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

// describe puts what became of the call into the access log.
func describe(in *middleware.Info, call *llm.Call) {
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

// endpointName is what a call asked for; empty where that was left to a lane, and none took it.
func endpointName(call *llm.Call) string {
	if call.Endpoint == nil {
		return ""
	}
	return call.Endpoint.Name
}

// maxModel is how much of a model's name goes into the log. The client chooses it, up to the size of a body.
const maxModel = 100

func clip(s string) string {
	if len(s) <= maxModel {
		return s
	}
	return strings.ToValidUTF8(s[:maxModel], "") + "…"
}
