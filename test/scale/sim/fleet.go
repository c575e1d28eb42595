package sim

import (
	"slices"
	"time"

	"github.com/spillway-dev/spillway/internal/llm/quota"
)

// scale changes the number of pods to n: new ones start, or the first ones stop.
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

// kill ends n pods at once with all their booked calls, and starts n new ones.
func (w *World) kill(n int) {
	for _, p := range w.pods[:n] {
		p.dead = true
	}
	w.result.Killed += n
	w.pods = slices.Clone(w.pods[n:])
	w.fail(w.scale(w.params.Pods))
}

// roll replaces n pods: new ones start, and old ones accept no more requests and end after their last call.
func (w *World) roll(n int) {
	old := slices.Clone(w.pods[:n])
	for _, p := range old {
		p.leaving = true
	}
	w.pods = slices.Clone(w.pods[n:])
	w.fail(w.scale(w.params.Pods))
	// Reports that an old pod has not sent until then are lost.
	w.after((w.params.QueueTimeout + w.params.Answer[1] + time.Second).Microseconds(), func() {
		for _, p := range old {
			p.dead = true
		}
	})
}
