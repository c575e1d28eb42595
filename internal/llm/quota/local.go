package quota

import (
	"sync"
	"sync/atomic"
	"time"
)

// localQuota is this pod's share of the contract, for the time in which Redis is away.
type localQuota struct {
	clock   func() time.Time // of the pod
	epoch   time.Time        // of its microseconds
	ok      bool             // there is a share
	largest int64            // tokens one call may take; 0: tokens are not limited
	active  atomic.Bool

	mu       sync.Mutex
	requests bucket
	tokens   bucket
	hold     micros // end of the vendor's pause
}

func (l *localQuota) init(c contract, shares int, clock func() time.Time) {
	var largest int
	l.clock, l.epoch = clock, clock()
	l.requests, l.tokens, largest, l.ok = c.share(shares)
	l.largest = int64(largest)
}

func (l *localQuota) now() micros { return l.clock().Sub(l.epoch).Microseconds() }

// begin starts local mode and forfeits all credit each time, because other pods may have used it. Calls that sleep on
// a shared booking count against the share.
func (l *localQuota) begin(asleep int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.active.CompareAndSwap(false, true) {
		return
	}
	now := l.now()
	l.requests.drain(now)
	l.requests.end += asleep * l.requests.interval
	l.tokens.drain(now)
}

// book books requests and tokens, or neither, for a start within wait.
func (l *localQuota) book(tokens int64, wait micros) (booking, ruling) {
	if !l.ok || l.largest > 0 && tokens > l.largest {
		return booking{local: true}, ruling{why: whyShare}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now, cost := l.now(), int64(0)
	if l.largest > 0 {
		cost = tokens * l.tokens.interval
	}
	start, why := l.requests.start(now, l.requests.interval), int64(whyRequests)
	if t := l.tokens.start(now, cost); t > start {
		start, why = t, whyTokens
	}
	if start-now > wait {
		return booking{local: true}, ruling{delay: start - now, why: why}
	}
	return booking{
		local: true, tokens: tokens, cost: cost, delay: start - now,
		mark: l.requests.book(now, l.requests.interval), tokenMark: l.tokens.book(now, cost),
	}, ruling{admitted: 1}
}

// settle gives back what a call booked and did not use.
func (l *localQuota) settle(b *booking, called bool, used int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	if !called {
		l.requests.refund(now, b.mark, l.requests.interval)
	}
	if used < b.tokens {
		l.tokens.refund(now, b.tokenMark, (b.tokens-used)*l.tokens.interval)
	} else if l.largest > 0 {
		l.tokens.end = max(l.tokens.end, now) + (used-b.tokens)*l.tokens.interval
	}
}

// push delays what has not started by as much as a pause of d makes the known pause longer.
func (l *localQuota) push(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	till := now + d.Microseconds()
	if till <= l.hold {
		return
	}
	more := till - max(l.hold, now)
	l.hold = till
	l.requests.push(now, more)
	l.tokens.push(now, more)
}
