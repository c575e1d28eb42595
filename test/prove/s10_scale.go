package prove

import (
	"runtime"
	"sync"
	"time"

	"github.com/spillway-dev/spillway/test/scale/sim"
)

var scaleOnPaper = scenario{
	file: "scale", title: "A thousand pods, simulated", run: runScale,
	claim: "The service's own arithmetic and script, with a thousand pods in virtual time: the contract holds in " +
		"every trouble in which the " +
		"pods agree on whether Redis is there. What one Redis carries, the assumptions and each scenario are in " +
		"[../scale.md](../scale.md).",
}

func runScale(s *Stage) {
	// A quarter of that of "make scale".
	size := sim.Size{Seed: 1, Pods: 1000, Requests: 5_000, Window: time.Minute, Queue: 5 * time.Second, Windows: 3}
	list := append(size.Scenarios(), size.Chaos())
	results, errs := make([]sim.Result, len(list)), make([]error, len(list))
	var wg sync.WaitGroup
	turn := make(chan struct{}, runtime.GOMAXPROCS(0))
	for i := range list {
		wg.Go(func() {
			turn <- struct{}{}
			defer func() { <-turn }()
			results[i], errs[i] = list[i].Run()
		})
	}
	wg.Wait()
	held, hold, noticed, breaks := 0, 0, 0, 0
	for i, sc := range list {
		if errs[i] != nil {
			s.Fatalf("%s: %v", sc.Name, errs[i])
		}
		broken := results[i].RequestViolations+results[i].TokenViolations > 0
		switch {
		case sc.Breaks == "" && !broken:
			held, hold = held+1, hold+1
		case sc.Breaks == "":
			hold++
			s.Logf("%s: broken", sc.Name)
		case broken:
			noticed, breaks = noticed+1, breaks+1
		default:
			breaks++
		}
	}
	s.Check(held == hold, "scenarios in which the contract must hold", figure(hold)+" of "+figure(hold)+" hold", held)
	s.Check(noticed == breaks, "scenarios made to break it, so that the judge is known to see", figure(breaks)+" of "+
		figure(breaks)+" break", noticed)
}
