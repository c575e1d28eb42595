package breaker

import (
	"slices"
	"sync"
	"time"
)

// repeats finds the failures of this pod that say nothing new about the vendor. A user whose calls all fail makes a row
// of failures, however many other users are served, when those calls are more than theirs. So the repeated failure of
// a user does not count while at least as many users are well, and neither does one that follows a failure of the same
// user while other users call. When the vendor is down, the users that were well fail with their next calls, and every
// failure counts. It is safe for concurrent use.
type repeats struct {
	lately time.Duration // for which the end of a call says how its user is

	mu            sync.Mutex
	last          uint32    // user of the last failure, by fingerprint
	failing, well sightings // the last users, by how the last call of each has ended
}

// latelyShare is the part of the window, one in so many, in which another user must have called. Where none has,
// opening the breaker for one user's failures harms no other.
const latelyShare = 6

// add takes note of a call that ended at the time now, and reports whether it only repeats what its user's failures
// have said.
func (r *repeats) add(now time.Time, user uint32, failed bool) (repeat bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	before := r.failing.remove(user)
	r.well.remove(user)
	old := now.Add(-r.lately)
	r.failing.forget(old)
	r.well.forget(old)
	if !failed {
		r.well.put(sighting{user, now})
		return false
	}
	again := r.last == user
	r.last = user
	r.failing.put(sighting{user, now})
	return before && (r.failing.n <= r.well.n || again && r.failing.n+r.well.n > 1)
}

// sighting is a call of a user that ended at a time.
type sighting struct {
	user uint32
	at   time.Time
}

// sightings are the last sightings of mostUsers different users at most, the earliest first.
type sightings struct {
	n  int
	of [mostUsers]sighting
}

// put adds a user who is not among them, in place of the earliest when they are full.
func (s *sightings) put(one sighting) {
	if s.n == len(s.of) {
		s.delete(0, 1)
	}
	s.of[s.n] = one
	s.n++
}

// remove removes a user and reports whether it was among them.
func (s *sightings) remove(user uint32) bool {
	i := slices.IndexFunc(s.of[:s.n], func(one sighting) bool { return one.user == user })
	if i >= 0 {
		s.delete(i, i+1)
	}
	return i >= 0
}

// forget removes the sightings from before the time old.
func (s *sightings) forget(old time.Time) {
	i := 0
	for i < s.n && s.of[i].at.Before(old) {
		i++
	}
	s.delete(0, i)
}

func (s *sightings) delete(from, to int) {
	copy(s.of[from:s.n], s.of[to:s.n])
	s.n -= to - from
}
