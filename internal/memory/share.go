package memory

import "context"

// Share is the part of a budget that one body or one answer holds. Only one goroutine may use it at a time. It must not
// be copied while it holds bytes.
type Share struct {
	budget *Budget
	use    Use
	held   int64
	reuse  bool // buffers come from the budget's spare ones, and go back there
}

// Share returns a share that holds nothing yet.
func (b *Budget) Share(use Use) Share { return Share{budget: b, use: use} }

// Grow takes n more bytes. A body waits for them for the budget's waiting time, an answer until ctx ends. The error is
// an *outcome.Rejected when the budget had no bytes in time, else the cause of ctx. A body that holds bytes already
// must copy them and give them back at once.
func (s *Share) Grow(ctx context.Context, n int64) error {
	if s.budget == nil || n <= 0 {
		return nil
	}
	return s.budget.take(ctx, s, n)
}

// Shrink gives n bytes back.
func (s *Share) Shrink(n int64) {
	if s.budget != nil && n > 0 {
		s.budget.give(s, n)
	}
}

// allocate returns an empty slice with a capacity of n bytes, which the share holds already.
func (s *Share) allocate(n int64) []byte {
	if s.reuse {
		s.budget.mu.Lock()
		b := s.budget.spare.get(n)
		s.budget.mu.Unlock()
		if b != nil {
			return b
		}
	}
	return make([]byte, 0, n)
}

// keep gives b back to the budget for reuse when it has one of the reused sizes. The caller must not use b afterwards.
func (s *Share) keep(b []byte) {
	if !s.reuse || !isSize(cap(b)) {
		return
	}
	s.budget.mu.Lock()
	defer s.budget.mu.Unlock()
	s.budget.spare.put(b, mostSpare(s.budget.size))
}

// Free gives everything back. The share may be used again.
func (s *Share) Free() { s.Shrink(s.held) }
