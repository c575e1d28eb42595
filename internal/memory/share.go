package memory

import "context"

// Share is what one body or one answer holds of a budget. It is used by one goroutine at a time and not copied once
// it holds something.
type Share struct {
	budget *Budget
	use    Use
	held   int64
	reuse  bool // bytes come from those that the budget keeps, and go back there
}

// Share returns a share that holds nothing yet.
func (b *Budget) Share(use Use) Share { return Share{budget: b, use: use} }

// Grow takes n more bytes. A body waits for them within the budget's time, an answer until ctx ends. The error is a
// *outcome.Rejected when there was no room in time, or the cause of ctx.
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

// allocate returns no bytes with room for n, which the share holds already.
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

// keep hands b back for further use, when it has a size for that. It must not be used afterwards.
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
