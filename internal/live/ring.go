package live

// ring keeps the last values that were added, up to its size.
type ring[T any] struct {
	values []T
	next   int // where the next value goes once the ring is full
}

func newRing[T any](size int) ring[T] { return ring[T]{values: make([]T, 0, size)} }

func (r *ring[T]) add(v T) {
	if len(r.values) < cap(r.values) {
		r.values = append(r.values, v)
		return
	}
	r.values[r.next] = v
	r.next = (r.next + 1) % len(r.values)
}

// back returns the value that was added n values before the last one, or the oldest one. The ring must not be empty.
func (r *ring[T]) back(n int) T {
	size := len(r.values)
	n = min(n, size-1)
	return r.values[(r.next+size-1-n)%size]
}

// list copies the values, the oldest one first.
func (r *ring[T]) list() []T {
	list := make([]T, 0, len(r.values))
	list = append(list, r.values[r.next:]...)
	return append(list, r.values[:r.next]...)
}
