package sim

// tell sends the reports of finished calls to Redis: soon, or at once when the model is in a hurry.
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
