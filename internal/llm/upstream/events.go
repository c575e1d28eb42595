package upstream

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"sync"

	"github.com/spillway-dev/spillway/internal/llm"
)

var errEventTooLarge = errors.New("a server-sent event over VENDOR_MAX_RESPONSE bytes")

var readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 4<<10) }}

// eventReader cuts a stream into server-sent events without interpreting them: an event ends with a blank line. Lines end
// with LF or CRLF.
type eventReader struct {
	r       *bufio.Reader
	event   []byte
	largest int64
}

// newEventReader returns a reader of events of up to largest bytes.
func newEventReader(r io.Reader, largest int64) *eventReader {
	br := readers.Get().(*bufio.Reader)
	br.Reset(r)
	return &eventReader{r: br, largest: largest}
}

func (e *eventReader) free() {
	e.r.Reset(nil)
	readers.Put(e.r)
	e.r = nil
}

// next returns the raw bytes of the next event, its blank line included; they are valid until the next call. Blank lines
// before an event are dropped. At a clean end it returns io.EOF; when the stream ends within an event, io.ErrUnexpectedEOF,
// unless that is the one that announces the end: some do not end its line.
func (e *eventReader) next() ([]byte, error) {
	e.event = e.event[:0]
	for {
		start := len(e.event)
		if err := e.readLine(); err != nil {
			if errors.Is(err, io.EOF) && len(e.event) > 0 {
				if isDone(e.event) {
					e.event = append(bytes.TrimRight(e.event, "\r\n"), "\n\n"...)
					return e.event, nil
				}
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
		line := bytes.TrimRight(e.event[start:], "\r\n")
		switch {
		case len(line) > 0:
		case start == 0:
			e.event = e.event[:0]
		default:
			return e.event, nil
		}
	}
}

// readLine appends one line with its ending. The format lets a lone CR end a line too; nobody sends that, and it is an error here.
func (e *eventReader) readLine() error {
	for {
		part, err := e.r.ReadSlice('\n')
		if cr := bytes.IndexByte(part, '\r'); cr >= 0 && cr < len(part)-2 {
			return errors.New("a server-sent event with lone carriage returns")
		}
		e.event = append(e.event, part...)
		switch {
		case int64(len(e.event)) > e.largest:
			return &llm.VendorError{Kind: llm.KindTooLarge, Err: errEventTooLarge}
		case err == nil:
			return nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return err
		}
	}
}
