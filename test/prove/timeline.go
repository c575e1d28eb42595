package prove

import (
	"slices"
	"sync"
	"time"

	"github.com/spillway-dev/spillway/internal/vendorsim"
)

// Result is the result of one request.
type Result struct {
	Label  string
	At     time.Time     // when it was sent
	Took   time.Duration // until the last byte of the answer
	Status int           // 0 when there was no answer
	Lane   string        // that answered, when the answer has its name
	Code   string        // of the problem document, if the answer was one
	Err    error         // of the connection, or of a stream that was cut
}

// Served reports whether the request got a whole answer with status 200.
func (r Result) Served() bool { return r.Status == 200 && r.Err == nil }

// What names the outcome: "served", the problem's code, or "failed" when there was no whole answer.
func (r Result) What() string {
	switch {
	case r.Err != nil:
		return "failed"
	case r.Code != "":
		return r.Code
	}
	return "served"
}

// Timeline collects results. The zero value is empty; it is safe for concurrent use.
type Timeline struct {
	mu  sync.Mutex
	all []Result
}

func (t *Timeline) add(r Result) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.all = append(t.all, r)
}

// Results returns the requests sent between from and to, in the order of sending. A zero to means no end.
func (t *Timeline) Results(from, to time.Time) Results {
	t.mu.Lock()
	defer t.mu.Unlock()
	var found Results
	for _, r := range t.all {
		if !r.At.Before(from) && (to.IsZero() || r.At.Before(to)) {
			found = append(found, r)
		}
	}
	slices.SortFunc(found, func(a, b Result) int { return a.At.Compare(b.At) })
	return found
}

// All returns all results.
func (t *Timeline) All() Results { return t.Results(time.Time{}, time.Time{}) }

// Results is a list of results.
type Results []Result

// Where returns the results for which is reports true.
func (rs Results) Where(is func(Result) bool) (kept Results) {
	for _, r := range rs {
		if is(r) {
			kept = append(kept, r)
		}
	}
	return kept
}

// Label returns the results of the clients with a label.
func (rs Results) Label(label string) Results {
	return rs.Where(func(r Result) bool { return r.Label == label })
}

// Served returns the results with a whole answer, Refused those with a problem document, Failed those without a whole
// answer.
func (rs Results) Served() Results  { return rs.Where(Result.Served) }
func (rs Results) Refused() Results { return rs.Where(func(r Result) bool { return r.Code != "" }) }
func (rs Results) Failed() Results  { return rs.Where(func(r Result) bool { return r.Err != nil }) }

// lost is the number of results that are not served.
func (rs Results) lost() int { return len(rs) - len(rs.Served()) }

// By counts the results by what happened.
func (rs Results) By() map[string]int {
	by := map[string]int{}
	for _, r := range rs {
		by[r.What()]++
	}
	return by
}

// Quantile is the time to an answer that a share q of the results did not exceed; 0 without results.
func (rs Results) Quantile(q float64) time.Duration {
	took := make([]time.Duration, len(rs))
	for i, r := range rs {
		took[i] = r.Took
	}
	return quantile(took, q)
}

// quantile is the value that a share q of the values do not exceed; 0 without values.
func quantile(of []time.Duration, q float64) time.Duration {
	if len(of) == 0 {
		return 0
	}
	of = slices.Sorted(slices.Values(of))
	return of[min(len(of)-1, int(q*float64(len(of))))]
}

// sent returns the times at which the requests were sent.
func sent(rs Results) []time.Time {
	at := make([]time.Time, len(rs))
	for i, r := range rs {
		at[i] = r.At
	}
	return at
}

// arrivals returns the times at which the calls reached the vendor.
func arrivals(calls []vendorsim.Call) []time.Time {
	at := make([]time.Time, len(calls))
	for i, c := range calls {
		at[i] = c.Arrived
	}
	return at
}

// between counts the times from from (included) to to (excluded).
func between(at []time.Time, from, to time.Time) (n int) {
	for _, t := range at {
		if !t.Before(from) && t.Before(to) {
			n++
		}
	}
	return n
}
