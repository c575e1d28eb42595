package upstream

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"

	"github.com/spillway-dev/spillway/internal/llm"
)

// readingOf returns a request's body that net/http reads and closes. Without a holder a body of one part is a
// bytes.Reader, which net/http knows and sends in one piece with the headers.
func readingOf(body [][]byte, hold llm.Holder) io.ReadCloser {
	if hold == nil && len(body) == 1 {
		return io.NopCloser(bytes.NewReader(body[0]))
	}
	if hold != nil {
		hold.Hold()
	}
	return &heldBody{left: slices.Clone(body), hold: hold}
}

// lengthOf returns the length of a body, in bytes.
func lengthOf(body [][]byte) (n int64) {
	for _, part := range body {
		n += int64(len(part))
	}
	return n
}

// heldBody is a body in parts, or one whose bytes are used again. It holds them until net/http closes it. That may be
// long after the answer, and in another goroutine than the one that reads: after Close the bytes are not read any more.
type heldBody struct {
	mu     sync.Mutex
	left   net.Buffers // which Read shortens
	hold   llm.Holder  // nil: the bytes are not used again
	closed bool
}

func (b *heldBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return 0, http.ErrBodyReadAfterClose
	}
	return b.left.Read(p)
}

func (b *heldBody) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.hold != nil && !b.closed {
		b.hold.Release()
	}
	b.left, b.closed = nil, true
	return nil
}
