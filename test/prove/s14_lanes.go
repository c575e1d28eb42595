package prove

import (
	"net/http"
	"time"

	"github.com/spillway-dev/spillway/internal/vendorsim"
)

var lanesAreApart = scenario{
	file: "lanes", title: "One model's limit stops no other", short: true, run: runLanes,
	claim: "A vendor refuses every call of one of two models with 429, for a while, under load. With a lane for each " +
		"model the other one loses " +
		"nothing. With one lane for both it does.",
}

func runLanes(s *Stage) {
	pods, rate := pick(s, 10, 3), pick(s, 100.0, 30.0)
	// A pause is longer than QUEUE_TIMEOUT.
	storm, pause := pick(s, 9*time.Second, 2*time.Second), pick(s, 3*time.Second, 2*time.Second)
	limited := vendorsim.Fault{
		Kind: "status", Status: http.StatusTooManyRequests, Model: "mini*", RetryAfter: vendorsim.Duration(pause),
	}
	type trial struct {
		began, from, to time.Time
		cluster         *Cluster
		others, limited Results       // during the storm
		othersBefore    time.Duration // p99
		arrived         int           // calls of the limited model at the vendor during the storm
	}
	try := func(settings ...string) (t trial) {
		c := NewCluster(s, vendorsim.Config{Latency: vendorsim.Constant(50 * time.Millisecond)},
			append(settings, "LLM_QUOTA_REQUESTS=100000")...)
		c.Start(pods)
		t.cluster, t.began = c, time.Now()
		one, other := c.Come(Clients{Label: "mini", Model: "mini-1", Rate: rate}),
			c.Come(Clients{Label: "others", Model: "large", Rate: rate})
		c.hold(storm / 2)
		t.from = time.Now()
		if err := c.Vendor.AddFault(limited); err != nil {
			s.Fatal(err)
		}
		c.hold(storm)
		c.Vendor.ClearFaults()
		t.to = time.Now()
		c.hold(pause + 2*time.Second)
		one()
		other()
		t.othersBefore = c.Timeline.Results(t.began, t.from).Label("others").Quantile(0.99)
		t.others, t.limited = c.Timeline.Results(t.from, t.to).Label("others"),
			c.Timeline.Results(t.from, t.to).Label("mini")
		for _, call := range c.Vendor.Calls() {
			if call.Model == "mini-1" && call.Arrived.After(t.from) && call.Arrived.Before(t.to) {
				t.arrived++
			}
		}
		return t
	}
	lost := func(rs Results) int { return len(rs) - len(rs.Served()) }

	apart := try("LLM_LANES=mini", "LLM_LANE_MINI_MODELS=mini*", "LLM_LANE_MINI_QUOTA_REQUESTS=100000")
	s.Check(lost(apart.others) == 0, "requests of the other model that were not served, a lane for each", "0 of "+
		figure(len(apart.others)), lost(apart.others))
	slower := ratio(apart.others.Quantile(0.99), apart.othersBefore)
	s.CheckTime(slower <= 3, "their p99, of that before", "at most 3 x", slower)
	s.Check(lost(apart.limited) > len(apart.limited)/3, "requests of the limited model that were not served",
		"over a third, or the judge is blind",
		percent(ratio(lost(apart.limited), len(apart.limited))))
	s.Check(apart.arrived < len(apart.limited)/2, "calls of the limited model at the vendor, of "+
		figure(len(apart.limited))+" requests",
		"under half: Retry-After is obeyed", apart.arrived)
	after := apart.cluster.Timeline.Results(apart.to.Add(pause+time.Second), time.Time{}).Label("mini")
	s.Check(lost(after) == 0, "afterwards, requests of the limited model that were not served", "0 of "+
		figure(len(after)), lost(after))

	s.Note("%d pods, %.0f requests/s of each model.", pods, rate)
	all := apart.cluster.Timeline.All()
	for _, p := range []struct{ label, name string }{{"others", "the other model"}, {"mini", "the limited model"}} {
		panel := Outcomes(all.Label(p.label), apart.began)
		panel.Y = p.name + ", requests/s"
		s.chart.Panels = append(s.chart.Panels, panel)
	}
	s.chart.Mark(apart.from.Sub(apart.began), "429 for one model")
	s.chart.Mark(apart.to.Sub(apart.began), "no more")
	if !s.Full {
		return
	}
	together := try()
	s.Check(lost(together.others) > len(together.others)/10,
		"requests of the other model that were not served, one lane for both",
		"more than a tenth, or the judge is blind", percent(ratio(lost(together.others), len(together.others))))
	panel := Outcomes(together.cluster.Timeline.All().Label("others"), together.began)
	panel.Y = "the other model, one lane for both"
	s.chart.Panels = append(s.chart.Panels, panel)
}
