package vendorsim

// remembered is how many request IDs are known at least: a test's worth, within a few dozen MiB.
const remembered = 50_000

// repeats counts the calls with the same request ID. It forgets an ID when that many others came since its last call,
// so a simulator that runs for weeks does not grow.
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
