package prove

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"gonum.org/v1/plot/plotter"

	"github.com/spillway-dev/spillway/internal/vendorsim"
)

var podsAgree = scenario{
	file: "agree", title: "All pods agree", short: true, run: runAgree,
	claim: "The vendor fails for a while, again and again, under load. All pods stop calling together, one probe at " +
		"a time finds out " +
		"whether it is well again, and then all come back.",
}

func runAgree(s *Stage) {
	const (
		open     = time.Second
		together = 100 * time.Millisecond
	)
	pods, rounds := pick(s, 10, 3), pick(s, 10, 2)
	c := NewCluster(s, vendorsim.Config{Latency: vendorsim.Constant(30 * time.Millisecond)},
		env("LLM_BREAKER_OPEN", open), "LLM_BREAKER_WINDOW=2s")
	running := c.Start(pods)
	began := time.Now()
	stop := c.Come(Clients{Label: "load", Rate: pick(s, 200.0, 60.0)})

	var opened, closed, recovered []time.Duration
	leaked, probes, overlapping := 0, 0, 0
	for range rounds {
		c.hold(2 * time.Second) // so that the window has forgotten the round before
		failing := time.Now()
		if err := c.Vendor.AddFault(vendorsim.Fault{Kind: "status",
			Status: http.StatusServiceUnavailable}); err != nil {
			s.Fatal(err)
		}
		opens := c.transitions(running, "open", failing)
		c.hold(3 * open / 2) // in which a probe finds the vendor still failing
		c.Vendor.ClearFaults()
		well := time.Now()
		closes := c.transitions(running, "closed", well)
		s.chart.Mark(failing.Sub(began), "vendor fails")
		s.chart.Mark(well.Sub(began), "is well")

		first, end := opens[0], closes[0]
		for i := range running {
			opened = append(opened, opens[i].Sub(first))
			closed = append(closed, closes[i].Sub(end))
			recovered = append(recovered, closes[i].Sub(well))
		}
		var busy time.Time // until then a probe was under way
		for _, call := range c.Vendor.Calls() {
			at := call.Arrived
			switch {
			case at.Before(first.Add(together)), !at.Before(end):
			case at.Before(first.Add(open)): // no pod may probe yet
				leaked++
			default:
				probes++
				if at.Before(busy) {
					overlapping++
				}
				busy = call.Ended
			}
		}
	}
	until := time.Now()
	stop()
	s.CheckTime(quantile(opened, 0.99) <= together, "from the first pod's opening to another's, p99", "at most 100 ms",
		quantile(opened, 0.99))
	s.CheckTime(quantile(closed, 0.99) <= together, "from the first pod's closing to another's, p99", "at most 100 ms",
		quantile(closed, 0.99))
	s.Check(leaked == 0, "calls at the vendor while open, from 100 ms after the first opening", "0", leaked)
	s.Check(overlapping == 0 && probes > 0, "probes that overlapped another", "0", overlapping)
	s.CheckTime(quantile(recovered, 1) <= open+time.Second, "from the vendor's recovery to the last pod's",
		"at most BREAKER_OPEN + 1 s = 2 s", quantile(recovered, 1))
	s.Note("%d pods, %d rounds, %d openings; %d probes in all. BREAKER_OPEN is %v.", pods, rounds, len(opened), probes,
		open)

	s.chart.Panels = []Panel{
		Outcomes(c.Timeline.Results(began, until), began),
		{Y: "per second at the vendor", Series: []Series{{Name: "vendor calls", Color: blue,
			Points: rates(arrivals(c.Vendor.Calls()), began, until)}}},
		{Y: "pods whose breaker is open", Series: []Series{{Name: "open pods", Color: red,
			Points: openPods(running, began, until)}}},
	}
}

// change is a transition of a pod's breaker, from the pod's own log.
type change struct {
	at    time.Time
	state string
}

func (p *Pod) changes() (all []change) {
	for _, l := range p.Logged("breaker ") {
		all = append(all, change{l.Time, strings.TrimPrefix(l.Msg, "breaker ")})
	}
	return all
}

// transitions waits until every pod's breaker has got to a state since a time, and returns when each did for the first
// time, earliest first.
func (c *Cluster) transitions(pods []*Pod, state string, since time.Time) (at []time.Time) {
	for _, p := range pods {
		var first time.Time
		c.eventually(p.Name+"'s breaker is "+state, func() bool {
			i := slices.IndexFunc(p.changes(), func(ch change) bool { return ch.state == state && ch.at.After(since) })
			if i >= 0 {
				first = p.changes()[i].at
			}
			return i >= 0
		})
		at = append(at, first)
	}
	slices.SortFunc(at, time.Time.Compare)
	return at
}

// openPods is the number of pods whose breaker is not closed, over time.
func openPods(pods []*Pod, began, until time.Time) (points plotter.XYs) {
	type turn struct {
		at time.Time
		by float64
	}
	var turns []turn
	for _, p := range pods {
		state := "closed"
		for _, ch := range p.changes() {
			switch {
			case state == "closed" && ch.state != "closed":
				turns = append(turns, turn{ch.at, 1})
			case state != "closed" && ch.state == "closed":
				turns = append(turns, turn{ch.at, -1})
			}
			state = ch.state
		}
	}
	slices.SortFunc(turns, func(a, b turn) int { return a.at.Compare(b.at) })
	n := 0.0
	for _, t := range turns {
		x := t.at.Sub(began).Seconds()
		points = append(points, plotter.XY{X: x, Y: n})
		n += t.by
		points = append(points, plotter.XY{X: x, Y: n})
	}
	return append(points, plotter.XY{X: until.Sub(began).Seconds(), Y: n})
}
