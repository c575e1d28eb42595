package upstream

import (
	"io"
	"sync"
)

// buffer is a pooled byte slice for one vendor answer.
type buffer struct{ b []byte }

var buffers = sync.Pool{New: func() any { return &buffer{b: make([]byte, 0, 4<<10)} }}

// keepBuffer is the largest buffer that goes back to the pool, so that one huge answer does not stay for ever.
const keepBuffer = 256 << 10

func newBuffer() *buffer { return buffers.Get().(*buffer) }

// Free gives the buffer back. Its bytes must not be used afterwards.
func (b *buffer) Free() {
	if cap(b.b) <= keepBuffer {
		b.b = b.b[:0]
		buffers.Put(b)
	}
}

// readFrom reads r to its end. hint is the expected length, -1 when not known. It reports false when r holds more than
// limit bytes.
func (b *buffer) readFrom(r io.Reader, hint, limit int64) (whole bool, err error) {
	if hint > limit {
		return false, nil
	}
	if need := int(hint) + 1; hint >= 0 && cap(b.b) < need { // one more, so that EOF is seen without growing
		b.b = make([]byte, 0, need)
	}
	for {
		if len(b.b) == cap(b.b) {
			b.b = append(b.b, 0)[:len(b.b)]
		}
		n, err := r.Read(b.b[len(b.b):cap(b.b)])
		b.b = b.b[:len(b.b)+n]
		if int64(len(b.b)) > limit {
			return false, nil
		}
		if err == io.EOF {
			return true, nil
		}
		if err != nil {
			return true, err
		}
	}
}
