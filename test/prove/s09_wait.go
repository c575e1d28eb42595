package prove

import (
	"net/http"
	"time"

	"github.com/spillway-dev/spillway/internal/vendorsim"
)

var vendorSaysWait = scenario{
	file: "wait", title: "The vendor said wait", short: true, run: runWait,
	claim: "One call of one pod is answered 429 with Retry-After. No pod calls until then, and afterwards all do, in " +
		"order and not all at once.",
}

func runWait(s *Stage) {
	const word = 100 * time.Millisecond // in which the vendor's answer gets round
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
	said := time.Time{}
	c.eventually("the vendor says wait", func() bool {
		for _, call := range c.Vendor.Calls() {
			if call.Status == http.StatusTooManyRequests && !call.Ended.IsZero() {
				said = call.Ended
			}
		}
		return !said.IsZero()
	})
	s.chart.Mark(said.Sub(began), "429, Retry-After")
	s.chart.Mark(said.Add(pause).Sub(began), "the wait is over")
	c.hold(pause + 3*time.Second)
	until := time.Now()
	stop()
	at := arrivals(c.Vendor.Calls())
	early := between(at, said.Add(word), said.Add(pause))
	s.Check(early == 0, "calls during the wait, from 100 ms after the word", "0", early)
	resumed := map[string]bool{}
	after := said.Add(pause)
	for _, call := range c.Vendor.Calls() {
		if call.Arrived.After(after) {
			resumed[call.Pod] = true
		}
	}
	s.Check(len(resumed) == pods, "pods that call again afterwards", figure(len(running)), len(resumed))
	s.Note("%d calls were under way while the word got round.", between(at, said, said.Add(word)))
	s.chart.Panels = []Panel{
		Outcomes(c.Timeline.Results(began, until), began),
		{Y: "per second at the vendor", Series: []Series{{Name: "vendor calls", Color: blue,
			Points: rates(at, began, until)}}},
	}
}
