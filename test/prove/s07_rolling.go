package prove

import (
	"time"

	"github.com/spillway-dev/spillway/internal/vendorsim"
)

var rollingRestart = scenario{
	file: "rolling", title: "A rolling restart loses nothing", short: true, run: runRolling,
	claim: "Under buffered and streaming load, the pods behind a balancer that follows /readyz are replaced one " +
		"after the other, several times over. No request fails, and no stream is cut.",
}

func runRolling(s *Stage) {
	pods, rounds := pick(s, 3, 2), pick(s, 3, 1)
	// A stream takes a second.
	c := NewCluster(s, vendorsim.Config{Latency: vendorsim.Constant(100 * time.Millisecond),
		CompletionTokens: 20, TokensPerSecond: 20})
	running := c.Start(pods)
	began := time.Now()
	buffered := c.Come(Clients{Label: "buffered", Rate: pick(s, 60.0, 20.0)})
	streaming := c.Come(Clients{Label: "streams", Rate: pick(s, 30.0, 10.0), Stream: true, MaxTokens: 20})
	for range rounds {
		for i, p := range running {
			s.chart.Mark(time.Since(began), p.Name+" is replaced")
			running[i] = c.Replace(p)
		}
	}
	buffered()
	streaming()
	all := c.Timeline.All()
	for _, label := range []string{"buffered", "streams"} {
		rs := all.Label(label)
		lost := rs.lost()
		s.Check(lost == 0, label+" not served", "0 of "+figure(len(rs)), lost)
	}
	for _, r := range all.Where(func(r Result) bool { return !r.Served() }) {
		s.Logf("%v after the start: %s %d %s %v", r.At.Sub(began), r.Label, r.Status, r.Code, r.Err)
	}
	s.Note("%d pods, %d rounds. A stream takes a second.", pods, rounds)
	until := all[len(all)-1].At
	p := Outcomes(all, began)
	s.chart.Panels = []Panel{p}
	perPod := Panel{Y: "vendor calls per second", Series: nil}
	byPod := map[string][]time.Time{}
	var order []string
	for _, call := range c.Vendor.Calls() {
		if byPod[call.Pod] == nil {
			order = append(order, call.Pod)
		}
		byPod[call.Pod] = append(byPod[call.Pod], call.Arrived)
	}
	for i, pod := range order {
		perPod.Series = append(perPod.Series, Series{Name: pod, Color: palette[i%len(palette)],
			Points: rates(byPod[pod], began, until)})
	}
	s.chart.Panels = append(s.chart.Panels, perPod)
}
