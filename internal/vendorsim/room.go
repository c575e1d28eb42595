package vendorsim

import (
	"context"
	"errors"
	"io"
	"math"
	"net/http"
	"runtime/debug"
	"strings"
	"sync"
)

// room bounds the memory of the bodies in the simulator, so that large bodies cannot make it exceed its memory limit.
// When there is no memory for a body, its call waits before the body is read. A nil room has no bound.
type room struct {
	size int64

	mu      sync.Mutex
	used    int64
	changed chan struct{} // closed when memory becomes free; nil while no call waits
}

// smallBody is the size, in bytes, up to which bodies are not counted.
const smallBody = 64 << 10

// newRoom returns a third of the process's memory limit; nil when it has none.
func newRoom() *room {
	limit := debug.SetMemoryLimit(-1) // a negative one changes nothing
	if limit == math.MaxInt64 {
		return nil
	}
	return &room{size: limit / 3}
}

// take waits until there are n bytes for a body, or until ctx ends. The returned func gives them back. A body of
// unknown length (n below 0) and a body larger than the room take all of it.
func (m *room) take(ctx context.Context, n int64) (give func(), err error) {
	if m == nil || n >= 0 && n <= smallBody {
		return func() {}, nil
	}
	if n < 0 {
		n = m.size
	}
	n = min(n, m.size)
	for {
		full := m.try(n)
		if full == nil {
			return func() { m.give(n) }, nil
		}
		select {
		case <-full:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// try takes n bytes, or returns a channel that is closed when memory becomes free.
func (m *room) try(n int64) (full <-chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.used+n <= m.size {
		m.used += n
		return nil
	}
	if m.changed == nil {
		m.changed = make(chan struct{})
	}
	return m.changed
}

func (m *room) give(n int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.used -= n
	if m.changed != nil {
		close(m.changed)
		m.changed = nil
	}
}

// readBody reads the body of a call, at most maxBody bytes, in parts.
func readBody(w http.ResponseWriter, r *http.Request, part []byte) (string, error) {
	var body strings.Builder
	if r.ContentLength > 0 {
		body.Grow(int(min(r.ContentLength, maxBody)))
	}
	in := http.MaxBytesReader(w, r.Body, maxBody)
	for {
		n, err := in.Read(part)
		body.Write(part[:n])
		if _, large := errors.AsType[*http.MaxBytesError](err); large || errors.Is(err, io.EOF) {
			return body.String(), nil
		}
		if err != nil {
			return "", err
		}
	}
}
