package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/spillway-dev/spillway/internal/await"
	"github.com/spillway-dev/spillway/internal/redistest"
	"github.com/spillway-dev/spillway/internal/vendorsim"
)

// finished waits for a job's end and returns it.
func (v twoVendors) finished(id string) (job jobView) {
	v.tb.Helper()
	await.True(v.tb, "the job ends", func() bool {
		job = viewOf(v.tb, v.send(http.MethodGet, "/llm/jobs/"+id, "", "Prefer", "wait=10"))
		return job.State != "queued" && job.State != "running"
	})
	return job
}

// submitAll submits one job for each body and returns their IDs.
func (v twoVendors) submitAll(bodies ...string) (ids []string) {
	v.tb.Helper()
	for _, body := range bodies {
		got := v.send(http.MethodPost, "/llm", body, "Prefer", async)
		if got.status != http.StatusAccepted {
			v.tb.Fatalf("not taken: %d %s", got.status, got.body)
		}
		ids = append(ids, viewOf(v.tb, got).ID)
	}
	return ids
}

// expectWaiting checks that jobs wait, and that none has failed an attempt.
func (v twoVendors) expectWaiting(ids []string) {
	v.tb.Helper()
	for _, id := range ids {
		if job := viewOf(v.tb, v.send(http.MethodGet, "/llm/jobs/"+id, "")); job.State != "queued" &&
			job.State != "running" || job.Failures != 0 {
			v.tb.Errorf("a job of the lane that is closed: %+v", job)
		}
	}
}

// TestJobsGoToTheFallback as other calls do, for its own model.
func TestJobsGoToTheFallback(t *testing.T) {
	t.Parallel()
	v := twoVendorsWith(t, options{redis: redistest.Start(t).URL(), jobs: true})
	check(t, v.first.AddFault(vendorsim.Fault{Kind: "status", Status: 503}))
	job := v.finished(v.submitAll(wholeAsk)[0])
	if job.State != "succeeded" || job.Failures != 0 || job.Response == nil ||
		!strings.Contains(string(job.Response.Body), `"model":"claude"`) {
		t.Errorf("%+v", job)
	}
	for line := range v.lines {
		if line["msg"] == "job" {
			if line["lane"] != "second" {
				t.Errorf("the log has %v", line)
			}
			break
		}
	}
	if a, b := len(v.first.Calls()), len(v.second.Calls()); a != 2 || b != 1 {
		t.Errorf("the vendors saw %d and %d calls", a, b)
	}
}

// TestALimitedLaneStopsNoJobOfAnotherLane, however many of its jobs stand in front.
func TestALimitedLaneStopsNoJobOfAnotherLane(t *testing.T) {
	t.Parallel()
	v := twoVendorsWith(t, options{redis: redistest.Start(t).URL(), jobs: true}, "LLM_FALLBACK=",
		"LLM_LANE_SECOND_MODELS=mini*", "LLM_JOBS_WORKERS=4")
	check(t, v.second.AddFault(vendorsim.Fault{Kind: "status", Status: 429, RetryAfter: vendorsim.Duration(4e9)}))
	mini := strings.Replace(wholeAsk, "gpt-4o", "mini-2", 1)
	limited := v.submitAll(mini, mini, mini, mini, mini, mini, mini, mini, mini, mini, mini, mini)
	check(t, v.second.WaitFor(t.Context(), func(s vendorsim.Stats) bool { return s.Calls > 0 }))
	if job := v.finished(v.submitAll(wholeAsk)[0]); job.State != "succeeded" {
		t.Errorf("the job of the other lane: %+v", job)
	}
	v.expectWaiting(limited)
	v.second.ClearFaults()
	for _, id := range limited {
		if job := v.finished(id); job.State != "succeeded" || job.Failures != 0 {
			t.Errorf("a job of the limited lane: %+v", job)
		}
	}
}

// TestOneWorkerIsNotKeptByAClosedLane: the pod has one worker, and the breaker of a lane with many jobs is open. A job
// of the other lane goes all the same, and those of the closed one wait and fail no attempt.
func TestOneWorkerIsNotKeptByAClosedLane(t *testing.T) {
	t.Parallel()
	v := twoVendorsWith(t, options{redis: redistest.Start(t).URL(), jobs: true}, "LLM_FALLBACK=",
		"LLM_LANE_SECOND_MODELS=mini*", "LLM_JOBS_WORKERS=1", "LLM_JOBS_ATTEMPTS=1000", "LLM_RETRY_MAX=0",
		"LLM_BREAKER_FAILURES=1", "LLM_BREAKER_OPEN=10m")
	check(t, v.second.AddFault(vendorsim.Fault{Kind: "status", Status: 503}))
	mini := strings.Replace(wholeAsk, "gpt-4o", "mini-2", 1)
	await.True(t, "the breaker of the other lane is open", func() bool {
		return v.send(http.MethodPost, "/llm", mini).status == http.StatusServiceUnavailable
	})
	closed := v.submitAll(mini, mini, mini, mini, mini, mini)
	if job := v.finished(v.submitAll(wholeAsk)[0]); job.State != "succeeded" {
		t.Errorf("the job of the open lane: %+v", job)
	}
	v.expectWaiting(closed)
}
