package prove

import (
	"time"

	"gonum.org/v1/plot/plotter"

	"github.com/spillway-dev/spillway/internal/vendorsim"
)

var contractHolds = scenario{
	file: "contract", title: "The contract holds", short: true, run: runContract,
	claim: "No window ever has more calls than the vendor's contract, and the contract is used: with any number of " +
		"pods, while all of them restart in turn, when one is killed, and with twice as many. " +
		"A limit that each pod keeps for itself lets through that limit times the number of pods.",
}

// contractTrial is what the scenario runs with.
type contractTrial struct {
	pods     int
	window   time.Duration
	contract vendorsim.Contract
	rate     float64 // calls per second that the contract allows
	vendor   vendorsim.Config
	settings []string

	cluster *Cluster
	running []*Pod
}

func runContract(s *Stage) {
	t := newContractTrial(s)
	began := time.Now()
	stop := t.cluster.Come(Clients{Label: "load", Rate: 3 * t.rate})
	t.cluster.hold(t.window / 2) // from here on the contract is in full use
	t.runPhases(s, began)
	until := time.Now()
	stop()
	st := t.cluster.Vendor.Stats()
	s.Check(st.RequestViolations == 0, "calls beyond the contract", "0", st.RequestViolations)
	s.Check(st.TokenViolations == 0, "calls beyond the contract's tokens", "0", st.TokenViolations)
	s.Note("%d pods, demand 3 times a contract of %d calls in any %v; at most %d were in one window.", t.pods,
		t.contract.Requests, t.window, st.MaxRequests)

	windows := Windows(t.cluster.Vendor.Calls(), t.contract, began)
	windows.Series = append(windows.Series, Series{Name: "a limit in each pod", Color: orange,
		Points: t.checkLimitPerPod(s)})
	s.chart.Panels = []Panel{Outcomes(t.cluster.Timeline.Results(began, until), began), windows}
}

func newContractTrial(s *Stage) *contractTrial {
	t := &contractTrial{pods: pick(s, 10, 3), window: pick(s, 6*time.Second, 2*time.Second)}
	t.contract = vendorsim.Contract{Requests: pick(s, 600, 120), Window: vendorsim.Duration(t.window)}
	t.rate = float64(t.contract.Requests) / t.window.Seconds()
	t.vendor = vendorsim.Config{Latency: vendorsim.Constant(50 * time.Millisecond), Contract: t.contract}
	t.settings = []string{
		env("LLM_QUOTA_REQUESTS", t.contract.Requests), env("LLM_QUOTA_WINDOW", t.window),
		env("LLM_QUOTA_TOKENS", t.contract.Requests*200),
		"LLM_QUEUE_TIMEOUT=200ms", env("LLM_QUOTA_SHARES", 2*t.pods),
	}
	t.cluster = NewCluster(s, t.vendor, t.settings...)
	t.running = t.cluster.Start(t.pods)
	return t
}

// runPhases changes the pods in one way after the other, and checks that the contract is used in each phase.
func (t *contractTrial) runPhases(s *Stage, began time.Time) {
	s.Helper()
	bar := pick(s, 0.9, 0.75) // the queue timeout takes more of a shorter window
	for _, phase := range []struct {
		name string
		run  func()
	}{
		{"steady", func() { t.cluster.hold(2 * t.window) }},
		{"all pods restarted, one after the other", t.restartAll},
		{"a pod killed", t.killOne},
		{"twice the pods", t.double},
	} {
		from := time.Now()
		s.chart.Mark(from.Sub(began), phase.name)
		phase.run()
		to := time.Now()
		n := between(arrivals(t.cluster.Vendor.Calls()), from, to)
		used := float64(n) / (t.rate * to.Sub(from).Seconds())
		s.Check(used >= bar, "contract used, "+phase.name, "at least "+percent(bar), percent(used))
	}
}

func (t *contractTrial) restartAll() {
	for i, p := range t.running {
		t.running[i] = t.cluster.Replace(p)
	}
}

func (t *contractTrial) killOne() {
	t.running[0].Kill()
	t.running = t.running[1:]
	t.cluster.hold(t.window)
}

func (t *contractTrial) double() {
	t.running = append(t.running, t.cluster.Start(t.pods)...)
	t.cluster.hold(t.window * 3 / 2)
}

// checkLimitPerPod offers the same load to the same number of pods, of which each has the contract for itself. It
// returns the calls that the vendor's last window had, over time.
func (t *contractTrial) checkLimitPerPod(s *Stage) plotter.XYs {
	s.Helper()
	alone := NewCluster(s, t.vendor, t.settings...)
	for i := range t.pods {
		alone.Start(1, env("LLM_VENDOR_NAME", user("vendor", i)))
	}
	began := time.Now()
	alone.Offer(pick(s, 3*t.window, t.window), Clients{Label: "load", Rate: 3 * t.rate})
	worse := alone.Vendor.Stats()
	s.Check(worse.RequestViolations > 0, "with a limit per pod, the most calls in one window",
		"above the contract, otherwise the trial shows nothing", worse.MaxRequests)
	return sliding(arrivals(alone.Vendor.Calls()), t.window, began)
}
