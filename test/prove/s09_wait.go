package prove

import (
	"net/http"
	"time"

	"github.com/spillway-dev/spillway/internal/vendorsim"
)

var vendorSaysWait = scenario{
	file: "wait", title: "The vendor asks for a pause", short: true, run: runWait,
	claim: "The vendor answers one call of one pod with 429 and Retry-After. No pod calls until that time is over. " +
		"Then all pods call again, in order and not all at once.",
}

func runWait(s *Stage) {
	const spread = 100 * time.Millisecond // in which all pods learn of the pause
	pods := pick(s, 10, 3)
	pause := pick(s, 3*time.Second, time.Second)
	rate := pick(s, 200.0, 60.0)
	c := NewCluster(s, vendorsim.Config{Latency: vendorsim.Constant(20 * time.Millisecond)},
		"LLM_QUOTA_REQUESTS=100000", "LLM_QUOTA_TOKENS=100000000", "LLM_QUEUE_TIMEOUT=1s")
	running := c.Start(pods)
	began := time.Now()
	stop := c.Come(Clients{Label: "load", Rate: rate})
	c.hold(2 * time.Second)
	if err := c.Vendor.AddFault(vendorsim.Fault{Kind: "status", Status: http.StatusTooManyRequests,
		RetryAfter: vendorsim.Duration(pause), Calls: 1}); err != nil {
		s.Fatal(err)
	}
	paused := time.Time{}
	c.eventually("the vendor asks for a pause", func() bool {
		for _, call := range c.Vendor.Calls() {
			if call.Status == http.StatusTooManyRequests && !call.Ended.IsZero() {
				paused = call.Ended
			}
		}
		return !paused.IsZero()
	})
	s.chart.Mark(paused.Sub(began), "429, Retry-After")
	s.chart.Mark(paused.Add(pause).Sub(began), "the pause is over")
	c.hold(pause + 3*time.Second)
	until := time.Now()
	stop()
	at := arrivals(c.Vendor.Calls())
	early := between(at, paused.Add(spread), paused.Add(pause))
	s.Check(early == 0, "calls during the pause, from 100 ms after the 429", "0", early)
	resumed := map[string]bool{}
	after := paused.Add(pause)
	for _, call := range c.Vendor.Calls() {
		if call.Arrived.After(after) {
			resumed[call.Pod] = true
		}
	}
	s.Check(len(resumed) == pods, "pods that call again afterwards", figure(len(running)), len(resumed))
	s.Note("%d calls reached the vendor before all pods knew of the pause.", between(at, paused, paused.Add(spread)))
	s.chart.Panels = []Panel{
		Outcomes(c.Timeline.Results(began, until), began),
		{Y: "per second at the vendor", Series: []Series{{Name: "vendor calls", Color: blue,
			Points: rates(at, began, until)}}},
	}
}
