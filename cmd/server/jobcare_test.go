package main_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/spillway-dev/spillway/internal/await"
	"github.com/spillway-dev/spillway/internal/redistest"
	"github.com/spillway-dev/spillway/internal/vendorsim"
)

// TestLongPollsLeaveThePodOpen: one user sends as many long polls as the pod admits requests. Most of them are answered
// at once, and the pod goes on serving. After SIGTERM the waiting ones are answered.
func TestLongPollsLeaveThePodOpen(t *testing.T) {
	t.Parallel()
	vendor := newGatedVendor(t)
	p := start(t, production(t, redistest.Start(t), vendor.URL, "LLM_ADMISSION_MAX=20", "LLM_JOBS_USER_WAITS=5",
		"LLM_DRAIN_DELAY=0s", "LLM_JOBS_STOP_GRACE=0s"))
	id := submitJob(t, p, "high")
	vendor.called()
	var polls sync.WaitGroup
	var atOnce, held atomic.Int64
	poll := func() {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.URL+"/llm/jobs/"+id, http.NoBody)
		if err != nil {
			t.Error(err)
			return
		}
		req.Header = http.Header{"Authorization": {"Bearer " + testKey}, "Prefer": {"wait=50"}}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Error(err)
			return
		}
		defer res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Errorf("a poll got %s", res.Status)
		}
		if res.Header.Get("Preference-Applied") == "" {
			atOnce.Add(1)
		} else {
			held.Add(1)
		}
	}
	for range 5 {
		polls.Go(poll)
	}
	await.True(t, "five polls wait", func() bool { return metric(t, p, "llm_jobs_waiting_requests") == 5 })
	for range 200 {
		poll() // one after the other: they are answered at once
	}
	if atOnce.Load() != 200 {
		t.Errorf("%d polls were answered at once", atOnce.Load())
	}
	if v := lookAtJob(t, p, id); v.State != "running" {
		t.Errorf("%+v", v)
	}
	p.terminate()
	polls.Wait() // long before their 50 seconds
	if held.Load() != 5 {
		t.Errorf("%d polls waited", held.Load())
	}
	if code := p.exit(); code != 0 {
		t.Errorf("exit status %d", code)
	}
	if n := strings.Count(p.Stderr.String(), "the grace period is over"); n != 0 {
		t.Error("the polls were cut and not answered")
	}
}

// TestJobThatTwoPodsWereKilledByIsSetAside: the third pod works on all jobs except the one that killed two pods.
func TestJobThatTwoPodsWereKilledByIsSetAside(t *testing.T) {
	t.Parallel()
	vendor := newGatedVendor(t)
	settings := production(t, redistest.Start(t), vendor.URL, "LLM_JOBS_LEASE=1s", "LLM_JOBS_WORKERS=1")
	var id string
	for i := range 2 {
		dying := start(t, settings)
		if i == 0 {
			id = submitJob(t, dying, "high")
		}
		vendor.called()
		dying.signal(syscall.SIGKILL)
		dying.exit()
	}
	p := start(t, settings)
	await.True(t, "the job is set aside", func() bool { return lookAtJob(t, p, id).State == "poisoned" })
	if status, body := ask(t, http.MethodGet, p.URL+"/llm/jobs?state=poisoned", ""); status != http.StatusOK ||
		!strings.Contains(body, id) {
		t.Errorf("listed: %d %s", status, body)
	}
	if metric(t, p, `llm_jobs_processed_total{priority="high",state="poisoned"}`) != 1 {
		t.Error("it is not counted")
	}
	close(vendor.open)
	await.True(t, "another job is done", succeeded(t, p, submitJob(t, p, "low")))
	if n := vendor.calls.Load(); n != 3 {
		t.Errorf("%d vendor calls, want one for each pod that died and one for the other job", n)
	}
}

// TestJobsSurviveAWrongVendorKey: the vendor refuses the service's key for five seconds. Twenty jobs wait, show the
// reason, and are done afterwards. Few calls are made until then.
func TestJobsSurviveAWrongVendorKey(t *testing.T) {
	t.Parallel()
	sim, url := judge(t, vendorsim.Config{})
	var refused atomic.Int64
	var mended atomic.Bool
	vendor := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !mended.Load() {
			refused.Add(1)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		sim.ServeHTTP(w, r)
	}))
	t.Cleanup(vendor.Close)
	_, path, _ := strings.Cut(url, "/v1/")
	p := start(t, production(t, redistest.Start(t), vendor.URL+"/v1/"+path))
	const n = 20
	var ids []string
	for range n {
		ids = append(ids, submitJob(t, p, "normal"))
	}
	for _, id := range ids {
		await.True(t, "the job says what it waits for", func() bool {
			_, body := ask(t, http.MethodGet, p.URL+"/llm/jobs/"+id, "")
			var v struct {
				State   string
				Waiting string `json:"waiting_for"`
			}
			return json.Unmarshal([]byte(body), &v) == nil && v.State == "queued" && v.Waiting == "vendor_auth"
		})
	}
	five, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	<-five.Done()
	if calls := refused.Load(); calls > n {
		t.Errorf("%d calls with a key that the vendor refuses", calls)
	}
	mended.Store(true)
	for _, id := range ids {
		await.True(t, "the job is done", succeeded(t, p, id))
	}
	if st := sim.Stats(); st.Calls != n {
		t.Errorf("%d calls after it was mended", st.Calls)
	}
}

// TestRedisFullOfJobs: with a full Redis no new jobs are accepted, accepted jobs end, and limits are still shared.
func TestRedisFullOfJobs(t *testing.T) {
	t.Parallel()
	vendor := newGatedVendor(t)
	rdb := redistest.StartLimited(t, 8<<20)
	p := start(t, production(t, rdb, vendor.URL, "LLM_JOBS_LEASE=1s", "LLM_TIER_RATES=free:10,enterprise:30"))
	id, cancelled := submitJob(t, p, "high"), submitJob(t, p, "high")
	vendor.called()
	vendor.called()
	rdb.Fill()
	if status, body := ask(t, http.MethodPost, p.URL+"/llm", question,
		"Prefer", "respond-async"); status != http.StatusServiceUnavailable || problemCode(body) != "jobs_full" {
		t.Errorf("submitted: %d %s", status, body)
	}
	if status, body := ask(t, http.MethodDelete, p.URL+"/llm/jobs/"+cancelled, ""); status != http.StatusNoContent {
		t.Errorf("cancelled: %d %s", status, body)
	}
	rdb.Fill()
	close(vendor.open)
	await.True(t, "the job is done", succeeded(t, p, id))
	rdb.Fill()
	limited := 0
	for range 60 {
		status, body, err := post(t.Context(), http.DefaultClient, p.URL, question)
		switch {
		case err != nil || status != http.StatusOK && problemCode(body) != "user_rate_limited":
			t.Fatalf("%d %s %v", status, body, err)
		case status != http.StatusOK:
			limited++
		}
	}
	if limited == 0 {
		t.Error("no user is limited any more")
	}
	if n := metric(t, p, `llm_user_limit_decisions_total{counted="local"`); n != 0 {
		t.Errorf("%v requests were counted by this pod alone", n)
	}
	if metric(t, p, "llm_redis_full") != 1 || metric(t, p, "llm_redis_up") != 1 {
		t.Error("the metrics do not say that Redis is full, and up")
	}
	if !strings.Contains(p.Stderr.String(), "redis is full") {
		t.Error("the log does not say that Redis is full")
	}
}
