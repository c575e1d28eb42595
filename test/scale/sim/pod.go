package sim

import (
	"time"

	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/llm/quota"
)

// pod is one pod: its part of the quota, its view on Redis, and no more.
type pod struct {
	world    *World
	model    *quota.Model
	script   string
	dead     bool // killed: nothing of it happens any more
	leaving  bool // takes no new requests
	cut      bool // does not reach Redis
	asleep   int64
	away     bool // skips Redis
	doubt    int
	flushing bool // looks every flushEvery whether there is something to tell
}

// call is one request in a pod.
type call struct {
	pod      *pod
	tokens   int64 // estimate
	used     int64
	limit    micros // end of its patience
	deadline micros // end of its queue timeout
	booking  quota.Booking
}

// What redisx's guard does.
const (
	perFailure, perAnswer, tooMuch = 2, 1, 6
	probeEvery                     = 200 * time.Millisecond
	probeBudget                    = 400 * time.Millisecond
	flushEvery                     = 50 * time.Millisecond
)

func (p *pod) time() time.Time { return time.UnixMicro(p.world.now) }

// take is the arrival of a request.
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

// alone books from the pod's share.
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

// wake is where a booked call looks whether it may start, and goes to sleep until then.
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

// leave is the way from the quota to the vendor: through gates of this pod that may be full for a while.
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

// judge is the guard's view after a command.
func (p *pod) judge(ok bool) {
	if ok {
		p.doubt = max(0, p.doubt-perAnswer)
		return
	}
	p.world.result.Failed++
	if p.doubt += perFailure; p.doubt >= tooMuch && !p.away {
		p.away = true
		p.probe()
	}
}

// probe looks every now and then whether Redis is back.
func (p *pod) probe() {
	w := p.world
	w.after(probeEvery.Microseconds()/2+w.random.Int64N(probeEvery.Microseconds()), func() {
		switch {
		case p.dead:
		case w.redis.answers(p):
			p.away, p.doubt = false, perAnswer
			p.tell()
		default:
			p.probe()
		}
	})
}

// tell sees to it that what finished calls have to say reaches Redis.
func (p *pod) tell() {
	if p.model.Woken() && !p.flushing {
		p.flushing = true
		p.look()
	}
	if p.model.Hurried() {
		p.flush(true)
	}
}

func (p *pod) look() {
	p.world.after(flushEvery.Microseconds(), func() {
		if p.dead {
			return
		}
		if parked := p.flush(false); parked {
			p.flushing = false
			p.tell()
			return
		}
		p.look()
	})
}

func (p *pod) flush(urgent bool) (parked bool) {
	if p.away {
		return false
	}
	args, parked := p.model.Flush(p.asleep, urgent)
	if args == nil {
		return parked
	}
	p.world.result.Flushes++
	p.world.redis.send(p, args, func(answer string, ok bool) {
		p.judge(ok)
		if ok {
			_, _, err := p.model.Answered(answer, 0)
			p.world.fail(err)
		}
	})
	return false
}
