package upstream

import (
	"context"
	"io"
	"sync"

	"github.com/spillway-dev/spillway/internal/memory"
)

// buffer is a byte slice for what one exchange reads. It begins with a pooled slice. More memory is taken from the
// budget before more is read: while there is none, nothing is read, and the vendor has to wait.
type buffer struct {
	b    []byte
	ctx  context.Context // of the exchange; a wait for memory ends with it
	room memory.Share
}

var (
	buffers = sync.Pool{New: func() any { return new(buffer) }}
	starts  = sync.Pool{New: func() any { return new([startSize]byte) }}
)

// startSize is the size of the slice that a buffer begins with.
const startSize = 4 << 10

// keepBuffer is the size of the largest slice that goes back to the pool. Pooled slices are not in the budget.
const keepBuffer = 64 << 10

// newBuffer returns a buffer for an exchange. A nil budget has room for everything.
func newBuffer(ctx context.Context, budget *memory.Budget) *buffer {
	b := buffers.Get().(*buffer)
	b.ctx, b.room = ctx, budget.Share(memory.Answer)
	if b.b == nil {
		b.back()
	}
	return b
}

// lend gives the slice and its memory to other buffers while this one holds nothing.
func (b *buffer) lend() {
	b.room.Free()
	if cap(b.b) == startSize {
		starts.Put((*[startSize]byte)(b.b[:startSize]))
	}
	b.b = nil
}

// back gets a slice again after lend.
func (b *buffer) back() { b.b = starts.Get().(*[startSize]byte)[:0] }

// Free gives the buffer and its memory back. Its bytes must not be used afterwards.
func (b *buffer) Free() {
	b.room.Free()
	b.ctx, b.room = nil, memory.Share{}
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
	b.b, err = b.room.ReadAll(b.ctx, r, b.b, hint, limit)
	return int64(len(b.b)) <= limit, err
}

// grow makes room for at least one more byte.
func (b *buffer) grow(bytes []byte) (err error) {
	b.b, err = b.room.Enlarge(b.ctx, bytes)
	return err
}
