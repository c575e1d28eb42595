package quota

import (
	"time"

	"github.com/spillway-dev/spillway/internal/llm"
)

// quotaPod is what one pod knows of the quota, and what it does with it. It knows no clock and does no I/O: Quota gives it
// the time, a connection and sleep, and Model gives it a simulation's. It is safe for concurrent use.
type quotaPod struct {
	contract contract
	alone    bool // there is no Redis, ever
	local    localQuota
	holds    holds
	pending  *pending
}

func newQuotaPod(c contract, shares int, alone bool, clock func() time.Time) *quotaPod {
	p := &quotaPod{contract: c, alone: alone, pending: newPending()}
	p.holds.init()
	p.local.init(c, shares, clock)
	return p
}

// bookAlone books from the pod's share and notes for Redis's return what was used meanwhile. asleep is the number of calls
// that wait for their booked start.
func (p *quotaPod) bookAlone(tokens int64, wait micros, asleep int64, now time.Time) (booking, ruling) {
	p.local.begin(asleep)
	known := p.holds.current.Load().pause // what is over by now moves this start no more
	b, v := p.local.book(tokens, wait)
	b.pause = known
	if v.admitted == 1 && !p.alone {
		p.pending.add(now, func() { p.pending.aloneLocked(tokens, 2*p.local.largest) })
	}
	return b, v
}

// heard takes in an answer of the script: what it says beside its verdict, and the booking if it granted one. asked is what was
// known of the vendor's pauses when the script was sent.
func (p *quotaPod) heard(v *ruling, tokens int64, asked pause, now time.Time) booking {
	p.local.active.Store(false)
	if p.holds.observe(v.pause, now); v.before(asked) && p.holds.goBack(asked, v.pause, now) {
		p.pending.goBack(v.generation)
	}
	return booking{tokens: tokens, delay: v.delay, mark: v.mark, cost: v.cost, slice: v.slice, pause: v.pause}
}

// demand obeys a vendor that wants to be left alone for d: in this pod at once, in all others as soon as Redis has told
// them. It reports whether that was news.
func (p *quotaPod) demand(d time.Duration, now time.Time) bool {
	d = min(d, time.Duration(holdWindows*p.contract.window)*time.Microsecond)
	if !p.holds.demand(d, now) {
		return false
	}
	p.local.push(d)
	if !p.alone {
		p.pending.add(now, func() { p.pending.hold = later(p.pending.hold, now.Add(d)) })
		p.pending.hurry()
	}
	return true
}

// settle gives back what a call booked and did not use, or books what it used beyond. used is what there is to go by when
// the vendor's count is not known.
func (p *quotaPod) settle(b *booking, called bool, used int64, known bool, now time.Time) {
	switch {
	case b.alone:
		p.local.settle(b, called, used)
		if used != b.tokens && !p.alone {
			p.pending.add(now, func() { p.pending.settleAloneLocked(used - b.tokens) })
		}
	case !called:
		p.pending.add(now, func() { p.pending.refundLocked(b) })
	case known:
		pace := micros(float64(used)*p.contract.pace) - b.cost
		p.pending.add(now, func() { p.pending.settleLocked(b, used, pace) })
	}
}

// patience is how far ahead a call may book of which so much of the queue timeout is left.
func patience(class llm.Priority, left time.Duration) time.Duration {
	switch class {
	case llm.Low:
		return min(left, instant)
	case llm.Normal:
		return left / 2
	default:
		return left
	}
}
