package quota

import (
	"sync"
	"sync/atomic"
	"time"
)

// podShare is this pod's share of the contract, for the time in which Redis is away.
type podShare struct {
	clock   func() time.Time // of the pod
	epoch   time.Time        // of its microseconds
	ok      bool             // the share is large enough for calls; else none is admitted
	largest int64            // tokens one call may take; 0: tokens are not limited
	active  atomic.Bool

	mu       sync.Mutex
	requests bucket
	tokens   bucket
	pauseEnd micros // of the vendor's pause
}

func (l *podShare) init(c contract, shares int, clock func() time.Time) {
	var largest int
	l.clock, l.epoch = clock, clock()
	l.requests, l.tokens, largest, l.ok = c.share(shares)
	l.largest = int64(largest)
}

func (l *podShare) now() micros { return l.clock().Sub(l.epoch).Microseconds() }

// begin starts local mode. Each time all credit is lost, because other pods may have used it. Calls that sleep on a
// shared booking count against the share.
func (l *podShare) begin(asleep int64) {
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
func (l *podShare) book(tokens int64, wait micros) (booking, ruling) {
	if !l.ok || l.largest > 0 && tokens > l.largest {
		return booking{local: true}, ruling{why: whyShare}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now, cost := l.now(), int64(0)
	if l.largest > 0 {
		cost = tokens * l.tokens.interval
	}
	start, why := l.requests.start(now, l.requests.interval), whyRequests
	if t := l.tokens.start(now, cost); t > start {
		start, why = t, whyTokens
	}
	if start-now > wait {
		return booking{local: true}, ruling{delay: start - now, why: why}
	}
	return booking{
		local: true, tokens: tokens, cost: cost, delay: start - now,
		mark: l.requests.book(now, l.requests.interval), tokenMark: l.tokens.book(now, cost),
	}, ruling{admitted: true}
}

// settle gives back what a call booked and did not use.
func (l *podShare) settle(b *booking, called bool, used int64) {
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

// push delays all later starts by as much as a pause of d is longer than the pause in force.
func (l *podShare) push(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	till := now + d.Microseconds()
	if till <= l.pauseEnd {
		return
	}
	more := till - max(l.pauseEnd, now)
	l.pauseEnd = till
	l.requests.push(now, more)
	l.tokens.push(now, more)
}
