package quota

import (
	"math"
	"time"
)

// micros is a time or a duration in whole microseconds, the unit of Redis's clock. Integers are exact here and in Lua.
// Every rounding is to the side that lets fewer calls through.
type micros = int64

// emission is the interval T at which a bucket of the given burst drains, so that no window of length w ever sees more
// than limit starts, although a call may start up to q after it was booked.
//
// Starts in a window are booked in a span of w+q. GCRA books at most burst + floor((w+q)/T) in any span of that length,
// hence T = (w+q) / (limit-burst) keeps it to limit. With burst = limit nothing may follow within the span.
func emission(limit, burst int, w, q micros) micros {
	if burst >= limit {
		return w + q + 1
	}
	rest := int64(limit - burst)
	return (w + q + rest - 1) / rest
}

// bucket is GCRA with reservation: a virtual queue that drains in real time. It is the arithmetic of quota.lua for one
// pod. All times are of one clock. The zero value is unlimited.
//
// Bookings may be refunded in any order. The start of a booking that is kept is never before the start it would have
// without the refunded bookings. So the bound of emission holds for the kept bookings, when each call starts within q
// of its booking.
type bucket struct {
	interval micros // what one unit costs
	burst    micros // how far the queue may reach ahead before a call has to wait
	end      micros // when the queue will be empty: the theoretical arrival time (TAT) of GCRA
	back     micros // the sum of all that was given back
}

// start returns the earliest start of a booking of cost made at now. A cost over the burst has to find the queue empty.
func (b *bucket) start(now, cost micros) micros {
	return max(now, max(b.end, now)+cost-max(b.burst, cost))
}

// book takes cost out of the bucket and returns the mark with which it can be given back.
func (b *bucket) book(now, cost micros) (mark micros) {
	b.end = max(b.end, now) + cost
	return b.end + b.back
}

// refund gives the cost of a booking, or a part of it, back. What has drained since the booking is not given back: it
// would be credit for time that has passed. mark-back is where the booking ends now, if all refunds after it were of
// bookings before it. They may not have been, and then too little is given back, which is the safe side.
func (b *bucket) refund(now, mark, cost micros) {
	r := min(cost, mark-b.back-now)
	if r > 0 {
		b.end -= r
		b.back += r
	}
}

// drain takes away the burst: the next unit starts one interval from now.
func (b *bucket) drain(now micros) { b.end = max(b.end, now+b.burst) }

// push delays everything that has not started by d.
func (b *bucket) push(now, d micros) { b.end = max(b.end, now+b.burst-b.interval) + d }

// ledgerSlices is the number of slices that the token ledger cuts a window into.
const ledgerSlices = 60

// contract is the vendor's contract in the units of the arithmetic.
type contract struct {
	requests, tokens int // per window; 0: not limited
	window, queue    micros
	burst            int     // requests that may start at once
	interval         micros  // between requests
	slice            micros  // of the token ledger
	pace             float64 // microseconds per token
	tokenBurst       micros  // tolerance of the pace
}

// newContract does the arithmetic of cfg once.
func newContract(cfg Config, queueTimeout time.Duration) contract {
	c := contract{
		requests: cfg.Requests,
		tokens:   cfg.Tokens,
		window:   cfg.Window.Microseconds(),
		queue:    queueTimeout.Microseconds(),
	}
	c.slice = (c.window + ledgerSlices - 1) / ledgerSlices
	if c.requests > 0 {
		c.burst = cfg.Burst
		if c.burst == 0 {
			c.burst = max(1, c.requests/50)
		}
		c.interval = emission(c.requests, c.burst, c.window, c.queue)
	}
	if c.tokens > 0 {
		// The ledger keeps the limit of the tokens. The pace only spreads them over the window: a tenth of the contract
		// may be used at once, and the rest flows a little slower than the ledger would allow.
		c.pace = float64(c.window+c.queue) / (0.95 * float64(c.tokens))
		c.tokenBurst = micros(math.Ceil(c.pace * 0.1 * float64(c.tokens)))
	}
	return c
}

// share returns what one of n pods may use without Redis: the same arithmetic on the nth part of the contract, without
// a burst of requests, and never faster than the nth part of the shared pace. ok is false when that part is less than
// one call, because the shares would then break the contract together.
func (c contract) share(n int) (requests, tokens bucket, largest int, ok bool) {
	if c.requests > 0 {
		own := c.requests / n
		if own == 0 {
			return requests, tokens, 0, false
		}
		requests.interval = max(emission(own, 1, c.window, c.queue), c.interval*int64(n))
		requests.burst = requests.interval
	}
	if c.tokens > 0 {
		// Half the share may be used at once, which is also the largest call, and the other half flows in over the
		// window.
		own := c.tokens / n
		if own < 2 {
			return requests, tokens, 0, false
		}
		largest = own / 2
		tokens.interval = emission(own, largest, c.window, c.queue)
		tokens.burst = int64(largest) * tokens.interval
	}
	return requests, tokens, largest, true
}
