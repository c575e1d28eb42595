package prove

import (
	"runtime"
	"time"

	"github.com/spillway-dev/spillway/test/scale/sim"
)

var scaleOnPaper = scenario{
	file: "scale", title: "A thousand pods, simulated", run: runScale,
	claim: "A thousand pods run the service's own arithmetic and script in virtual time. The contract holds through " +
		"every fault in which the pods agree on whether Redis can be reached. [../scale.md](../scale.md) has the " +
		"assumptions, each scenario, and what one Redis carries.",
}

func runScale(s *Stage) {
	// A quarter of the load of "make scale".
	size := sim.Size{Seed: 1, Pods: 1000, Requests: 5_000, Window: time.Minute, Queue: 5 * time.Second, Windows: 3}
	list := append(size.Scenarios(), size.Chaos())
	results, errs := make([]sim.Result, len(list)), make([]error, len(list))
	parallel(len(list), runtime.GOMAXPROCS(0), func(i int) { results[i], errs[i] = list[i].Run() })
	mustHold, held, mustBreak, broke := 0, 0, 0, 0
	for i, sc := range list {
		if errs[i] != nil {
			s.Fatalf("%s: %v", sc.Name, errs[i])
		}
		broken := results[i].RequestViolations+results[i].TokenViolations > 0
		switch {
		case sc.Breaks == "" && !broken:
			mustHold, held = mustHold+1, held+1
		case sc.Breaks == "":
			mustHold++
			s.Logf("%s: broken", sc.Name)
		case broken:
			mustBreak, broke = mustBreak+1, broke+1
		default:
			mustBreak++
		}
	}
	s.Check(held == mustHold, "scenarios in which the contract must hold",
		figure(mustHold)+" of "+figure(mustHold)+" hold", held)
	s.Check(broke == mustBreak, "scenarios made to break it, to show that the judge finds it",
		figure(mustBreak)+" of "+figure(mustBreak)+" break", broke)
}
