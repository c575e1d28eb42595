package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/spillway-dev/spillway/internal/await"
	"github.com/spillway-dev/spillway/internal/redistest"
)

// No user sees, cancels or finds a job of another user, and Redis holds no API key.
func TestJobsArePrivate(t *testing.T) {
	t.Parallel()
	vendor := newGate()
	b, rdb := newJobBundle(t, vendor.call)
	v := submit(t, b)
	<-vendor.arrived
	other := []string{"Authorization", "Bearer key-pro"}
	for _, method := range []string{http.MethodGet, http.MethodDelete} {
		for _, path := range []string{v.Self, "/llm/jobs/none"} {
			if got := b.send(method, path, "", other...); got.status != http.StatusNotFound ||
				got.code() != "job_not_found" {
				t.Errorf("%s %s by another: %d %s", method, path, got.status, got.body)
			}
		}
	}
	if got := b.send(http.MethodGet, "/llm/jobs", "", other...); strings.Contains(got.body, v.ID) {
		t.Errorf("listed for another: %s", got.body)
	}
	if got := b.send(http.MethodGet, v.Self, "", "Authorization", ""); got.status != http.StatusUnauthorized {
		t.Errorf("without a key: %d", got.status)
	}
	c := redis.NewClient(&redis.Options{Addr: rdb.Addr()})
	defer c.Close()
	keys, err := c.Keys(t.Context(), "*").Result()
	check(t, err)
	for _, key := range keys {
		fields, _ := c.HGetAll(t.Context(), key).Result() // nothing of what is no hash
		if strings.Contains(key+fmt.Sprint(fields), "key-enterprise") {
			t.Errorf("%s holds the API key", key)
		}
	}
	close(vendor.open)
	end(t, b, v.ID)
}

// Cancelling: a queued job never starts, a running one's vendor call is cancelled, and one that has ended stays.
func TestCancelledJobs(t *testing.T) {
	t.Parallel()
	vendor := newGate()
	b, _ := newJobBundle(t, vendor.call, "LLM_JOBS_WORKERS=1")
	running := submit(t, b)
	<-vendor.arrived
	queued := submit(t, b)
	if v := viewOf(t, b.send(http.MethodGet, queued.Self, "")); v.State != "queued" || v.Position != 1 {
		t.Errorf("in the queue: %+v", v)
	}
	for _, job := range []jobView{queued, running, running} { // twice is no mistake
		if got := b.send(http.MethodDelete, job.Self, ""); got.status != http.StatusNoContent {
			t.Errorf("cancel: %d %s", got.status, got.body)
		}
		if v := viewOf(t, b.send(http.MethodGet, job.Self, "")); v.State != "cancelled" {
			t.Errorf("cancelled: %+v", v)
		}
	}
	await.Value(t, "the end of the vendor call", vendor.left)
	last := submit(t, b)
	if call := <-vendor.arrived; call.ID != last.ID {
		t.Errorf("%s was called, not %s", call.ID, last.ID)
	}
	close(vendor.open)
	end(t, b, last.ID)
	if got := b.send(http.MethodDelete, last.Self, ""); got.status != http.StatusConflict || got.code() != "job_ended" {
		t.Errorf("cancelling what is done: %d %s", got.status, got.body)
	}
}

// Jobs that are not accepted, with the reason.
func TestJobsThatAreNotTaken(t *testing.T) {
	t.Parallel()
	vendor := newGate()
	b, _ := newJobBundle(t, vendor.call, "LLM_JOBS_USER_MAX=2", "LLM_JOBS_MAX_BODY=100")
	streamed := b.send(http.MethodPost, "/llm", `{"model":"m","stream":true}`, "Prefer", async)
	if streamed.status != http.StatusUnprocessableEntity || streamed.code() != "job_without_stream" {
		t.Errorf("a stream: %d %s", streamed.status, streamed.body)
	}
	large := b.send(http.MethodPost, "/llm", `{"model":"`+strings.Repeat("m", 100)+`"}`, "Prefer", async)
	if large.status != http.StatusRequestEntityTooLarge || large.code() != "payload_too_large" {
		t.Errorf("too large: %d %s", large.status, large.body)
	}
	var mu sync.Mutex
	got := map[int]int{}
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			a := b.send(http.MethodPost, "/llm", goodBody, "Prefer", async)
			mu.Lock()
			defer mu.Unlock()
			got[a.status]++
			if a.status != http.StatusAccepted && (a.code() != "too_many_jobs" || a.header.Get("Retry-After") == "") {
				t.Errorf("%d %s", a.status, a.body)
			}
		})
	}
	wg.Wait()
	if got[http.StatusAccepted] != 2 {
		t.Errorf("a limit of 2, and %v", got)
	}
	submit(t, b, "Authorization", "Bearer key-pro") // a user with another limit
	close(vendor.open)
	for _, path := range []string{"?state=lost", "?limit=0", "?limit=x"} {
		if a := b.send(http.MethodGet, "/llm/jobs"+path, ""); a.status != http.StatusUnprocessableEntity ||
			a.code() != "invalid_payload" {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
}

// While the vendor is down and the pod is under pressure, jobs are accepted and calls are refused.
func TestJobsAreTakenUnderPressure(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t)
	b := newBundle(t, answers, options{jobs: true, redis: rdb.URL(), down: time.Minute})
	if got := b.send(http.MethodPost, "/llm", goodBody); got.code() != "vendor_unavailable" {
		t.Errorf("a call: %d %s", got.status, got.body)
	}
	submit(t, b)
}

// While Redis is away, submitting says so at once and calls are served.
func TestJobsWithoutRedis(t *testing.T) {
	t.Parallel()
	b, rdb := newJobBundle(t, answers)
	v := submit(t, b)
	end(t, b, v.ID)
	rdb.Kill()
	for range 5 { // the first ones find out
		got := b.send(http.MethodPost, "/llm", goodBody, "Prefer", async)
		if got.status != http.StatusServiceUnavailable || got.code() != "jobs_unavailable" ||
			got.header.Get("Retry-After") == "" {
			t.Errorf("submitting: %d %s", got.status, got.body)
		}
		if got := b.send(http.MethodGet, v.Self, ""); got.code() != "jobs_unavailable" {
			t.Errorf("looking: %d %s", got.status, got.body)
		}
		if got := b.send(http.MethodPost, "/llm", goodBody); got.status != http.StatusOK {
			t.Errorf("a call: %d %s", got.status, got.body)
		}
	}
	rdb.Restart()
	var taken answer
	await.True(t, "jobs are taken after Redis is back", func() bool {
		taken = b.send(http.MethodPost, "/llm", goodBody, "Prefer", async)
		return taken.status == http.StatusAccepted
	})
	end(t, b, viewOf(t, taken).ID)
}

// When jobs are switched off, the preference is ignored, as the RFC allows, and the paths of jobs do not exist.
func TestJobsSwitchedOff(t *testing.T) {
	t.Parallel()
	b := newBundle(t, answers, options{})
	if got := b.send(http.MethodPost, "/llm", goodBody, "Prefer", async); got.status != http.StatusOK ||
		got.header.Get("Preference-Applied") != "" {
		t.Errorf("%d %s", got.status, got.header)
	}
	if got := b.send(http.MethodGet, "/llm/jobs", ""); got.status != http.StatusNotFound {
		t.Errorf("%d", got.status)
	}
}
