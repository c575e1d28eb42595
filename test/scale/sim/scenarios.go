package sim

import (
	"time"
)

// Scenarios returns all scenarios, in the order of the table.
func (s Size) Scenarios() []Scenario {
	list := append(s.load(), s.pods()...)
	return append(append(list, s.outages()...), s.limits()...)
}

// load has the scenarios about clients.
func (s Size) load() []Scenario {
	delays := s.params()
	delays.Way, delays.VendorWay = [2]time.Duration{time.Millisecond, 20 * time.Millisecond},
		[2]time.Duration{time.Millisecond, 200 * time.Millisecond}
	tokens := s.params()
	tokens.Tokens, tokens.Quota.Tokens = 1000, 300*s.Requests
	return []Scenario{
		{Name: "steady, 3 x the contract", Params: s.params(), Least: 0.89, Play: func(*World) {}},
		{Name: "steady, tokens are what is short", Params: tokens, Play: func(*World) {}},
		{Name: "quiet, then 8 x, again and again", Params: s.params(), Play: func(w *World) {
			window := w.params.Quota.Window.Seconds()
			peak := 8 * float64(s.Requests) / window
			w.rate = func(since time.Duration) float64 {
				if phase := since.Seconds() / (0.75 * window); phase-float64(int(phase)) < 0.6 {
					return 0
				}
				return peak
			}
		}},
		{Name: "lockstep: two requests to every pod at once", Params: s.params(),
			Play: func(w *World) { w.lockstep(2) }},
		{Name: "lockstep: ten requests to every pod at once", Params: s.params(),
			Play: func(w *World) { w.lockstep(10) }},
		{Name: "gates of all pods shut for the queue timeout", Params: impatient(s.params()),
			Least: 0.85, Play: s.lateStarts},
		{Name: "slow network to Redis and to the vendor", Params: delays, Play: func(*World) {}},
		{Name: "the vendor answers 429, Retry-After a twentieth of the window", Params: s.params(),
			Play: func(w *World) {
				w.every(1.2, 0.4, float64(s.Windows), func() { w.refusal = s.Window / 20 })
			}},
		{Name: "every call of a second is answered 429, after a while", Params: slowly(s.params()),
			Play: func(w *World) {
				w.every(1.2, 0.4, float64(s.Windows), func() {
					w.refusal, w.refuseAll = s.Window/20, true
					w.after(1_000_000, func() { w.refusal, w.refuseAll = 0, false })
				})
			}},
		{Name: "429 for one call, and one announcement in five is lost", Params: lossy(s.params()),
			Play: func(w *World) {
				w.every(1.2, 0.4, float64(s.Windows), func() { w.refusal = s.Window / 20 })
			}},
	}
}

func slowly(p Params) Params { p.Refusing = 1; return p }

func lossy(p Params) Params { p.LostMessages = 0.2; return p }

func impatient(p Params) Params { p.NoWaiting = true; return p }

// lateStarts makes windows as full as they can be. It was quiet for so long that the burst is unused. Then calls are
// booked without a wait and all start late and together, because a gate behind the quota was closed. The arithmetic
// leaves room for both.
func (s Size) lateStarts(w *World) {
	burst := float64(max(1, s.Requests/50))
	quiet := micros(2 * burst / (float64(s.Requests) - burst) * float64((s.Window + s.Queue).Microseconds()))
	shut := s.Queue.Microseconds() * 99 / 100
	period := s.Window.Microseconds() + shut + quiet
	left := func() micros { return period - (w.now-epoch)%period }
	full := w.rate(0)
	w.rate = func(time.Duration) float64 {
		if left() < shut+quiet && left() > shut {
			return 0
		}
		return full
	}
	w.gates = func(now micros) micros {
		if left() < shut {
			return now + left()
		}
		return now
	}
}

// lockstep sends n requests to each pod in the same microsecond, as clients do that start on the full minute.
func (w *World) lockstep(n int) {
	w.rate = func(time.Duration) float64 { return 0 }
	every := float64(n*w.params.Pods) / (3 * float64(w.params.Quota.Requests))
	w.every(0.3, every, float64(w.params.Length)/float64(w.params.Quota.Window), func() {
		for range n {
			for _, p := range w.pods {
				w.request(p)
			}
		}
	})
}

// pods has the scenarios about pods.
func (s Size) pods() []Scenario {
	few := s.params()
	few.Pods = s.Pods / 100
	end := float64(s.Windows)
	return []Scenario{
		{Name: "scale-up: a hundred times the pods at once", Params: few, Play: func(w *World) {
			w.when(1.5, func() { w.fail(w.scale(s.Pods)) })
		}},
		{Name: "rolling restart of all pods", Params: s.params(), Play: func(w *World) {
			w.every(1, 0.02, 3, func() { w.roll(s.Pods / 100) })
		}},
		{Name: "a tenth of the pods killed, again and again", Params: s.params(), Play: func(w *World) {
			w.every(1, 0.25, end, func() { w.kill(s.Pods / 10) })
		}},
	}
}

// outages has the scenarios about Redis.
func (s Size) outages() []Scenario {
	reject, half := s.params(), s.params()
	reject.Quota.Fallback = "reject"
	half.Granted, half.Quota.Requests = s.Requests, s.Requests/2
	away := func(go_, back func(w *World)) func(*World) {
		return func(w *World) {
			w.when(1.3, func() { go_(w) })
			w.when(2.6, func() { back(w) })
		}
	}
	return []Scenario{
		{Name: "Redis hangs, and goes on", Params: s.params(),
			Play: away(func(w *World) { w.redis.stop() }, func(w *World) { w.redis.resume() })},
		{Name: "Redis is killed, and comes back empty", Params: s.params(),
			Play: away(func(w *World) { w.redis.kill() }, func(w *World) { w.redis.resumeEmpty() })},
		{Name: "Redis loses everything between two commands", Params: s.params(), Play: func(w *World) {
			w.every(1.3, 1, float64(s.Windows), func() { w.redis.lua.lose() })
		}},
		{Name: "the same ten times a window, no call waits", Params: impatient(s.params()), Play: func(w *World) {
			w.every(1.3, 0.1, float64(s.Windows), func() { w.redis.lua.lose() })
		}},
		{Name: "Redis fails over to a replica that is behind by a 60th of the window", Params: s.params(),
			Play: func(w *World) {
				w.every(1.3, 1, float64(s.Windows), func() {
					old := w.redis.lua.snapshot()
					w.after(s.Window.Microseconds()/60, func() { w.redis.lua.hashes = old })
				})
			}},
		{Name: "Redis answers after 60 ms", Params: s.params(),
			Play: away(func(w *World) { w.redis.extra = 60_000 }, func(w *World) { w.redis.extra = 0 })},
		{Name: "Redis comes and goes every half second", Params: s.params(), Play: func(w *World) {
			for t := w.params.Quota.Window; t < 3*w.params.Quota.Window; t += time.Second {
				w.at(epoch+t.Microseconds(), func() { w.redis.kill() })
				w.at(epoch+t.Microseconds()+500_000, func() { w.redis.resume() })
			}
		}},
		{
			Name: "half of the pods cut off from Redis", Params: s.params(),
			Play:   away(func(w *World) { w.cut(0.5) }, func(w *World) { w.cut(0) }),
			Breaks: "both halves count for themselves",
		},
		{Name: "the same with QUOTA_FALLBACK=reject", Params: reject,
			Play: away(func(w *World) { w.cut(0.5) }, func(w *World) { w.cut(0) })},
		{Name: "the same with QUOTA_REQUESTS at half of the contract", Params: half,
			Play: away(func(w *World) { w.cut(0.5) }, func(w *World) { w.cut(0) })},
	}
}

// limits has the scenarios about settings.
func (s Size) limits() []Scenario {
	shares, small, smallMore := s.params(), s.params(), s.params()
	shares.Quota.Shares = s.Pods / 100
	small.Quota.Requests = s.Pods / 2
	smallMore.Quota.Requests, smallMore.Quota.Shares = s.Pods/2, s.Pods/10
	gone := func(w *World) { w.when(1.3, func() { w.redis.kill() }) }
	return []Scenario{
		{Name: "Redis gone, QUOTA_SHARES a hundredth of the pods", Params: shares, Play: gone,
			Breaks: "every pod takes a hundred times its share"},
		{Name: "Redis gone, half a call per pod and window", Params: small, Play: gone},
		{Name: "the same with QUOTA_SHARES a tenth of the pods", Params: smallMore,
			Play: gone, Breaks: "more pods than shares"},
	}
}
