package prove

import (
	"net/http"
	"time"

	"github.com/spillway-dev/spillway/internal/vendorsim"
)

var lanesAreApart = scenario{
	file: "lanes", title: "One model's limit stops no other", short: true, run: runLanes,
	claim: "For a while, under load, a vendor refuses every call of one of two models with 429. " +
		"With a lane for each model, the other model loses nothing. With one lane for both, it does.",
}

// lanesTrial is one run of the scenario, with or without a lane for each model.
type lanesTrial struct {
	cluster         *Cluster
	began           time.Time
	from, to        time.Time     // of the storm: the vendor refuses the limited model
	others, limited Results       // of the two models during the storm
	othersBefore    time.Duration // p99 of the other model before the storm
	arrived         int           // calls of the limited model at the vendor during the storm
}

func runLanes(s *Stage) {
	pods, rate := pick(s, 10, 3), pick(s, 100.0, 30.0)
	// A pause is longer than QUEUE_TIMEOUT.
	storm, pause := pick(s, 9*time.Second, 2*time.Second), pick(s, 3*time.Second, 2*time.Second)

	apart := tryLanes(s, pods, rate, storm, pause,
		"LLM_LANES=mini", "LLM_LANE_MINI_MODELS=mini*", "LLM_LANE_MINI_QUOTA_REQUESTS=100000")
	s.checkLanesApart(apart, pause)
	s.Note("%d pods, %.0f requests/s of each model.", pods, rate)
	s.chart.Panels = []Panel{
		apart.panel("others", "the other model, requests/s"),
		apart.panel("mini", "the limited model, requests/s"),
	}
	s.chart.Mark(apart.from.Sub(apart.began), "429 for one model")
	s.chart.Mark(apart.to.Sub(apart.began), "no more")
	if !s.Full {
		return
	}
	together := tryLanes(s, pods, rate, storm, pause)
	lost := together.others.lost()
	s.Check(lost > len(together.others)/10, "requests of the other model that were not served, one lane for both",
		"more than a tenth, otherwise the trial shows nothing", percent(ratio(lost, len(together.others))))
	s.chart.Panels = append(s.chart.Panels, together.panel("others", "the other model, one lane for both"))
}

// tryLanes offers both models and has the vendor refuse one of them for the length of the storm.
func tryLanes(s *Stage, pods int, rate float64, storm, pause time.Duration, settings ...string) (t lanesTrial) {
	t.cluster = NewCluster(s, vendorsim.Config{Latency: vendorsim.Constant(50 * time.Millisecond)},
		append(settings, "LLM_QUOTA_REQUESTS=100000")...)
	t.cluster.Start(pods)
	t.began = time.Now()
	stopMini := t.cluster.Come(Clients{Label: "mini", Model: "mini-1", Rate: rate})
	stopOthers := t.cluster.Come(Clients{Label: "others", Model: "large", Rate: rate})
	t.cluster.hold(storm / 2)
	t.from = time.Now()
	if err := t.cluster.Vendor.AddFault(vendorsim.Fault{Kind: "status", Status: http.StatusTooManyRequests,
		Model: "mini*", RetryAfter: vendorsim.Duration(pause)}); err != nil {
		s.Fatal(err)
	}
	t.cluster.hold(storm)
	t.cluster.Vendor.ClearFaults()
	t.to = time.Now()
	t.cluster.hold(pause + 2*time.Second)
	stopMini()
	stopOthers()
	t.measure()
	return t
}

// measure reads what the storm did from the timeline and from the vendor's log.
func (t *lanesTrial) measure() {
	t.othersBefore = t.cluster.Timeline.Results(t.began, t.from).Label("others").Quantile(0.99)
	during := t.cluster.Timeline.Results(t.from, t.to)
	t.others, t.limited = during.Label("others"), during.Label("mini")
	for _, call := range t.cluster.Vendor.Calls() {
		if call.Model == "mini-1" && call.Arrived.After(t.from) && call.Arrived.Before(t.to) {
			t.arrived++
		}
	}
}

// panel draws what one model was answered.
func (t *lanesTrial) panel(label, title string) Panel {
	p := Outcomes(t.cluster.Timeline.All().Label(label), t.began)
	p.Y = title
	return p
}

// checkLanesApart compares a trial in which each model has its lane with the bars.
func (s *Stage) checkLanesApart(apart lanesTrial, pause time.Duration) {
	s.Helper()
	s.Check(apart.others.lost() == 0, "requests of the other model that were not served, a lane for each",
		"0 of "+figure(len(apart.others)), apart.others.lost())
	slower := ratio(apart.others.Quantile(0.99), apart.othersBefore)
	s.CheckTime(slower <= 3, "their p99, of that before", "at most 3 x", slower)
	s.Check(apart.limited.lost() > len(apart.limited)/3, "requests of the limited model that were not served",
		"over a third, otherwise the trial shows nothing", percent(ratio(apart.limited.lost(), len(apart.limited))))
	s.Check(apart.arrived < len(apart.limited)/2,
		"calls of the limited model at the vendor, of "+figure(len(apart.limited))+" requests",
		"under half: Retry-After is obeyed", apart.arrived)
	after := apart.cluster.Timeline.Results(apart.to.Add(pause+time.Second), time.Time{}).Label("mini")
	s.Check(after.lost() == 0, "afterwards, requests of the limited model that were not served",
		"0 of "+figure(len(after)), after.lost())
}
