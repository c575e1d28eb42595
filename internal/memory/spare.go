package memory

import "math/bits"

// Buffers of these sizes, in bytes, are kept for reuse. Smaller ones are cheap to allocate. Larger ones are rare, and
// rounding their sizes up would waste the budget.
const (
	smallestSpare = 64 << 10
	largestSpare  = 4 << 20
)

// sizeOf returns the size of the buffer for n bytes: n rounded up to one of four steps between two powers of two, so
// that the buffer fits later bodies too. It is 0 for buffers that are not kept.
func sizeOf(n int64) int64 {
	if n < smallestSpare || n > largestSpare {
		return 0
	}
	step := int64(1) << (bits.Len64(uint64(n-1)) - 3)
	return (n + step - 1) &^ (step - 1)
}

// isSize reports whether buffers of this capacity are kept.
func isSize(capacity int) bool { return capacity > 0 && sizeOf(int64(capacity)) == int64(capacity) }

// spare keeps unused buffers, in stacks by size. They count against the budget's size: when a share needs the bytes,
// the buffers are left to the collector.
type spare struct {
	bytes  int64
	stacks map[int64][][]byte
}

// mostSpare is the part of a budget that spare buffers may take, in bytes.
func mostSpare(size int64) int64 { return size / 8 }

// put keeps b unless the spare buffers would take more than most bytes.
func (s *spare) put(b []byte, most int64) {
	size := int64(cap(b))
	if s.bytes+size > most {
		return
	}
	if s.stacks == nil {
		s.stacks = map[int64][][]byte{}
	}
	s.bytes += size
	s.stacks[size] = append(s.stacks[size], b[:0])
}

// get returns a buffer of a size, or nil.
func (s *spare) get(size int64) []byte {
	stack := s.stacks[size]
	if len(stack) == 0 {
		return nil
	}
	b := stack[len(stack)-1]
	stack[len(stack)-1] = nil
	s.stacks[size] = stack[:len(stack)-1]
	s.bytes -= size
	return b
}

// clear drops all buffers.
func (s *spare) clear() { *s = spare{} }
