package prove

import (
	"net/http"
	"time"

	"github.com/spillway-dev/spillway/internal/vendorsim"
)

var podsAgree = scenario{
	file: "agree", title: "All pods agree", short: true, run: runAgree,
	claim: "The vendor fails again and again, each time for a while, under load. All pods stop calling together, " +
		"one probe at a time finds out whether the vendor has recovered, and then all pods call again.",
}

const (
	agreeOpen     = time.Second            // of the breaker
	agreeTogether = 100 * time.Millisecond // in which all pods follow the first one
)

// agreement is what the rounds have measured, over all pods.
type agreement struct {
	opened, closed              []time.Duration // after the first pod's breaker
	recovered                   []time.Duration // after the vendor's recovery
	leaked, probes, overlapping int             // calls while the breakers were open
}

func runAgree(s *Stage) {
	pods, rounds := pick(s, 10, 3), pick(s, 10, 2)
	c := NewCluster(s, vendorsim.Config{Latency: vendorsim.Constant(30 * time.Millisecond)},
		env("LLM_BREAKER_OPEN", agreeOpen), "LLM_BREAKER_WINDOW=2s")
	running := c.Start(pods)
	began := time.Now()
	stop := c.Come(Clients{Label: "load", Rate: pick(s, 200.0, 60.0)})
	var a agreement
	for range rounds {
		a.round(s, c, running, began)
	}
	until := time.Now()
	stop()
	a.check(s)
	s.Note("%d pods, %d rounds, %d openings; %d probes in all. BREAKER_OPEN is %v.", pods, rounds, len(a.opened),
		a.probes, agreeOpen)

	s.chart.Panels = []Panel{
		Outcomes(c.Timeline.Results(began, until), began),
		{Y: "per second at the vendor", Series: []Series{{Name: "vendor calls", Color: blue,
			Points: rates(arrivals(c.Vendor.Calls()), began, until)}}},
		{Y: "pods whose breaker is open", Series: []Series{{Name: "open pods", Color: red,
			Points: openPods(running, began, until)}}},
	}
}

// round has the vendor fail and recover, and measures how the pods follow.
func (a *agreement) round(s *Stage, c *Cluster, running []*Pod, began time.Time) {
	c.hold(2 * time.Second) // the round before has then left the breakers' windows
	failing := time.Now()
	if err := c.Vendor.AddFault(vendorsim.Fault{Kind: "status",
		Status: http.StatusServiceUnavailable}); err != nil {
		s.Fatal(err)
	}
	opens := c.transitions(running, "open", failing)
	c.hold(3 * agreeOpen / 2) // in which a probe finds the vendor still failing
	c.Vendor.ClearFaults()
	recovery := time.Now()
	closes := c.transitions(running, "closed", recovery)
	s.chart.Mark(failing.Sub(began), "vendor fails")
	s.chart.Mark(recovery.Sub(began), "recovers")
	for i := range running {
		a.opened = append(a.opened, opens[i].Sub(opens[0]))
		a.closed = append(a.closed, closes[i].Sub(closes[0]))
		a.recovered = append(a.recovered, closes[i].Sub(recovery))
	}
	a.countProbes(c.Vendor.Calls(), opens[0], closes[0])
}

// countProbes sorts the calls that reached the vendor between the first opening and the first closing of a breaker.
func (a *agreement) countProbes(calls []vendorsim.Call, opened, closed time.Time) {
	var busy time.Time // until then a probe was under way
	for _, call := range calls {
		at := call.Arrived
		switch {
		case at.Before(opened.Add(agreeTogether)), !at.Before(closed):
		case at.Before(opened.Add(agreeOpen)): // no pod may probe yet
			a.leaked++
		default:
			a.probes++
			if at.Before(busy) {
				a.overlapping++
			}
			busy = call.Ended
		}
	}
}

// check compares what was measured with the bars.
func (a *agreement) check(s *Stage) {
	s.Helper()
	s.CheckTime(quantile(a.opened, 0.99) <= agreeTogether, "from the first pod's opening to another's, p99",
		"at most 100 ms", quantile(a.opened, 0.99))
	s.CheckTime(quantile(a.closed, 0.99) <= agreeTogether, "from the first pod's closing to another's, p99",
		"at most 100 ms", quantile(a.closed, 0.99))
	s.Check(a.leaked == 0, "calls at the vendor while open, from 100 ms after the first opening", "0", a.leaked)
	s.Check(a.overlapping == 0 && a.probes > 0, "probes that overlapped another", "0", a.overlapping)
	s.CheckTime(quantile(a.recovered, 1) <= agreeOpen+time.Second, "from the vendor's recovery to the last pod's",
		"at most BREAKER_OPEN + 1 s = 2 s", quantile(a.recovered, 1))
}
