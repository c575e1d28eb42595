package middleware

import (
	"slices"
	"sync"
	"time"
)

// latency keeps how long recent requests took, as one figure for each user: the mean of the user's samples. So a user
// counts once, however many requests the user sends. A sample is forgotten after one to two spans, also when no new one
// comes, so a pod that sheds every request recovers. The zero value is ready; it is safe for concurrent use.
type latency struct {
	mu    sync.Mutex
	began time.Time // of the present span
	now   map[string]vote
	past  map[string]vote

	verdict  verdict
	computed time.Time // when verdict was made
}

// vote sums up the samples of one user.
type vote struct {
	total time.Duration
	n     int
}

func (v vote) plus(w vote) vote { return vote{v.total + w.total, v.n + w.n} }

// verdict is what the votes of all users say together.
type verdict struct {
	p95  time.Duration
	only string // the only user that voted, to whom alone p95 applies; "" when there are several
}

const (
	latencySpan    = 10 * time.Second       // how long a sample is new
	fewestSamples  = 20                     // with fewer there is no verdict
	verdictLasts   = 100 * time.Millisecond // until the votes are counted again
	outlierDivisor = 20                     // one in so many users may be slow without consequences, and at least one
)

// observe adds a sample of user.
func (l *latency) observe(now time.Time, user string, took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ageLocked(now)
	l.now[user] = l.now[user].plus(vote{took, 1})
}

// p95 is the latency that 95 % of the users stay below, as far as it concerns user; 0 when too little is known. The
// slowest user is always left out, so no user alone can make the pod look slow to others. Where only one user has
// called, the figure concerns that user alone.
func (l *latency) p95(now time.Time, user string) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	v := l.verdictLocked(now)
	if v.only != "" && v.only != user {
		return 0
	}
	return v.p95
}

// highest is p95 for the user whom it concerns most.
func (l *latency) highest(now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.verdictLocked(now).p95
}

func (l *latency) verdictLocked(now time.Time) verdict {
	if age := now.Sub(l.computed); age < 0 || age >= verdictLasts {
		l.ageLocked(now)
		l.verdict, l.computed = count(l.now, l.past), now
	}
	return l.verdict
}

// count turns the votes of two spans into a verdict.
func count(now, past map[string]vote) verdict {
	samples := 0
	means := make([]time.Duration, 0, len(now)+len(past))
	var last string
	add := func(user string, v vote) {
		samples += v.n
		means = append(means, v.total/time.Duration(v.n))
		last = user
	}
	for user, v := range now {
		add(user, v.plus(past[user]))
	}
	for user, v := range past {
		if _, both := now[user]; !both {
			add(user, v)
		}
	}
	switch {
	case samples < fewestSamples:
		return verdict{}
	case len(means) == 1:
		return verdict{p95: means[0], only: last}
	}
	slices.Sort(means)
	return verdict{p95: means[len(means)-1-max(1, len(means)/outlierDivisor)]}
}

// ageLocked begins a new span when the present one is over.
func (l *latency) ageLocked(now time.Time) {
	switch age := now.Sub(l.began); {
	case age < latencySpan && l.now != nil:
	case age < 2*latencySpan:
		l.past, l.now, l.began = l.now, map[string]vote{}, l.began.Add(latencySpan)
	default:
		l.past, l.now, l.began = nil, map[string]vote{}, now
	}
}
