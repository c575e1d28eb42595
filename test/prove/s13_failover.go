package prove

import (
	"net/http"
	"time"

	"github.com/spillway-dev/spillway/internal/vendorsim"
)

var vendorIsReplaced = scenario{
	file: "failover", title: "A second vendor takes over", short: true, run: runFailover,
	claim: "A vendor is dead for a while, with an error at once and then with silence, under buffered and streaming " +
		"load. With a fallback " +
		"the clients do not notice, the dead vendor sees its probes only, and the contract of each vendor holds " +
		"while the whole load moves " +
		"to the fallback and back.",
}

// outage is one way in which a vendor is dead for a while, and what was measured meanwhile.
type outage struct {
	name  string
	fault vendorsim.Fault
	probe time.Duration // how long a probe may take to fail

	began        time.Time // of the failures
	opened, open time.Time // the first pod's breaker, the last one's
	over, well   time.Time // the vendor's recovery, the last pod's
}

const (
	failoverOpen    = time.Second     // of the breaker, before its first probe
	failoverOpenMax = 2 * time.Second // before each later one
	failoverCall    = 3 * time.Second // the call timeout
)

func runFailover(s *Stage) {
	pods, rate := pick(s, 10, 3), pick(s, 200.0, 60.0)
	window, dead := pick(s, 6*time.Second, 2*time.Second), pick(s, 8*time.Second, 1500*time.Millisecond)
	// Of the contract can be used what is left of it without the burst, over window and queue timeout: 12 % more than
	// the load.
	contract := vendorsim.Contract{Requests: int(1.15 * rate * (window + time.Second).Seconds()),
		Window: vendorsim.Duration(window)}
	vendor := vendorsim.Config{Latency: vendorsim.Constant(50 * time.Millisecond), Contract: contract}
	quota := []string{
		env("LLM_QUOTA_REQUESTS", contract.Requests), env("LLM_QUOTA_WINDOW", window),
		env("LLM_CALL_TIMEOUT", failoverCall),
		env("LLM_BREAKER_OPEN", failoverOpen), env("LLM_BREAKER_OPEN_MAX", failoverOpenMax), "LLM_BREAKER_WINDOW=2s",
	}
	outages := []outage{
		{name: "errors", fault: vendorsim.Fault{Kind: "status", Status: http.StatusServiceUnavailable}},
		{name: "silence", fault: vendorsim.Fault{Kind: "hang"}, probe: failoverCall},
	}
	outages = outages[pick(s, 0, 1):]
	second := NewVendor(s, vendor)
	c := NewCluster(s, vendor, append(quota, "LLM_LANES=second", "LLM_FALLBACK=second", "LLM_FIRST_EVENT_TIMEOUT=500ms",
		env("LLM_LANE_SECOND_VENDOR_URL", second.URL), "LLM_LANE_SECOND_MODEL=other",
		"LLM_LANE_SECOND_VENDOR_API_KEY=none",
		env("LLM_LANE_SECOND_QUOTA_REQUESTS", contract.Requests))...)
	running := c.Start(pods)
	began := time.Now()
	stop := c.comeMixed(rate)
	for i := range outages {
		c.hold(window / 2)
		c.suffer(s, running, &outages[i], dead)
		s.chart.Mark(outages[i].began.Sub(began), "first vendor: "+outages[i].name)
		s.chart.Mark(outages[i].over.Sub(began), "is well")
	}
	c.hold(window)
	until := time.Now()
	stop()
	all := c.Timeline.Results(began, time.Time{})
	s.Check(ratio(len(all.Served()), len(all)) >= 0.995, "requests served", "at least 99.5 %",
		percent(ratio(len(all.Served()), len(all))))
	for _, o := range outages {
		s.checkOutage(c, o)
	}
	for _, v := range []struct {
		name string
		*vendorsim.Server
	}{{"first", c.Vendor}, {"second", second}} {
		n := v.Stats().RequestViolations
		s.Check(n == 0, "calls beyond the contract of the "+v.name+" vendor", "0", n)
	}
	last := all.Where(func(r Result) bool { return r.At.After(until.Add(-window / 2)) })
	home := last.Where(func(r Result) bool { return r.Lane == "default" })
	s.Check(ratio(len(home), len(last)) >= 0.99, "in the end, requests that the first vendor answers again",
		"at least 99 %", percent(ratio(len(home), len(last))))
	s.Note("%d pods, %.0f requests/s, half of them streams. Each contract is %d calls in any %v; the second vendor "+
		"saw at most %d in one window.",
		pods, rate, contract.Requests, window, second.Stats().MaxRequests)
	s.chart.Panels = []Panel{
		Outcomes(all, began),
		{Y: "per second at the vendors", Series: []Series{
			{Name: "first vendor", Color: blue, Points: rates(arrivals(c.Vendor.Calls()), began, until)},
			{Name: "second vendor", Color: orange, Points: rates(arrivals(second.Calls()), began, until)},
		}},
		Windows(second.Calls(), contract, began),
	}

	if !s.Full {
		return
	}
	alone := NewCluster(s, vendor, quota...)
	lost := outage{fault: outages[0].fault}
	running = alone.Start(pods)
	stop = alone.comeMixed(rate)
	alone.hold(window / 2)
	alone.suffer(s, running, &lost, dead)
	stop()
	without := alone.Timeline.Results(lost.began, lost.over)
	s.Check(ratio(len(without.Served()), len(without)) < 0.5, "without a fallback, requests served during the errors",
		"under half, or the judge is blind",
		percent(ratio(len(without.Served()), len(without))))
}

// comeMixed offers requests of which half ask for a stream.
func (c *Cluster) comeMixed(rate float64) (stop func()) {
	whole, streams := c.Come(Clients{Label: "buffered", Rate: rate / 2}),
		c.Come(Clients{Label: "streams", Rate: rate / 2, Stream: true})
	return func() { whole(); streams() }
}

// suffer has the first vendor fail until long after every pod's breaker of that lane has opened, and waits until all
// are closed.
func (c *Cluster) suffer(s *Stage, pods []*Pod, o *outage, long time.Duration) {
	o.began = time.Now()
	if err := c.Vendor.AddFault(o.fault); err != nil {
		s.Fatal(err)
	}
	opens := c.transitions(pods, "open", o.began)
	o.opened, o.open = opens[0], opens[len(opens)-1]
	c.hold(long)
	c.Vendor.ClearFaults()
	o.over = time.Now()
	closed := c.transitions(pods, "closed", o.over)
	o.well = closed[len(closed)-1]
}

// checkOutage holds one outage against its bars.
func (s *Stage) checkOutage(c *Cluster, o outage) {
	s.Helper()
	const together = 100 * time.Millisecond
	probes := between(arrivals(c.Vendor.Calls()), o.open.Add(together), o.over)
	allowed := 1 + int((o.over.Sub(o.opened)-failoverOpen+failoverOpenMax-1)/failoverOpenMax)
	s.Check(probes <= allowed, o.name+": calls at the dead vendor, from 100 ms after all breakers opened",
		"its probes: at most "+figure(allowed), probes)
	before := between(arrivals(c.Vendor.Calls()), o.began, o.open.Add(together))
	s.Note("%s: %d calls reached the dead vendor before, and the last breaker opened %v after the first one.", o.name,
		before, figure(o.open.Sub(o.opened)))
	back, limit := o.well.Sub(o.over), o.probe+failoverOpenMax+time.Second
	s.CheckTime(back <= limit, o.name+": from the vendor's recovery to the last pod's",
		"a probe that fails, BREAKER_OPEN_MAX and 1 s: at most "+figure(limit), back)
}
