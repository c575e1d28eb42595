package api

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/middleware"
	"github.com/spillway-dev/spillway/internal/streams"
)

// sseSink passes a vendor's events to the client, each flushed as it comes. Every write has a deadline of its own: a
// reader that has stopped reading must not hold a vendor slot.
type sseSink struct {
	w        gin.ResponseWriter
	rc       *http.ResponseController
	call     *llm.Call
	timeout  time.Duration
	info     *middleware.Info
	started  bool
	inEvents bool      // the stream is one of server-sent events, so that an event of ours may follow
	deadline time.Time // of writes

	open   *streams.Set // the streams that are open, this one among them once it has started
	stream streams.Stream
}

// isEventStream reports whether an answer of this type is an event stream. One without a type is taken for one.
func isEventStream(contentType string) bool {
	return contentType == "" || strings.HasPrefix(contentType, "text/event-stream")
}

func newSSESink(c *gin.Context, call *llm.Call, timeout time.Duration, open *streams.Set) *sseSink {
	return &sseSink{w: c.Writer, rc: http.NewResponseController(beneath(c.Writer)), call: call, timeout: timeout,
		info: middleware.InfoFrom(c.Request.Context()), open: open}
}

// beneath is the writer that gin's writer wraps. Gin's own Flush returns no error, so an event that never reached the
// client would count as delivered.
func beneath(w gin.ResponseWriter) http.ResponseWriter {
	if outer, ok := w.(interface{ Unwrap() http.ResponseWriter }); ok {
		return outer.Unwrap()
	}
	return w
}

// Start writes the headers of the stream.
func (s *sseSink) Start(header http.Header) error {
	s.started = true
	s.open.Begin(&s.stream)
	h := s.w.Header()
	maps.Copy(h, header)
	if s.inEvents = isEventStream(h.Get("Content-Type")); s.inEvents {
		h["Content-Type"] = []string{"text/event-stream; charset=utf-8"}
	}
	if s.call.Lane != "" {
		h["X-Llm-Lane"] = []string{s.call.Lane}
	}
	h["Cache-Control"] = []string{"no-store"}
	h["X-Accel-Buffering"] = []string{"no"} // proxies that would hold events back
	s.w.WriteHeader(http.StatusOK)
	return nil
}

// Event writes and flushes one event. The error wraps errClientGone: the client has left or does not read.
func (s *sseSink) Event(raw []byte) error {
	s.extend()
	_, err := s.w.Write(raw)
	if err == nil {
		err = s.rc.Flush()
	}
	if err != nil {
		return fmt.Errorf("%w: writing an event: %w", errClientGone, err)
	}
	if s.info.FirstEvent.IsZero() {
		s.info.FirstEvent = time.Now()
	}
	return nil
}

// extend gives the client the timeout for what is written now, or up to an eighth more. So not every event sets a new
// deadline, which would take a twentieth of the time of an event.
func (s *sseSink) extend() {
	now := time.Now()
	if s.deadline.Sub(now) < s.timeout {
		s.deadline = now.Add(s.timeout + s.timeout/8)
		_ = s.rc.SetWriteDeadline(s.deadline)
	}
}

// end gives the client time to take the end of the stream, which may come long after the deadline of the last event.
func (s *sseSink) end() { takeWithin(s.rc, s.timeout) }

// leave is called at the end of the request.
func (s *sseSink) leave() { s.open.End(&s.stream) }

// endStream ends a broken stream with an event that holds the error document, and then closes the connection. Clients
// that do not know the event do not take that for a good end either: no [DONE] follows, and the body does not end.
// After an error event of the vendor none of ours follows, and none goes to a client that closed the connection.
func endStream(c *gin.Context, sink *sseSink, err error) {
	p := problemOf(err)
	in := middleware.InfoFrom(c.Request.Context())
	logProblem(in, p, err)
	if p.status != statusClosed && sink.inEvents && (p.vendor == nil || !p.vendor.Told) {
		if err := sink.Event(errorEvent(c, p, in.ID)); err != nil {
			in.Err = errors.Join(in.Err, err)
		}
	}
	abort()
}

// errorEvent is the problem as a server-sent event.
func errorEvent(c *gin.Context, p problem, requestID string) []byte {
	var event []byte
	d := dialectOf(c.Request)
	if !speaksOpenAI(c) || d == dialectAnthropic {
		event = []byte("event: error\n")
	}
	event = append(append(event, "data: "...), p.document(d, requestID)...)
	return append(event, '\n') // the document ends with a newline; this one ends the event
}
