package prove

import (
	"slices"
	"strings"
	"time"

	"gonum.org/v1/plot/plotter"
)

// transition is a change of a pod's breaker, from the pod's own log.
type transition struct {
	at    time.Time
	state string
}

func (p *Pod) transitions() (all []transition) {
	for _, l := range p.Logged("breaker ") {
		all = append(all, transition{l.Time, strings.TrimPrefix(l.Msg, "breaker ")})
	}
	return all
}

// transitions waits until each pod's breaker has reached the state after the given time. It returns when each one
// reached it first, the earliest first.
func (c *Cluster) transitions(pods []*Pod, state string, since time.Time) (at []time.Time) {
	is := func(t transition) bool { return t.state == state && t.at.After(since) }
	for _, p := range pods {
		c.eventually(p.Name+"'s breaker is "+state, func() bool { return slices.ContainsFunc(p.transitions(), is) })
		all := p.transitions()
		at = append(at, all[slices.IndexFunc(all, is)].at)
	}
	slices.SortFunc(at, time.Time.Compare)
	return at
}

// openPods is the number of pods whose breaker is not closed, over time.
func openPods(pods []*Pod, began, until time.Time) plotter.XYs {
	changes := map[time.Time]float64{}
	for _, p := range pods {
		state := "closed"
		for _, t := range p.transitions() {
			switch {
			case state == "closed" && t.state != "closed":
				changes[t.at]++
			case state != "closed" && t.state == "closed":
				changes[t.at]--
			}
			state = t.state
		}
	}
	points := steps(changes, began)
	last := 0.0
	if len(points) > 0 {
		last = points[len(points)-1].Y
	}
	return append(points, plotter.XY{X: until.Sub(began).Seconds(), Y: last})
}
