package main_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/spillway-dev/spillway/internal/await"
	"github.com/spillway-dev/spillway/internal/openloop"
	"github.com/spillway-dev/spillway/internal/redistest"
	"github.com/spillway-dev/spillway/internal/vendorsim"
)

// These tests run real servers that share their jobs through a real Redis.

// ask sends one request with the test's key and returns status and body.
func ask(t *testing.T, method, url, body string, header ...string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = http.Header{"Authorization": {"Bearer " + testKey}, "Content-Type": {"application/json"}}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	all, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(all)
}

type jobView struct {
	ID, State, Priority string
	Created             time.Time `json:"created_at"`
	Started             time.Time `json:"started_at"`
}

func submitJob(t *testing.T, p *process, priority string) string {
	t.Helper()
	status, body := ask(t, http.MethodPost, p.URL+"/llm", question, "Prefer", "respond-async", "X-Priority", priority)
	var v jobView
	if err := json.Unmarshal([]byte(body), &v); err != nil || status != http.StatusAccepted {
		t.Fatalf("not taken: %d %s", status, body)
	}
	return v.ID
}

func lookAtJob(t *testing.T, p *process, id string) (v jobView) {
	t.Helper()
	status, body := ask(t, http.MethodGet, p.URL+"/llm/jobs/"+id, "")
	if err := json.Unmarshal([]byte(body), &v); err != nil || status != http.StatusOK {
		t.Fatalf("%s: %d %s", id, status, body)
	}
	return v
}

func succeeded(t *testing.T, p *process, id string) func() bool {
	return func() bool {
		v := lookAtJob(t, p, id)
		if v.State == "failed" {
			t.Fatalf("%+v", v)
		}
		return v.State == "succeeded"
	}
}

// TestTheFirstJobWaitsForNoBurst: the contract of a Redis that is empty begins without its burst, of which jobs leave
// half to others. The first job after a start goes at once all the same.
func TestTheFirstJobWaitsForNoBurst(t *testing.T) {
	t.Parallel()
	_, url := judge(t, vendorsim.Config{})
	p := start(t, production(t, redistest.Start(t), url, "LLM_QUOTA_REQUESTS=600", "LLM_QUOTA_TOKENS=600000"))
	await.True(t, "the first job has ended", succeeded(t, p, submitJob(t, p, "low")))
	if n := metric(t, p, "llm_gate_rejections_total"); n != 0 {
		t.Errorf("a gate turned the first job away %v times", n)
	}
}

// A pod is killed in the middle of a job. Another pod finishes the job after the lease.
func TestJobSurvivesSIGKILL(t *testing.T) {
	t.Parallel()
	vendor := newGatedVendor(t)
	settings := production(t, redistest.Start(t), vendor.URL, "LLM_JOBS_LEASE=5s")
	dying := start(t, settings)
	id := submitJob(t, dying, "high")
	vendor.called()
	other := start(t, settings)
	dying.signal(syscall.SIGKILL)
	dying.exit()
	vendor.called() // the other pod's call
	close(vendor.open)
	await.True(t, "the job is done", succeeded(t, other, id))
	if n := vendor.calls.Load(); n != 2 {
		t.Errorf("%d vendor calls, want one for each pod", n)
	}
	if metric(t, other, `llm_jobs_retried_total{reason="rescued"}`) != 1 {
		t.Error("nothing is said of the rescue")
	}
}

// A pod that stops finishes a job whose vendor call is in flight, and hands back at once a job that does not end in
// time. The lease is an hour, so it plays no part.
func TestJobIsHandedBackOnSIGTERM(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, grace string
		calls       int64
	}{{"called and finished", "50s", 1}, {"called and cut", "10ms", 2}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			vendor := newGatedVendor(t)
			settings := production(t, redistest.Start(t), vendor.URL, "LLM_JOBS_LEASE=1h", "LLM_JOBS_STOP_GRACE="+
				c.grace, "LLM_DRAIN_DELAY=0s")
			old := start(t, settings)
			id := submitJob(t, old, "low")
			vendor.called()
			young := start(t, settings)
			old.terminate()
			if c.calls == 1 {
				old.says(`"msg":"draining"`)
				close(vendor.open)
			} else {
				vendor.called() // the young pod's call
				close(vendor.open)
			}
			if code := old.exit(); code != 0 {
				t.Errorf("exit status %d", code)
			}
			await.True(t, "the job is done", succeeded(t, young, id))
			if n := vendor.calls.Load(); n != c.calls {
				t.Errorf("%d vendor calls, want %d", n, c.calls)
			}
		})
	}
}

// Jobs that wait for the contract are handed back as soon as the pod stops, because no call was made for them.
func TestWaitingJobIsHandedBackAtOnce(t *testing.T) {
	t.Parallel()
	sim, url := judge(t, vendorsim.Config{})
	rdb := redistest.Start(t)
	shared := []string{"LLM_JOBS_LEASE=1h", "LLM_JOBS_STOP_GRACE=1h", "LLM_SHUTDOWN_GRACE=2h", "LLM_DRAIN_DELAY=0s"}
	old := start(t, production(t, rdb, url, append(shared, "LLM_VENDOR_NAME=other", "LLM_QUOTA_REQUESTS=1",
		"LLM_QUOTA_WINDOW=1h")...))
	// From here on the contract of the old pod has no room for an hour: this call has passed as the first of a new
	// state, or was refused because the pod had made the state before.
	code, answer, err := post(t.Context(), http.DefaultClient, old.URL, question)
	if err != nil || code != http.StatusOK && code != http.StatusTooManyRequests {
		t.Fatalf("%d %s %v", code, answer, err)
	}
	calls := sim.Stats().Calls
	id := submitJob(t, old, "high")
	await.True(t, "the job waits", func() bool { return lookAtJob(t, old, id).State == "running" })
	young := start(t, production(t, rdb, url, shared...))
	old.terminate()
	await.True(t, "the job is done", succeeded(t, young, id))
	if code := old.exit(); code != 0 {
		t.Errorf("exit status %d", code)
	}
	if n := sim.Stats().Calls - calls; n != 1 {
		t.Errorf("%d vendor calls", n)
	}
}

// TestJobsAcrossPods: four pods work off jobs of three priorities under one contract, and serve calls at the same time.
// One pod is killed and one is replaced. No job is lost, only jobs of the killed pod are called twice, high priority
// goes first, and the contract holds.
func TestJobsAcrossPods(t *testing.T) {
	t.Parallel()
	const each, rate = 60, 120
	sim, url := judge(t, vendorsim.Config{
		Contract: vendorsim.Contract{Requests: rate, Window: vendorsim.Duration(4 * time.Second)},
	})
	settings := production(t, redistest.Start(t), url, "LLM_JOBS_LEASE=6s", "LLM_JOBS_USER_MAX=1000",
		"LLM_JOBS_WORKERS=4", "LLM_DRAIN_DELAY=0s",
		"LLM_QUOTA_REQUESTS="+strconv.Itoa(rate), "LLM_QUOTA_TOKENS=0", "LLM_QUOTA_WINDOW=4s", "LLM_QUEUE_TIMEOUT=2s")
	pods := []*process{start(t, settings), start(t, settings), start(t, settings), start(t, settings)}
	killed, rolled, left := pods[0], pods[1], pods[2:]

	ids := map[string]bool{}
	for i := range 3 * each {
		ids[submitJob(t, pods[i%len(pods)], []string{"low", "normal", "high"}[i%3])] = true
	}
	if len(ids) != 3*each {
		t.Fatalf("%d jobs of %d", len(ids), 3*each)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var beside sync.WaitGroup
	beside.Go(func() { // a third of what the contract has room for
		openloop.Run(ctx, 10, 0, func(int) {
			if status, body, err := post(t.Context(), http.DefaultClient, pods[3].URL, question); err != nil ||
				status != http.StatusOK {
				t.Errorf("a call beside the jobs: %d %s %v", status, body, err)
			}
		})
	})
	await.True(t, "some jobs are called", func() bool { return sim.Stats().Calls >= each/2 })
	killed.signal(syscall.SIGKILL)
	await.True(t, "more jobs are called", func() bool { return sim.Stats().Calls >= each })
	rolled.terminate()
	left = append(left, start(t, settings))

	waits := map[string][]time.Duration{}
	for id := range ids {
		await.True(t, id+" is done", succeeded(t, left[0], id))
		v := lookAtJob(t, left[0], id)
		waits[v.Priority] = append(waits[v.Priority], v.Started.Sub(v.Created))
	}
	stop()
	beside.Wait()
	st := sim.Stats()
	if st.RequestViolations != 0 {
		t.Errorf("%d violations of the contract", st.RequestViolations)
	}
	more := 0
	for times, n := range st.Repeats {
		if times > 1 {
			more += n * (times - 1)
		}
	}
	if more > 4 { // the workers of the pod that died
		t.Errorf("%d calls too many: %v", more, st.Repeats)
	}
	median := func(class string) time.Duration {
		slices.Sort(waits[class])
		return waits[class][len(waits[class])/2]
	}
	t.Logf("%d vendor calls, repeats %v; median waits: high %v, normal %v, low %v", st.Calls, st.Repeats,
		median("high"), median("normal"), median("low"))
	if len(waits["high"]) != each || median("high") >= median("low") {
		t.Errorf("high waited %v, low %v", median("high"), median("low"))
	}
}

// TestJobsOnRedisTopologies: Sentinel and Cluster keep jobs as a single Redis does.
func TestJobsOnRedisTopologies(t *testing.T) {
	t.Parallel()
	for name, settings := range topologies(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, url := judge(t, vendorsim.Config{})
			p := start(t, production(t, redistest.Start(t), url, settings...))
			var ids []string
			for i := range 9 {
				ids = append(ids, submitJob(t, p, []string{"low", "normal", "high"}[i%3]))
			}
			var wg sync.WaitGroup
			for _, id := range ids {
				wg.Go(func() { await.True(t, "the job is done", succeeded(t, p, id)) })
			}
			wg.Wait()
			status, body := ask(t, http.MethodGet, p.URL+"/llm/jobs", "")
			if status != http.StatusOK || strings.Count(body, `"succeeded"`) != len(ids) {
				t.Errorf("%d %s", status, body)
			}
		})
	}
}
