package sim

// Chaos has one fault after the other at random times: Redis hangs, is gone, empty or slow; pods are killed and
// replaced; gates are closed; the vendor asks for pauses. Two faults are left out, because they let more calls through,
// by an amount that docs/scale.md gives: only some pods reach Redis for long, and a failover to a replica that is
// behind.
func (s Size) Chaos() Scenario {
	p := s.params()
	p.LostMessages = 0.05
	return Scenario{Name: "one trouble after the other, at random", Params: p, Play: func(w *World) {
		window, queue := s.Window.Microseconds(), s.Queue.Microseconds()
		w.steady(0.5 + 3*w.random.Float64())
		shut := micros(0)
		w.gates = func(now micros) micros { return max(now, shut) }
		shutFor := func(lasts micros) { shut = w.now + min(lasts, queue) }
		troubles := []func(lasts micros){
			func(lasts micros) { w.redis.stop(); w.after(lasts, w.redis.resume) },
			func(lasts micros) { w.redis.kill(); w.after(lasts, w.redis.resume) },
			func(lasts micros) { w.redis.kill(); w.after(lasts, w.redis.resumeEmpty) },
			func(lasts micros) { w.redis.extra = lasts % 100_000; w.after(lasts, func() { w.redis.extra = 0 }) },
			func(micros) { w.kill(1 + w.random.IntN(s.Pods/4)) },
			func(micros) { w.roll(1 + w.random.IntN(s.Pods/4)) },
			shutFor, shutFor, // twice as likely, because calls that start late fill windows
			func(micros) { w.refusal = s.Window / 20 },
		}
		var next func()
		next = func() {
			lasts := w.random.Int64N(window / 2)
			troubles[w.random.IntN(len(troubles))](lasts)
			w.after(lasts+w.random.Int64N(window/2), next)
		}
		w.after(window/4, next)
	}}
}
