package sim

// condition is the state of Redis.
type condition int

const (
	well    condition = iota
	stopped           // accepts commands, and answers them after it resumes
	refused           // there is no server
)

// store is the Redis of a simulation: a single thread with a queue, behind a network.
type store struct {
	world     *World
	lua       *luaRedis
	condition condition
	extra     micros // additional time of every answer
	busyUntil micros
	backlog   []func() // commands that a stopped Redis has accepted

	life     int // number of restarts
	commands int
	messages int
	busy     micros
	longest  micros // longest wait in the queue
}

// send sends the script's arguments to Redis. done is called once: with the answer, or with ok false when there is none
// within the budget. Redis runs what it has accepted, also when no caller waits for it any more.
func (s *store) send(p *pod, args []any, done func(answer string, ok bool)) {
	w := s.world
	waiting := true
	finish := func(answer string, ok bool) {
		if waiting && !p.dead {
			waiting = false
			done(answer, ok)
		}
	}
	if s.condition == refused && !p.cut {
		w.after(w.way(), func() { finish("", false) })
		return
	}
	w.after(w.params.Budget.Microseconds(), func() { finish("", false) })
	if p.cut {
		return
	}
	w.after(w.way(), func() {
		if s.condition == stopped {
			s.backlog = append(s.backlog, func() { s.serve(p, args, finish) })
			return
		}
		s.serve(p, args, finish)
	})
}

// serve runs the script after those before it.
func (s *store) serve(p *pod, args []any, finish func(string, bool)) {
	w := s.world
	if s.condition == refused {
		return
	}
	life, cost := s.life, w.params.ScriptTime.Microseconds()
	start := max(w.now, s.busyUntil)
	s.busyUntil = start + cost
	s.longest = max(s.longest, start-w.now)
	w.at(s.busyUntil, func() {
		if s.life != life {
			return
		}
		s.commands++
		s.busy += cost
		answer, err := s.lua.eval(p.script, quotaKey, args)
		if err != nil {
			w.fail(err)
			return
		}
		s.publish()
		w.after(w.way()+s.extra, func() {
			if !p.cut {
				finish(answer, true)
			}
		})
	})
}

const quotaKey = "llm:{vendor}:quota:simulated"

// publish sends the script's messages to all pods.
func (s *store) publish() {
	w := s.world
	for _, m := range s.lua.published {
		s.messages++
		s.busyUntil = max(s.busyUntil, w.now) + micros(len(w.pods))*w.params.MessageTime.Microseconds()
		for _, p := range w.pods {
			if p.cut || w.random.Float64() < w.params.LostMessages {
				continue
			}
			w.after(w.way(), func() {
				if !p.dead {
					w.fail(p.model.Announced(m))
				}
			})
		}
	}
}

// answers reports whether a probe of p would be answered.
func (s *store) answers(p *pod) bool {
	return s.condition == well && !p.cut && s.extra < probeBudget.Microseconds()
}

// stop makes Redis hang, as SIGSTOP does.
func (s *store) stop() { s.condition = stopped }

// kill ends Redis. Commands that it has accepted and not run are lost.
func (s *store) kill() { s.condition, s.backlog, s.life = refused, nil, s.life+1 }

// resumeEmpty brings Redis back without its data.
func (s *store) resumeEmpty() {
	s.lua.lose()
	s.resume()
}

// resume brings Redis back. It first runs the commands that it accepted while it was stopped.
func (s *store) resume() {
	s.condition, s.busyUntil = well, s.world.now
	backlog := s.backlog
	s.backlog = nil
	for _, f := range backlog {
		f()
	}
}
