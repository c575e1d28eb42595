package sim

import "time"

// The numbers of redisx's guard.
const (
	perFailure, perAnswer, tooMuch = 2, 1, 6
	probeEvery                     = 200 * time.Millisecond
	probeBudget                    = 400 * time.Millisecond
	flushEvery                     = 50 * time.Millisecond
)

// judge counts the result of a command.
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

// probe probes Redis until it is back.
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
