package sim

import (
	"time"

	"github.com/spillway-dev/spillway/internal/llm/quota"
)

// Scenario is a world and its events.
type Scenario struct {
	Name   string
	Breaks string // why the contract is expected to be broken; empty: it must hold
	Least  float64
	Params Params
	Play   func(w *World) // sets the load, and plans the faults
}

// Run plays the scenario from its beginning.
func (s Scenario) Run() (Result, error) {
	w, err := newWorld(s.Params)
	if err != nil {
		return Result{}, err
	}
	w.steady(3)
	s.Play(w)
	return w.run()
}

// Size is the size of the scenarios' worlds.
type Size struct {
	Seed     uint64
	Pods     int
	Requests int // of the contract
	Window   time.Duration
	Queue    time.Duration
	Windows  int // length of a run
}

// params are the assumptions that all scenarios share.
func (s Size) params() Params {
	return Params{
		Seed: s.Seed, Pods: s.Pods, QueueTimeout: s.Queue, Length: time.Duration(s.Windows) * s.Window,
		Quota:  quota.Config{Requests: s.Requests, Window: s.Window, Shares: s.Pods, Fallback: "share"},
		Way:    [2]time.Duration{100 * time.Microsecond, 500 * time.Microsecond},
		Slow:   0.01,
		Budget: 50 * time.Millisecond, ScriptTime: 25 * time.Microsecond, MessageTime: 7 * time.Microsecond,
		VendorWay: [2]time.Duration{2 * time.Millisecond, 12 * time.Millisecond},
		Refusing:  20,
		Answer:    [2]time.Duration{200 * time.Millisecond, 800 * time.Millisecond},
	}
}

// steady has a load of x times the contract.
func (w *World) steady(x float64) {
	perSecond := x * float64(w.params.granted().Requests) / w.params.Quota.Window.Seconds()
	w.rate = func(time.Duration) float64 { return perSecond }
}

// when plans f for a time in windows from the beginning.
func (w *World) when(windows float64, f func()) {
	w.at(epoch+micros(windows*float64(w.params.Quota.Window.Microseconds())), f)
}

// every plans f again and again, at intervals in windows.
func (w *World) every(from, step, to float64, f func()) {
	for t := from; t < to; t += step {
		w.when(t, f)
	}
}

func (w *World) cut(part float64) {
	for i, p := range w.pods {
		p.cut = float64(i) < part*float64(len(w.pods))
	}
}
