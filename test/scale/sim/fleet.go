package sim

import (
	"slices"
	"time"

	"github.com/spillway-dev/spillway/internal/llm/quota"
)

// scale brings the number of pods to n: new ones start, and the first ones leave.
func (w *World) scale(n int) error {
	arithmetic := w.params.QueueTimeout
	if w.params.arithmeticQueue > 0 {
		arithmetic = w.params.arithmeticQueue
	}
	for len(w.pods) < n {
		p := &pod{world: w, doubt: perAnswer}
		var err error
		if p.model, err = quota.NewModel(w.params.Quota, arithmetic, p.time); err != nil {
			return err
		}
		p.script = p.model.Script()
		if w.params.mutate != nil {
			p.script = w.params.mutate(p.script)
		}
		w.pods = append(w.pods, p)
	}
	return nil
}

// kill ends n pods at once, with all they have booked, and new ones take their place.
func (w *World) kill(n int) {
	for _, p := range w.pods[:n] {
		p.dead = true
	}
	w.result.Killed += n
	w.pods = slices.Clone(w.pods[n:])
	w.fail(w.scale(w.params.Pods))
}

// roll replaces n pods: new ones start, old ones take no more requests and end when what they have is done.
func (w *World) roll(n int) {
	old := slices.Clone(w.pods[:n])
	for _, p := range old {
		p.leaving = true
	}
	w.pods = slices.Clone(w.pods[n:])
	w.fail(w.scale(w.params.Pods))
	// What they have not reported within a while is lost with them.
	w.after((w.params.QueueTimeout + w.params.Answer[1] + time.Second).Microseconds(), func() {
		for _, p := range old {
			p.dead = true
		}
	})
}
