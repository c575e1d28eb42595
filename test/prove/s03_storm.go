package prove

import (
	"net/http"
	"time"

	"github.com/spillway-dev/spillway/internal/vendorsim"
)

var noRetryStorm = scenario{
	file: "storm", title: "No retry storm", short: true, run: runStorm,
	claim: "A vendor that is down gets hardly more calls than there are requests, also without a breaker. " +
		"When a vendor fails now and then, hardly a request fails.",
}

func runStorm(s *Stage) {
	pods := pick(s, 10, 2)
	rate := pick(s, 400.0, 100.0)
	began := time.Now()
	type phase struct {
		results   Results
		calls     []vendorsim.Call
		amplified float64 // calls for each accepted request
		served    float64 // share
	}
	fails := func(name string, share float64, d time.Duration, settings ...string) phase {
		c := NewCluster(s, vendorsim.Config{Latency: vendorsim.Constant(20 * time.Millisecond), Seed: 1}, settings...)
		c.Start(pods)
		// The vendor answers well for a while, so that the breaker's window is not empty.
		c.Offer(2*time.Second, Clients{Label: "load", Rate: rate})
		healthy := c.Vendor.Stats()
		if err := c.Vendor.AddFault(vendorsim.Fault{Kind: "status",
			Status: http.StatusBadGateway, Probability: share}); err != nil {
			s.Fatal(err)
		}
		failing := time.Now()
		s.chart.Mark(failing.Sub(began), name)
		c.Offer(d, Clients{Label: "load", Rate: rate})
		st := c.Vendor.Stats()
		st.Calls, st.RequestIDs = st.Calls-healthy.Calls, st.RequestIDs-healthy.RequestIDs
		rs := c.Timeline.Results(failing, time.Time{}) // all are accepted: no limit is near
		s.Note("%s: %d requests, of which %d reached the vendor, in %d calls.", name, len(rs), st.RequestIDs, st.Calls)
		return phase{rs, c.Vendor.Calls(), ratio(st.Calls, len(rs)), ratio(len(rs.Served()), len(rs))}
	}
	const never = "LLM_BREAKER_FAILURES=1000000"

	withBreaker := fails("all fail", 1, pick(s, 8*time.Second, 3*time.Second))
	s.Check(withBreaker.amplified <= 1.1, "calls at a failed vendor per request", "at most 1.1", withBreaker.amplified)
	dead := fails("all fail, no breaker", 1, 8*time.Second, never)
	s.Check(dead.amplified <= 1.1, "the same without a breaker", "at most 1.1", dead.amplified)
	flaky := fails("30 % fail", 0.3, pick(s, 40*time.Second, 4*time.Second))
	if s.Full { // a short run has too few requests for this bar
		s.Check(flaky.served >= 0.99, "requests served while 30 % of the vendor's answers are failures",
			"at least 99 %", percent(flaky.served))
	} else {
		s.Check(flaky.served >= 0.9, "requests served while 30 % of the vendor's answers are failures",
			"at least 90 % of a few", percent(flaky.served))
	}
	s.Note("While 30 %% fail the vendor sees %.2f calls for each request.", flaky.amplified)

	var results Results
	var calls []time.Time
	for _, ph := range []phase{withBreaker, dead, flaky} {
		results = append(results, ph.results...)
		calls = append(calls, arrivals(ph.calls)...)
	}
	p := Outcomes(results, began)
	p.Series = append(p.Series, Series{Name: "vendor calls", Color: black, Dashed: true,
		Points: rates(calls, began, results[len(results)-1].At)})
	s.chart.Panels = []Panel{p}
}
