package prove

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"gonum.org/v1/plot/plotter"

	"github.com/spillway-dev/spillway/internal/await"
	"github.com/spillway-dev/spillway/internal/vendorsim"
)

var jobsAreNotLost = scenario{
	file: "jobs", title: "No job is lost", run: runJobs,
	claim: "Five pods work off two thousand jobs of three priorities; one pod is killed in the middle, one replaced. " +
		"Every job is finished, none is " +
		"called twice but those the killed pod had in its hands, high goes first, and the contract holds.",
}

// job is what a client knows of a job.
type job struct {
	ID       string
	State    string
	Priority string
	Created  time.Time `json:"created_at"`
	Started  time.Time `json:"started_at"`
	Ended    time.Time `json:"ended_at"`

	user, key string
}

func runJobs(s *Stage) {
	const (
		pods, all = 5, 2000
		window    = 6 * time.Second
		calls     = 600 // of the contract, in a window
	)
	contract := vendorsim.Contract{Requests: calls, Window: vendorsim.Duration(window)}
	c := NewCluster(s, vendorsim.Config{Latency: vendorsim.Constant(100 * time.Millisecond), Contract: contract},
		env("LLM_QUOTA_REQUESTS", calls), env("LLM_QUOTA_WINDOW", window), env("LLM_QUOTA_SHARES", pods+1),
		"LLM_QUOTA_TOKENS=0",
		"LLM_QUEUE_TIMEOUT=200ms", "LLM_JOBS_LEASE=3s", "LLM_JOBS_LOOKS=0")
	running := c.Start(pods)
	began := time.Now()
	mark := func(text string) { s.chart.Mark(time.Since(began), text) }
	jobs := make([]*job, all)
	var wg sync.WaitGroup
	turn := make(chan struct{}, 10)
	each := func(do func(j *job) error) {
		for _, j := range jobs {
			wg.Go(func() {
				turn <- struct{}{}
				defer func() { <-turn }()
				if err := do(j); err != nil {
					s.Error(err)
				}
			})
		}
		wg.Wait()
	}
	for i := range jobs {
		jobs[i] = &job{user: user("enterprise", i), Priority: []string{"low", "normal", "high"}[i%3],
			key: fmt.Sprint("job ", i)}
	}
	each(c.submit)
	mark("all are submitted")
	c.hold(4 * time.Second)
	mark(running[0].Name + " is killed")
	running[0].Kill()
	dead := running[0].Name
	c.hold(2 * time.Second)
	mark(running[1].Name + " is replaced")
	running[1] = c.Replace(running[1])
	c.eventually("the vendor has seen as many jobs as there are",
		func() bool { return c.Vendor.Stats().RequestIDs >= all })
	each(c.finish)

	done := 0
	waits := map[string][]time.Duration{}
	for _, j := range jobs {
		if j.State == "succeeded" {
			done++
		}
		waits[j.Priority] = append(waits[j.Priority], j.Started.Sub(j.Created))
	}
	twice, unasked := calledTwice(c.Vendor.Calls(), dead)
	st := c.Vendor.Stats()
	high, low := quantile(waits["high"], 0.5), quantile(waits["low"], 0.5)
	s.Check(done == all, "jobs finished", fmt.Sprintf("%d of %d", all, all), done)
	s.Check(unasked == 0, "jobs called twice at the vendor that were not in the killed pod's hands", "0", unasked)
	s.Check(st.RequestViolations == 0, "calls beyond the contract", "0", st.RequestViolations)
	s.Check(ratio(high, low) < 0.25, "median wait of high, of that of low", "under 25 %", percent(ratio(high, low)))
	s.Note("%d jobs were called twice, because the killed pod had them. Median wait: high %s, normal %s, low %s.",
		twice,
		figure(high), figure(quantile(waits["normal"], 0.5)), figure(low))

	s.chart.Panels = append(drawJobs(jobs, began), Windows(c.Vendor.Calls(), contract, began))
}

// calledTwice counts the jobs that came to the vendor more than once, and those of them that no call of the dead pod
// explains.
func calledTwice(calls []vendorsim.Call, dead string) (twice, unasked int) {
	callers := map[string][]string{} // by job, the pods that called the vendor for it
	for _, call := range calls {
		callers[call.RequestID] = append(callers[call.RequestID], call.Pod)
	}
	for _, by := range callers {
		if len(by) > 1 {
			twice++
			if !slices.Contains(by[:len(by)-1], dead) {
				unasked++
			}
		}
	}
	return twice, unasked
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

// submit hands in a job. Told that it cannot be taken now, it comes again under the same Idempotency-Key, as it is told
// to.
func (c *Cluster) submit(j *job) error {
	body := `{"model":"m","messages":[{"role":"user","content":"hello"}],"max_tokens":16}`
	header := http.Header{"Prefer": {"respond-async"}, "X-Priority": {j.Priority}, "Idempotency-Key": {j.key}}
	for late := time.Now().Add(await.Limit); ; c.hold(100 * time.Millisecond) {
		status, err := c.jobCall(j, http.MethodPost, "/llm", body, header)
		if err != nil || status == http.StatusAccepted {
			return err
		}
		if status != http.StatusServiceUnavailable || time.Now().After(late) {
			return fmt.Errorf("a job was not taken: status %d", status)
		}
	}
}

// finish waits until a job has ended.
func (c *Cluster) finish(j *job) error {
	for late := time.Now().Add(await.Limit); ; {
		status, err := c.jobCall(j, http.MethodGet, "/llm/jobs/"+j.ID, "", http.Header{"Prefer": {"wait=5"}})
		switch {
		case err != nil:
			return err
		case status == http.StatusOK && j.State != "queued" && j.State != "running":
			return nil
		case time.Now().After(late):
			return fmt.Errorf("job %s is still %s; status %d", j.ID, j.State, status)
		}
	}
}

// jobCall makes a request of j's user and reads a success into j.
func (c *Cluster) jobCall(j *job, method, path, body string, header http.Header) (status int, err error) {
	pod := c.balancer.pick()
	if pod == nil {
		return 0, errors.New("no pod is ready")
	}
	req, err := http.NewRequestWithContext(c.tb.Context(), method, pod.URL+path, strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Header = header
	req.Header.Set("Authorization", "Bearer "+j.user)
	req.Header.Set("Content-Type", "application/json")
	res, err := c.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode/100 != 2 {
		return res.StatusCode, err
	}
	return res.StatusCode, json.Unmarshal(answer, j)
}

// remaining is how many have not ended, over time.
func remaining(ended []time.Time, began time.Time) plotter.XYs {
	points := plotter.XYs{{X: 0, Y: float64(len(ended))}}
	for i, at := range slices.SortedFunc(slices.Values(ended), time.Time.Compare) {
		points = append(points, plotter.XY{X: at.Sub(began).Seconds(), Y: float64(len(ended) - i - 1)})
	}
	return points
}
