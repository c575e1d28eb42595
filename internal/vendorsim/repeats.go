package vendorsim

// remembered is the number of request IDs that are kept: enough for a test, within a few dozen MiB.
const remembered = 50_000

// repeats counts the calls with the same request ID. It forgets an ID after so many calls with other IDs, so that a
// simulator that runs for weeks does not grow.
type repeats struct {
	young, old map[string]int
	of         map[int]int // IDs by number of calls
	distinct   int
	most       int
}

func (r *repeats) count(id string) {
	if r.young == nil {
		r.young, r.of = map[string]int{}, map[int]int{}
	}
	n, known := r.young[id]
	if !known {
		n = r.old[id]
	}
	if n == 0 {
		r.distinct++
	} else if r.of[n]--; r.of[n] == 0 {
		delete(r.of, n)
	}
	n++
	r.of[n]++
	r.young[id] = n
	r.most = max(r.most, n)
	if len(r.young) >= remembered {
		r.young, r.old = map[string]int{}, r.young
	}
}
