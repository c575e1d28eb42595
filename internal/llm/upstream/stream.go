package upstream

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/spillway-dev/spillway/internal/llm"
)

// streamed reads the answer to a call with "stream": true. It is read as an event stream, whatever type it names,
// unless it begins as JSON does, or is lines of JSON, or is in a coding that cannot be read.
func (v *Vendor) streamed(w *watch, call *llm.Call, res *http.Response, out *llm.Result) (*llm.Response, error) {
	if call.Stream == nil {
		return nil, errors.New("llm: a streaming call needs Call.Stream")
	}
	s := &stream{v: v, w: w, call: call, res: res, header: visible(res.Header)}
	switch kind := mediaType(res.Header); {
	case isEncoded(res.Header), kind == "application/x-ndjson", kind == "application/jsonl":
		return s.raw(out)
	case kind != "text/event-stream":
		body := bufio.NewReader(res.Body)
		res.Body = &buffered{body, res.Body}
		if beginsAsJSON(body) {
			w.limit(v.callTimeout-time.Since(w.start), llm.ErrCallTimeout)
			return v.buffered(w, call, res, out)
		}
	}
	s.header["Content-Type"] = eventStream
	return s.relay(out)
}

var eventStream = []string{"text/event-stream; charset=utf-8"}

// stream is one streamed answer on its way to the client. The call keeps its slot until the end. Nothing is passed on
// before there is something to show, or more than mostHeld: until then a failed attempt can be made again, and not
// after it.
type stream struct {
	v      *Vendor
	w      *watch
	call   *llm.Call
	res    *http.Response
	header http.Header // for the client

	events *eventReader
	meter  *meter
}

// mostHeld is how many bytes of events are held back at most while there is nothing to show. More are passed on if they
// have data; a stream of comments alone fails.
const mostHeld = 64 << 10

// relay passes the events on until the last one.
func (s *stream) relay(out *llm.Result) (*llm.Response, error) {
	s.events, s.meter = newEventReader(s.res.Body, newBuffer(s.w.ctx, s.v.memory), s.v.maxResponse), newMeter()
	defer s.events.free()
	resp, err := s.run(out)
	out.Usage = s.meter.usage(err == nil)
	return resp, err
}

func (s *stream) run(out *llm.Result) (*llm.Response, error) {
	for {
		for e, ok := s.events.next(); ok; e, ok = s.events.next() {
			if resp, err, over := s.meet(e, out); over {
				return resp, err
			}
		}
		if s.meter.shown {
			s.call.Committed()
		}
		if err := s.passOn(); err != nil {
			return nil, err
		}
		if err := s.events.fill(); err != nil {
			return s.end(err, out)
		}
	}
}

// meet looks at one event. over reports whether the stream ends with it; then the other results are those of the
// stream.
func (s *stream) meet(e event, out *llm.Result) (_ *llm.Response, err error, over bool) {
	shown := s.meter.shown || s.w.streamed // more than mostHeld went out without anything to show
	document, err := s.meter.add(e)
	switch {
	case err != nil:
		return nil, err, true
	case document != nil && !shown:
		resp, err := s.refusedWithin(document, e.data, out)
		return resp, err, true
	case document != nil:
		return nil, s.failLater(document, out), true
	case s.meter.last:
		if err := s.passOn(); err != nil {
			return nil, err, true
		}
		s.drain()
		return s.whole(), nil, true
	}
	return nil, nil, false
}

// end decides about a stream whose bytes ended with err. The bytes after the last empty line are an event too, unless
// its data was cut.
func (s *stream) end(err error, out *llm.Result) (*llm.Response, error) {
	e := s.events.rest()
	switch broken := isBroken(e.data); {
	case broken && errors.Is(err, io.EOF):
		err = errCut
	case e.data != nil && !broken:
		if resp, err, over := s.meet(e, out); over {
			return resp, err
		}
	}
	if err := s.meter.verdict(err, isCloseDelimited(s.res)); err != nil {
		return nil, err
	}
	if err := s.passOn(); err != nil {
		return nil, err
	}
	if !s.w.streamed { // it is whole, and there was nothing to show
		return nil, &llm.VendorError{Kind: llm.KindBadContent, Status: s.res.StatusCode, Err: errNothing}
	}
	return s.whole(), nil
}

func (s *stream) whole() *llm.Response {
	return &llm.Response{Status: s.res.StatusCode, Streamed: true}
}

// passOn gives the client the events that have come, in one write, once there is something to show.
func (s *stream) passOn() error {
	switch {
	case s.events.held() == 0:
		return nil
	case s.meter.shown, s.w.streamed:
	case s.events.held() > mostHeld && s.meter.data:
	case s.events.held() > mostHeld:
		return &llm.VendorError{Kind: llm.KindBadContent, Status: s.res.StatusCode, Err: errNothing}
	default:
		return nil
	}
	return s.pass(s.events.take())
}

// pass writes to the client. While it writes, the limit on pauses of the vendor does not run; the limit on the whole
// stream does.
func (s *stream) pass(b []byte) error {
	if !s.w.streamed {
		s.w.stream(s.v.streamIdle, s.v.streamMax)
		s.w.streamed, s.call.Streamed = true, true
		s.v.metrics.at(s.v.asked(s.call)).firstEvent.Observe(time.Since(s.w.start).Seconds())
		if err := s.call.Stream.Start(s.header); err != nil {
			return &sinkError{err}
		}
	}
	s.w.pause()
	if err := s.call.Stream.Event(b); err != nil {
		return &sinkError{err}
	}
	s.w.resume(s.v.streamIdle)
	return nil
}

// drainTime is how long drain waits for the end of a body after the stream's last event. A connection whose body has
// ended is used again. Else it is closed: the client and the slot do not wait for it.
const drainTime = 100 * time.Millisecond

// drain reads the rest of the body after the stream's last event.
func (s *stream) drain() {
	s.w.limit(drainTime, llm.ErrStreamIdle)
	_, _ = io.CopyN(io.Discard, s.res.Body, refusalSize)
}

// sinkError says that the client cannot be reached any more.
type sinkError struct{ err error }

func (e *sinkError) Error() string { return "writing to the client: " + e.err.Error() }
func (e *sinkError) Unwrap() error { return e.err }
