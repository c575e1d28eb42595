package memory

import (
	"context"
	"io"
	"math"
)

// firstRoom is the size of the first buffer for bytes of unknown length.
const firstRoom = 4 << 10

// ReadAll appends the rest of r to b. Before it reads, the share takes the bytes. declared is the length that the
// sender has declared, -1 when it is unknown. ReadAll stops after limit+1 bytes: so many mean that there are too many.
// The limit of a body must not be above Largest. The error is that of the share or of r. The bytes that were read are
// returned in any case.
func (s *Share) ReadAll(ctx context.Context, r io.Reader, b []byte, declared, limit int64) ([]byte, error) {
	for {
		if len(b) == cap(b) {
			var err error
			if b, err = s.enlarge(ctx, b, declared, limit); err != nil {
				return b, err
			}
		}
		n, err := r.Read(b[len(b):min(int64(cap(b)), limit+1)])
		b = b[:len(b)+n]
		if err == io.EOF || int64(len(b)) > limit {
			return b, nil
		}
		if err != nil {
			return b, err
		}
	}
}

// Enlarge returns a copy of b with twice the capacity.
func (s *Share) Enlarge(ctx context.Context, b []byte) ([]byte, error) {
	return s.enlarge(ctx, b, -1, math.MaxInt64-1)
}

// enlarge returns a copy of b with a larger capacity. Both copies are counted while both exist. What the share holds
// beside b stays.
func (s *Share) enlarge(ctx context.Context, b []byte, declared, limit int64) ([]byte, error) {
	room := s.nextRoom(b, declared, limit)
	before := min(s.held, int64(cap(b)))
	if err := s.Grow(ctx, room); err != nil {
		return b, err
	}
	more := append(s.allocate(room), b...)
	s.keep(b)
	s.Shrink(before)
	return more, nil
}

// nextRoom returns the next capacity: the declared length and one byte, so that the end is seen without growing again,
// or else twice the capacity of b. A body gets all that it may have, limit+1 bytes, when twice its capacity and that
// would not fit into the budget together: it could not grow any more after this time.
func (s *Share) nextRoom(b []byte, declared, limit int64) int64 {
	room := max(int64(cap(b))*2, firstRoom)
	switch {
	case declared >= int64(len(b)):
		room = min(declared, limit) + 1
	case room >= limit, s.use == Body && limit >= s.budget.total()-room:
		room = limit + 1
	}
	if size := sizeOf(room); s.reuse && size > room && s.held+size <= s.budget.bodies() {
		return size
	}
	return room
}
