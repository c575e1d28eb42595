package breaker

import (
	"sync"
	"time"
)

// repeats tells which failures of this pod only repeat one user's failure. A user whose ninety streams time out at
// the same moment makes a row of ninety failures that says no more than one. So a failure whose user is that of the
// failure before it does not count while other users call: a row is made of changes between users. A dead vendor
// fails them all, and its row is as long as before. It is safe for concurrent use.
type repeats struct {
	lately time.Duration // for which another user's call shows that other users call

	mu     sync.Mutex
	failed uint32   // user of the last failure, by fingerprint
	last   sighting // the last call
	before sighting // the last call of another user than that
}

// latelyShare is the part of the window, one in so many, in which another user must have called. Where none has,
// opening the breaker for one user's failures harms no other.
const latelyShare = 6

// sighting is a call of a user that ended at a time. The zero value is none.
type sighting struct {
	user uint32
	at   time.Time
}

// add takes note of a call that ended at the time now, and reports whether it only repeats its user's last failure.
func (r *repeats) add(now time.Time, user uint32, failed bool) (repeat bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.last.user != user {
		r.before = r.last
	}
	r.last = sighting{user, now}
	if !failed {
		return false
	}
	others := r.before.user != 0 && now.Sub(r.before.at) < r.lately
	repeat = others && r.failed == user
	r.failed = user
	return repeat
}
