package sim

import (
	"time"

	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/llm/quota"
)

// pod is one pod: its part of the quota, and its view of Redis.
type pod struct {
	world    *World
	model    *quota.Model
	script   string
	dead     bool  // killed: it does nothing any more
	leaving  bool  // stopping: it accepts no new requests
	cut      bool  // it cannot reach Redis
	asleep   int64 // calls that wait for their start
	away     bool  // it skips Redis
	doubt    int
	flushing bool // it checks every flushEvery whether there is something to report
}

// call is one request in a pod.
type call struct {
	pod      *pod
	tokens   int64 // estimate
	used     int64
	limit    micros // the latest start that the quota allows
	deadline micros // end of the queue timeout
	booking  quota.Booking
}

func (p *pod) time() time.Time { return time.UnixMicro(p.world.now) }

// take accepts a request.
func (p *pod) take(class llm.Priority, tokens, used int64) {
	w := p.world
	queue := w.params.QueueTimeout
	wait := p.model.Patience(class, queue)
	c := &call{pod: p, tokens: tokens, used: used, limit: w.now + wait.Microseconds(), deadline: w.now +
		queue.Microseconds()}
	w.result.Offered++
	if p.away {
		p.alone(c, wait)
		return
	}
	w.redis.send(p, p.model.Ask(tokens, wait, p.asleep), func(answer string, ok bool) {
		p.judge(ok)
		if !ok {
			p.alone(c, wait)
			return
		}
		b, granted, err := p.model.Answered(answer, tokens)
		w.fail(err)
		p.decided(c, b, granted)
	})
}

// alone books from the pod's own share.
func (p *pod) alone(c *call, wait time.Duration) {
	if p.world.params.Quota.Fallback == "reject" {
		p.world.result.Rejected++
		return
	}
	b, granted := p.model.BookLocal(c.tokens, wait, p.asleep)
	p.decided(c, b, granted)
}

func (p *pod) decided(c *call, b quota.Booking, granted bool) {
	p.tell()
	if !granted {
		p.world.result.Rejected++
		return
	}
	c.booking = b
	p.asleep++
	p.wake(c)
}

// wake starts a booked call when it may start, or lets it sleep until then.
func (p *pod) wake(c *call) {
	if p.dead {
		return
	}
	w := p.world
	start := p.model.Start(&c.booking).UnixMicro()
	switch {
	case start <= w.now:
		p.asleep--
		p.leave(c)
	case w.now >= c.deadline:
		p.asleep--
		p.giveUp(c, &w.result.TimedOut)
	case start > c.limit && start > c.booking.Booked().UnixMicro():
		p.asleep--
		p.giveUp(c, &w.result.Moved)
	default:
		w.at(min(start, c.deadline), func() { p.wake(c) })
	}
}

// giveUp ends a booked call that is not made.
func (p *pod) giveUp(c *call, count *int) {
	*count++
	p.model.Settle(&c.booking, false, 0)
	p.tell()
}

// leave takes a call from the quota to the vendor, through gates of this pod that may be closed for a while.
func (p *pod) leave(c *call) {
	w := p.world
	free := w.gatesFree(w.now)
	w.at(min(free, c.deadline), func() {
		switch {
		case p.dead:
		case free > c.deadline:
			p.giveUp(c, &w.result.TimedOut)
		case !p.model.Recheck():
			p.giveUp(c, &w.result.Moved)
		default:
			w.vendor(c)
		}
	})
}
