package upstream

import (
	"errors"
	"io"
	"net/http"

	"github.com/spillway-dev/spillway/internal/llm"
)

// relay passes server-sent events on to the client, one whole event at a time, until the last byte. The call keeps its
// slot meanwhile. The client's headers go out with the first event: until then a failed attempt can still be retried,
// and never after.
func (v *Vendor) relay(w *watch, call *llm.Call, res *http.Response, out *llm.Outcome) (*llm.Response, error) {
	if call.Stream == nil {
		return nil, errors.New("llm: a streaming call needs Call.Stream")
	}
	events := newEventReader(res.Body, v.maxResponse)
	defer events.free()
	var meter streamMeter
	defer func() { out.Usage = meter.usage() }()
	for {
		raw, err := events.next()
		if err != nil {
			if err = meter.verdict(err, isCloseDelimited(res)); err != nil {
				return nil, err
			}
			return &llm.Response{Status: res.StatusCode, Streamed: true}, nil
		}
		w.pause()
		if err := v.pass(w, call, res, raw); err != nil {
			return nil, err
		}
		meter.add(raw)
		w.resume(v.streamIdle)
	}
}

// pass gives one event to the client.
func (v *Vendor) pass(w *watch, call *llm.Call, res *http.Response, raw []byte) error {
	if !w.streamed {
		w.limit(v.streamIdle, llm.ErrStreamIdle)
		w.pause()
		w.streamed = true
		call.Committed()
		if err := call.Stream.Start(visible(res.Header)); err != nil {
			return &sinkError{err}
		}
	}
	if err := call.Stream.Event(raw); err != nil {
		return &sinkError{err}
	}
	return nil
}

// isCloseDelimited tells whether the end of the answer is the end of the connection, so that a cut cannot be seen.
func isCloseDelimited(res *http.Response) bool {
	return res.ProtoMajor == 1 && res.ContentLength < 0 && len(res.TransferEncoding) == 0
}

// sinkError is a client that cannot be reached any more.
type sinkError struct{ err error }

func (e *sinkError) Error() string { return "writing to the client: " + e.err.Error() }
func (e *sinkError) Unwrap() error { return e.err }

// errCut is a stream that ended before its last event, or an answer of which no more can be seen than that it is not whole.
var errCut = errors.New("the vendor's answer was cut before its end")

// verdict decides whether a stream that ended with err ended well: nil if so. A stream that has shown its last event is
// whole whatever came after. Otherwise a clean end counts only where the protocol would have shown a cut, and where the
// stream did not begin in a dialect that always announces its end.
func (m *streamMeter) verdict(err error, closeDelimited bool) error {
	switch {
	case m.done:
		return nil
	case !errors.Is(err, io.EOF):
		return err
	case m.events == 0:
		return &llm.VendorError{Kind: llm.KindBadContent, Status: http.StatusOK, Err: errors.New("an event stream without events")}
	case closeDelimited || m.announcesEnd:
		return errCut
	}
	return nil
}
