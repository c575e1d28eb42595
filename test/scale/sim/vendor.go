package sim

import "time"

// vendor is a call on its way to the vendor and back.
func (w *World) vendor(c *call) {
	w.after(w.between(w.params.VendorWay), func() {
		calls, tokens := w.judge.Arrive(time.UnixMicro(w.now), int(c.used))
		point := w.point()
		point.Called++
		if w.params.Quota.Requests == 0 {
			calls = tokens
		}
		point.Window = max(point.Window, calls)
		if c.booking.Local() {
			w.result.Alone++
			point.Alone++
		}
		if w.now > w.pauseFrom && w.now < w.pauseTill {
			w.result.Early++
		}
		pause := w.refusal
		took := w.between(w.params.Answer)
		if !w.refuseAll {
			w.refusal = 0
		}
		if pause > 0 {
			took = 1000 + took/max(1, w.params.Refusing)
			if w.now >= w.pauseTill {
				w.pauseFrom = w.now + took + 100_000
			}
			w.pauseTill = max(w.pauseTill, w.now+took+pause.Microseconds())
		}
		w.after(took, func() { c.pod.answered(c, pause) })
	})
}

// answered gives the vendor's answer to the pod.
func (p *pod) answered(c *call, pause time.Duration) {
	if p.dead {
		return
	}
	if pause > 0 {
		p.model.Pause(pause)
	}
	p.model.Settle(&c.booking, true, c.used)
	p.tell()
}
