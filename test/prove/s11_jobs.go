package prove

import (
	"fmt"
	"slices"
	"time"

	"github.com/spillway-dev/spillway/internal/vendorsim"
)

var jobsAreNotLost = scenario{
	file: "jobs", title: "No job is lost", run: runJobs,
	claim: "Five pods work off two thousand jobs of three priorities. Meanwhile one pod is killed, " +
		"and one is replaced. Every job is finished, high priority goes first, and the contract holds. " +
		"Only jobs that the killed pod was working on are called twice.",
}

const (
	jobPods   = 5
	jobCount  = 2000
	jobWindow = 6 * time.Second
	jobCalls  = 600 // of the contract, in a window
)

func runJobs(s *Stage) {
	contract := vendorsim.Contract{Requests: jobCalls, Window: vendorsim.Duration(jobWindow)}
	c := NewCluster(s, vendorsim.Config{Latency: vendorsim.Constant(100 * time.Millisecond), Contract: contract},
		env("LLM_QUOTA_REQUESTS", jobCalls), env("LLM_QUOTA_WINDOW", jobWindow),
		env("LLM_QUOTA_SHARES", jobPods+1), "LLM_QUOTA_TOKENS=0",
		"LLM_QUEUE_TIMEOUT=200ms", "LLM_JOBS_LEASE=3s", "LLM_JOBS_LOOKS=0")
	running := c.Start(jobPods)
	began := time.Now()
	mark := func(text string) { s.chart.Mark(time.Since(began), text) }
	jobs := newJobs(jobCount)
	forEachJob(s, jobs, c.submit)
	mark("all are submitted")
	c.hold(4 * time.Second)
	mark(running[0].Name + " is killed")
	running[0].Kill()
	c.hold(2 * time.Second)
	mark(running[1].Name + " is replaced")
	c.Replace(running[1])
	c.eventually("the vendor has seen as many jobs as there are",
		func() bool { return c.Vendor.Stats().RequestIDs >= jobCount })
	forEachJob(s, jobs, c.finish)

	s.checkJobs(c, jobs, running[0].Name)
	s.chart.Panels = append(drawJobs(jobs, began), Windows(c.Vendor.Calls(), contract, began))
}

// newJobs returns n jobs of three priorities, none of them submitted.
func newJobs(n int) []*job {
	jobs := make([]*job, n)
	for i := range jobs {
		jobs[i] = &job{user: user("enterprise", i), Priority: []string{"low", "normal", "high"}[i%3],
			key: fmt.Sprint("job ", i)}
	}
	return jobs
}

// forEachJob calls do with each job, ten at a time, and returns when the last call has returned.
func forEachJob(s *Stage, jobs []*job, do func(*job) error) {
	s.Helper()
	parallel(len(jobs), 10, func(i int) {
		if err := do(jobs[i]); err != nil {
			s.Error(err)
		}
	})
}

// checkJobs compares what became of the jobs with the bars. killed is the pod that was killed.
func (s *Stage) checkJobs(c *Cluster, jobs []*job, killed string) {
	s.Helper()
	done := 0
	waits := map[string][]time.Duration{}
	for _, j := range jobs {
		if j.State == "succeeded" {
			done++
		}
		waits[j.Priority] = append(waits[j.Priority], j.Started.Sub(j.Created))
	}
	twice, unexplained := calledTwice(c.Vendor.Calls(), killed)
	st := c.Vendor.Stats()
	high, low := quantile(waits["high"], 0.5), quantile(waits["low"], 0.5)
	s.Check(done == len(jobs), "jobs finished", fmt.Sprintf("%d of %d", len(jobs), len(jobs)), done)
	s.Check(unexplained == 0,
		"jobs called twice at the vendor that the killed pod was not working on", "0", unexplained)
	s.Check(st.RequestViolations == 0, "calls beyond the contract", "0", st.RequestViolations)
	s.Check(ratio(high, low) < 0.25, "median wait of high, of that of low", "under 25 %", percent(ratio(high, low)))
	s.Note("%d jobs were called twice, because the killed pod had them. Median wait: high %s, normal %s, low %s.",
		twice, figure(high), figure(quantile(waits["normal"], 0.5)), figure(low))
}

// calledTwice counts the jobs that the vendor saw more than once, and those of them that no call of the killed pod
// explains.
func calledTwice(calls []vendorsim.Call, killed string) (twice, unexplained int) {
	callers := map[string][]string{} // by job, the pods that called the vendor for it
	for _, call := range calls {
		callers[call.RequestID] = append(callers[call.RequestID], call.Pod)
	}
	for _, by := range callers {
		if len(by) > 1 {
			twice++
			if !slices.Contains(by[:len(by)-1], killed) {
				unexplained++
			}
		}
	}
	return twice, unexplained
}

// drawJobs draws when the jobs of each class were started, and how many were left.
func drawJobs(jobs []*job, began time.Time) []Panel {
	started := map[string][]time.Time{}
	var ended []time.Time
	for _, j := range jobs {
		started[j.Priority] = append(started[j.Priority], j.Started)
		ended = append(ended, j.Ended)
	}
	starts := Panel{Y: "jobs started per second"}
	until := slices.MaxFunc(ended, time.Time.Compare)
	for _, class := range []string{"high", "normal", "low"} {
		starts.Series = append(starts.Series, Series{Name: class, Color: classColors[class],
			Points: rates(started[class], began, until)})
	}
	return []Panel{starts, {Y: "jobs that are not done",
		Series: []Series{{Name: "queued or running", Color: black, Points: remaining(ended, began)}}}}
}
