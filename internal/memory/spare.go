package memory

import "math/bits"

// Bytes in these sizes are kept for further use. Smaller ones cost the heap little; larger ones are rare, and rounding
// them up would waste what the budget has.
const (
	smallestSpare = 64 << 10
	largestSpare  = 4 << 20
)

// sizeOf is the size that bytes are rounded up to so that they fit the next body too: four steps to each power of two.
// It is 0 for bytes that are not kept.
func sizeOf(n int64) int64 {
	if n < smallestSpare || n > largestSpare {
		return 0
	}
	step := int64(1) << (bits.Len64(uint64(n-1)) - 3)
	return (n + step - 1) &^ (step - 1)
}

// isSize reports whether bytes of this capacity are kept.
func isSize(capacity int) bool { return capacity > 0 && sizeOf(int64(capacity)) == int64(capacity) }

// spare keeps bytes that are in use by no one, in stacks by size. They are part of the budget's size: as soon as the
// room is needed they are left to the collector.
type spare struct {
	bytes  int64
	stacks map[int64][][]byte
}

// most is the part of a budget that may be kept.
func mostSpare(size int64) int64 { return size / 8 }

// put keeps b, unless there is enough.
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

// get returns bytes of a size, nil when there are none.
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

// clear keeps nothing any more.
func (s *spare) clear() { *s = spare{} }
