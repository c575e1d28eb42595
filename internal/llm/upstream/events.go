package upstream

import (
	"bytes"
	"errors"
	"io"
	"slices"

	"github.com/spillway-dev/spillway/internal/llm"
)

var errEventTooLarge = errors.New("a server-sent event over VENDOR_MAX_RESPONSE bytes")

// eventReader cuts a stream into server-sent events, as the HTML standard defines them: lines end with LF, CRLF or
// CR, and an event ends with an empty line. What it has cut stays in one piece until it is taken, byte for byte as it
// came, so that events that arrived together are passed on together, and events that are held back take no copy.
type eventReader struct {
	src     io.Reader
	memory  *buffer
	largest int64

	taken int // bytes of memory before it have been taken
	cut   int // bytes before it are whole events
	seen  int // bytes before it have been looked at

	inLine  bool // the line at seen has bytes before seen
	inEvent bool // the event at cut has a line that is not empty
	afterCR bool // the line before seen ended with CR, and a LF at seen belongs to it
	started bool // the first event has been cut, so that no byte order mark can come

	first [firstBytes]byte // of what comes while nothing is held
}

// firstBytes is the size of most events. An idle stream waits with a buffer of this size.
const firstBytes = 512

// newEventReader returns a reader of events of up to largest bytes, which it keeps in b. It must be freed.
func newEventReader(src io.Reader, b *buffer, largest int64) *eventReader {
	return &eventReader{src: src, memory: b, largest: largest}
}

func (e *eventReader) free() { e.memory.Free() }

// next cuts the next event from what has been read. It reports false when there is no whole one. The event's bytes are
// valid until the next call of fill.
func (e *eventReader) next() (event, bool) {
	for b := e.memory.b; e.seen < len(b); {
		if e.afterCR {
			e.afterCR = false
			if b[e.seen] == '\n' {
				e.seen++
				continue
			}
		}
		end := lineEnd(b[e.seen:])
		if end < 0 {
			e.seen, e.inLine = len(b), true
			break
		}
		empty := end == 0 && !e.inLine
		e.afterCR, e.inLine = b[e.seen+end] == '\r', false
		e.seen += end + 1
		switch {
		case !empty:
			e.inEvent = true
		case e.inEvent:
			if e.afterCR && e.seen < len(b) && b[e.seen] == '\n' {
				e.afterCR = false
				e.seen++
			}
			return e.event(), true
		}
	}
	return event{}, false
}

// event takes what has been looked at for the next event.
func (e *eventReader) event() event {
	raw := e.memory.b[e.cut:e.seen]
	e.cut, e.inEvent, e.inLine = e.seen, false, false
	if !e.started {
		e.started = true
		return parseEvent(withoutMark(raw))
	}
	return parseEvent(raw)
}

// rest is what follows the last whole event, read as an event: some vendors leave out the last empty line.
func (e *eventReader) rest() event {
	e.seen = len(e.memory.b)
	return e.event()
}

// take returns all events that were cut since the last call, as they came.
func (e *eventReader) take() []byte {
	b := e.memory.b[e.taken:e.cut]
	e.taken = e.cut
	return b
}

// held is the number of bytes that have been cut and not taken.
func (e *eventReader) held() int { return e.cut - e.taken }

// fill waits for more bytes. At the end of the stream it returns io.EOF, and then there may be bytes without an
// event's end.
func (e *eventReader) fill() error {
	if int64(len(e.memory.b)-e.cut) > e.largest {
		return &llm.VendorError{Kind: llm.KindTooLarge, Err: errEventTooLarge}
	}
	b := e.memory.b
	if e.taken == len(b) {
		return e.wait()
	}
	if e.taken > 0 {
		b = b[:copy(b, b[e.taken:])]
		e.cut, e.seen, e.taken = e.cut-e.taken, e.seen-e.taken, 0
	}
	if len(b) == cap(b) {
		if err := e.memory.grow(b); err != nil {
			return err
		}
		b = e.memory.b
	}
	n, err := e.src.Read(b[len(b):cap(b)])
	e.memory.b = b[:len(b)+n]
	if n > 0 {
		return nil // an error that came with bytes comes again
	}
	return err
}

// wait is fill while nothing is held. Most streams are idle most of the time, so other streams may use the buffer until
// bytes come.
func (e *eventReader) wait() error {
	e.memory.lend()
	e.cut, e.seen, e.taken = 0, 0, 0
	n, err := e.src.Read(e.first[:])
	if n == 0 {
		return err
	}
	e.memory.back()
	e.memory.b = append(e.memory.b, e.first[:n]...)
	return nil
}

// lineEnd is the index of the first CR or LF, -1 if there is none.
func lineEnd(b []byte) int {
	lf := bytes.IndexByte(b, '\n')
	if lf >= 0 {
		b = b[:lf]
	}
	if cr := bytes.IndexByte(b, '\r'); cr >= 0 {
		return cr
	}
	return lf
}

// event is one server-sent event. Its parts are valid as long as the bytes that it was read from.
type event struct {
	name []byte // the field event; nil where there is none
	data []byte // the fields data, joined by newlines; nil where there is none, as in a comment
}

// parseEvent reads the fields of an event.
func parseEvent(raw []byte) (e event) {
	for len(raw) > 0 {
		line := raw
		if end := lineEnd(raw); end >= 0 {
			line, raw = raw[:end], raw[end+1:]
		} else {
			raw = nil
		}
		field, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(field) {
		case "event":
			e.name = value
		case "data":
			if e.data == nil {
				e.data = slices.Clip(value) // what is appended goes to a copy
			} else {
				e.data = append(append(e.data, '\n'), value...)
			}
		}
	}
	return e
}
