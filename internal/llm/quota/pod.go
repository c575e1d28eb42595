package quota

import (
	"time"

	"github.com/spillway-dev/spillway/internal/llm"
)

// podState is the state of the quota in one pod and its decisions. It does no I/O and does not sleep: Quota does both,
// and Model does both in a simulation. It is safe for concurrent use.
type podState struct {
	contract contract
	noRedis  bool // this pod has no Redis: it always books from its share
	local    podShare
	pauses   pauses
	pending  *pending
}

func newPodState(c contract, shares int, noRedis bool, clock func() time.Time) *podState {
	p := &podState{contract: c, noRedis: noRedis, pending: newPending()}
	p.pauses.init()
	p.local.init(c, shares, clock)
	return p
}

// bookLocal books from this pod's share and adds the tokens to the report. asleep is the number of calls that wait for
// their start.
func (p *podState) bookLocal(tokens int64, wait micros, asleep int64, now time.Time) (booking, ruling) {
	p.local.begin(asleep)
	known := p.pauses.current.Load().pause // pauses before the booking do not move its start
	b, v := p.local.book(tokens, wait)
	b.pause = known
	if v.admitted && !p.noRedis {
		p.pending.add(now, func(r *report) { r.addLocal(tokens, 2*p.local.largest) })
	}
	return b, v
}

// accept takes over an answer of the script: the pause, and the booking when the script granted it. asked is the pause
// that this pod knew when the script was sent.
func (p *podState) accept(v *ruling, tokens int64, asked pause, now time.Time) booking {
	p.local.active.Store(false)
	if p.pauses.observe(v.pause, now); v.before(asked) && p.pauses.revert(asked, v.pause, now) {
		p.pending.revert(v.generation)
	}
	return booking{tokens: tokens, delay: v.delay, mark: v.mark, cost: v.cost, slice: v.slice, pause: v.pause}
}

// applyPause starts a pause of d that the vendor asked for: in this pod at once, in other pods when Redis has
// announced it. It reports whether the pause is new or longer.
func (p *podState) applyPause(d time.Duration, now time.Time) bool {
	d = min(d, time.Duration(pauseWindows*p.contract.window)*time.Microsecond)
	if !p.pauses.begin(d, now) {
		return false
	}
	p.local.push(d)
	if !p.noRedis {
		p.pending.addPause(now, now.Add(d))
		p.pending.hurry()
	}
	return true
}

// settle gives back what a call booked and did not use, or books what it used beyond. known reports whether used is
// the count of the vendor. When it is not known, a shared booking keeps its estimate.
func (p *podState) settle(b *booking, called bool, used int64, known bool, now time.Time) {
	switch {
	case b.local:
		p.local.settle(b, called, used)
		if used != b.tokens && !p.noRedis {
			p.pending.add(now, func(r *report) { r.correctLocal(used - b.tokens) })
		}
	case !called:
		p.pending.add(now, func(r *report) { r.refund(b) })
	case known:
		pace := micros(float64(used)*p.contract.pace) - b.cost
		p.pending.add(now, func(r *report) { r.settle(b, used, pace) })
	}
}

// patience is how far ahead a call of the priority may book, when left remains of the queue timeout.
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
