package prove

import (
	"net/http"
	"time"

	"github.com/spillway-dev/spillway/internal/vendorsim"
)

var vendorIsReplaced = scenario{
	file: "failover", title: "A second vendor takes over", short: true, run: runFailover,
	claim: "Under buffered and streaming load, a vendor fails for a while: with an error at once, then with silence. " +
		"With a fallback the clients do not notice, and the failed vendor gets only probes. " +
		"The contract of each vendor holds while the whole load moves to the fallback and back.",
}

// failover is what the scenario runs with, and what it has measured.
type failover struct {
	pods          int
	rate          float64 // requests per second
	window, dead  time.Duration
	contract      vendorsim.Contract
	outages       []outage
	first, second *vendorsim.Server
	cluster       *Cluster
	began, until  time.Time
}

func runFailover(s *Stage) {
	f := newFailover(s)
	f.run(s)
	all := f.cluster.Timeline.Results(f.began, time.Time{})
	f.check(s, all)
	s.chart.Panels = []Panel{
		Outcomes(all, f.began),
		{Y: "per second at the vendors", Series: []Series{
			{Name: "first vendor", Color: blue, Points: rates(arrivals(f.first.Calls()), f.began, f.until)},
			{Name: "second vendor", Color: orange, Points: rates(arrivals(f.second.Calls()), f.began, f.until)},
		}},
		Windows(f.second.Calls(), f.contract, f.began),
	}
	if s.Full {
		f.checkWithoutFallback(s)
	}
}

// newFailover starts both vendors and a cluster whose pods fall back from the first to the second.
func newFailover(s *Stage) *failover {
	f := &failover{
		pods: pick(s, 10, 3), rate: pick(s, 200.0, 60.0),
		window: pick(s, 6*time.Second, 2*time.Second), dead: pick(s, 8*time.Second, 1500*time.Millisecond),
	}
	// What can be used of the contract is what the burst leaves of it, over window and queue timeout: 12 % more than
	// the load.
	f.contract = vendorsim.Contract{Requests: int(1.15 * f.rate * (f.window + time.Second).Seconds()),
		Window: vendorsim.Duration(f.window)}
	outages := []outage{
		{name: "errors", fault: vendorsim.Fault{Kind: "status", Status: http.StatusServiceUnavailable}},
		{name: "silence", fault: vendorsim.Fault{Kind: "hang"}, probe: failoverCall},
	}
	f.outages = outages[pick(s, 0, 1):]
	f.second = NewVendor(s, f.vendor())
	f.cluster = NewCluster(s, f.vendor(), append(f.settings(), "LLM_LANES=second", "LLM_FALLBACK=second",
		"LLM_FIRST_EVENT_TIMEOUT=500ms",
		env("LLM_LANE_SECOND_VENDOR_URL", f.second.URL), "LLM_LANE_SECOND_MODEL=other",
		"LLM_LANE_SECOND_VENDOR_API_KEY=none",
		env("LLM_LANE_SECOND_QUOTA_REQUESTS", f.contract.Requests))...)
	f.first = f.cluster.Vendor
	return f
}

// vendor is the configuration of each of the two vendors.
func (f *failover) vendor() vendorsim.Config {
	return vendorsim.Config{Latency: vendorsim.Constant(50 * time.Millisecond), Contract: f.contract}
}

// settings are those of a pod that has the first vendor alone.
func (f *failover) settings() []string {
	return []string{
		env("LLM_QUOTA_REQUESTS", f.contract.Requests), env("LLM_QUOTA_WINDOW", f.window),
		env("LLM_CALL_TIMEOUT", failoverCall),
		env("LLM_BREAKER_OPEN", failoverOpen), env("LLM_BREAKER_OPEN_MAX", failoverOpenMax), "LLM_BREAKER_WINDOW=2s",
	}
}

// run offers the load and has the first vendor fail in each way, one after the other.
func (f *failover) run(s *Stage) {
	running := f.cluster.Start(f.pods)
	f.began = time.Now()
	stop := f.cluster.comeMixed(f.rate)
	for i := range f.outages {
		o := &f.outages[i]
		f.cluster.hold(f.window / 2)
		f.cluster.suffer(s, running, o, f.dead)
		s.chart.Mark(o.began.Sub(f.began), "first vendor: "+o.name)
		s.chart.Mark(o.over.Sub(f.began), "recovers")
	}
	f.cluster.hold(f.window)
	f.until = time.Now()
	stop()
}

// check compares what was measured with the bars.
func (f *failover) check(s *Stage, all Results) {
	s.Helper()
	served := ratio(len(all.Served()), len(all))
	s.Check(served >= 0.995, "requests served", "at least 99.5 %", percent(served))
	for _, o := range f.outages {
		s.checkOutage(f.cluster, o)
	}
	for _, v := range []struct {
		name string
		*vendorsim.Server
	}{{"first", f.first}, {"second", f.second}} {
		n := v.Stats().RequestViolations
		s.Check(n == 0, "calls beyond the contract of the "+v.name+" vendor", "0", n)
	}
	last := all.Where(func(r Result) bool { return r.At.After(f.until.Add(-f.window / 2)) })
	home := last.Where(func(r Result) bool { return r.Lane == "default" })
	s.Check(ratio(len(home), len(last)) >= 0.99, "in the end, requests that the first vendor answers again",
		"at least 99 %", percent(ratio(len(home), len(last))))
	s.Note("%d pods, %.0f requests/s, half of them streams. Each contract is %d calls in any %v; the second vendor "+
		"saw at most %d in one window.", f.pods, f.rate, f.contract.Requests, f.window, f.second.Stats().MaxRequests)
}

// checkWithoutFallback runs the first outage once more without a fallback: the load must then notice it.
func (f *failover) checkWithoutFallback(s *Stage) {
	s.Helper()
	alone := NewCluster(s, f.vendor(), f.settings()...)
	lost := outage{fault: f.outages[0].fault}
	running := alone.Start(f.pods)
	stop := alone.comeMixed(f.rate)
	alone.hold(f.window / 2)
	alone.suffer(s, running, &lost, f.dead)
	stop()
	without := alone.Timeline.Results(lost.began, lost.over)
	served := ratio(len(without.Served()), len(without))
	s.Check(served < 0.5, "without a fallback, requests served during the errors",
		"under half, otherwise the trial shows nothing", percent(served))
}
