package prove

import (
	"time"

	"github.com/spillway-dev/spillway/internal/vendorsim"
)

var contractHolds = scenario{
	file: "contract", title: "The contract holds", short: true, run: runContract,
	claim: "Whatever the number of pods, through a rolling restart of all of them, a pod killed in the middle and " +
		"twice the pods: no window " +
		"ever sees more calls than the vendor's contract, and the contract is used. A limit that every pod keeps for " +
		"itself is that limit times the pods.",
}

func runContract(s *Stage) {
	pods := pick(s, 10, 3)
	window := pick(s, 6*time.Second, 2*time.Second)
	contract := vendorsim.Contract{Requests: pick(s, 600, 120), Window: vendorsim.Duration(window)}
	rate := float64(contract.Requests) / window.Seconds()
	vendor := vendorsim.Config{Latency: vendorsim.Constant(50 * time.Millisecond), Contract: contract}
	settings := []string{
		env("LLM_QUOTA_REQUESTS", contract.Requests), env("LLM_QUOTA_WINDOW", window),
		env("LLM_QUOTA_TOKENS", contract.Requests*200),
		"LLM_QUEUE_TIMEOUT=200ms", env("LLM_QUOTA_SHARES", 2*pods),
	}

	c := NewCluster(s, vendor, settings...)
	running := c.Start(pods)
	began := time.Now()
	stop := c.Come(Clients{Label: "load", Rate: 3 * rate})
	c.hold(window / 2) // from here on the contract is in full use
	phases := []struct {
		name string
		do   func()
	}{
		{"steady", func() { c.hold(2 * window) }},
		{"all pods restarted, one after the other", func() {
			for i, p := range running {
				running[i] = c.Replace(p)
			}
		}},
		{"a pod killed", func() {
			running[0].Kill()
			running = running[1:]
			c.hold(window)
		}},
		{"twice the pods", func() {
			running = append(running, c.Start(pods)...)
			c.hold(window * 3 / 2)
		}},
	}
	used := make([]float64, len(phases))
	for i, ph := range phases {
		from := time.Now()
		s.chart.Mark(from.Sub(began), ph.name)
		ph.do()
		to := time.Now()
		n := between(arrivals(c.Vendor.Calls()), from, to)
		used[i] = float64(n) / (rate * to.Sub(from).Seconds())
	}
	until := time.Now()
	stop()
	st := c.Vendor.Stats()
	for i, ph := range phases {
		bar := pick(s, 0.9, 0.75) // the queue timeout takes more of a shorter window
		s.Check(used[i] >= bar, "contract used, "+ph.name, "at least "+percent(bar), percent(used[i]))
	}
	s.Check(st.RequestViolations == 0, "calls beyond the contract", "0", st.RequestViolations)
	s.Check(st.TokenViolations == 0, "calls beyond the contract's tokens", "0", st.TokenViolations)
	s.Note("%d pods, demand 3 times a contract of %d calls in any %v; at most %d were in one window.", pods,
		contract.Requests, window, st.MaxRequests)

	// The same load on the same pods, but each has the contract for itself.
	alone := NewCluster(s, vendor, settings...)
	for i := range pods {
		alone.Start(1, env("LLM_VENDOR_NAME", user("vendor", i)))
	}
	aloneBegan := time.Now()
	alone.Offer(pick(s, 3*window, window), Clients{Label: "load", Rate: 3 * rate})
	worse := alone.Vendor.Stats()
	s.Check(worse.RequestViolations > 0, "with a limit per pod, the most calls in one window",
		"above the contract, or the judge is blind", worse.MaxRequests)
	windows := Windows(c.Vendor.Calls(), contract, began)
	windows.Series = append(windows.Series, Series{Name: "a limit in each pod", Color: orange,
		Points: sliding(arrivals(alone.Vendor.Calls()), window, aloneBegan)})
	s.chart.Panels = []Panel{Outcomes(c.Timeline.Results(began, until), began), windows}
}
