package upstream

import (
	"bytes"
	"io"
	"net/http"
	"sync"

	"github.com/spillway-dev/spillway/internal/llm"
)

// readingOf returns a request's body that net/http reads and closes. Without a holder it is a bytes.Reader, which
// net/http knows and sends in one piece with the headers.
func readingOf(body []byte, hold llm.Holder) io.ReadCloser {
	if hold == nil {
		return io.NopCloser(bytes.NewReader(body))
	}
	hold.Hold()
	return &heldBody{left: body, hold: hold}
}

// heldBody is a body whose bytes are used again. It holds them until net/http closes it. That may be long after the
// answer, and in another goroutine than the one that reads: after Close the bytes are not read any more.
type heldBody struct {
	mu   sync.Mutex
	left []byte
	hold llm.Holder // nil once closed
}

func (b *heldBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.hold == nil:
		return 0, http.ErrBodyReadAfterClose
	case len(b.left) == 0:
		return 0, io.EOF
	}
	n := copy(p, b.left)
	b.left = b.left[n:]
	return n, nil
}

func (b *heldBody) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.hold != nil {
		b.hold.Release()
		b.left, b.hold = nil, nil
	}
	return nil
}
