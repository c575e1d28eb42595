package breaker

import (
	"sync"
	"time"
)

// repeats recognises failures that only repeat the failure of one user. When ninety streams of a user time out at the
// same moment, they make a row of ninety failures that says no more than one. So while other users call, a failure
// does not count when the failure before it was the same user's. When the vendor is down the calls of all users fail,
// and the row grows with each change of user. It is safe for concurrent use.
type repeats struct {
	lately time.Duration // how long a call of another user shows that other users call

	mu     sync.Mutex
	failed uint32   // user of the last failure, by fingerprint
	last   sighting // the last call
	before sighting // the last call of another user before that
}

// latelyShare divides the window: within its part another user must have called. When none has, opening the breaker for
// one user's failures harms no other user.
const latelyShare = 6

// sighting is when a call of a user ended. The zero value is no call.
type sighting struct {
	user uint32
	at   time.Time
}

// add records a call that ended at the time now, and reports whether it only repeats its user's last failure.
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
