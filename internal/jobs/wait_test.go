package jobs_test

import (
	"bytes"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spillway-dev/spillway/internal/await"
	"github.com/spillway-dev/spillway/internal/jobs"
	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/outcome"
	"github.com/spillway-dev/spillway/internal/redistest"
	"github.com/spillway-dev/spillway/internal/redisx"
)

// TestWaitsHaveAPoolOfTheirOwn: a user has a part of it, and beyond it a request is answered at once with what is
// known.
func TestWaitsHaveAPoolOfTheirOwn(t *testing.T) {
	t.Parallel()
	p := newPod(t, options{redis: redisx.Config{URL: redistest.Start(t).URL()},
		change: func(c *jobs.Config) { c.Waits, c.UserWaits = 3, 2 }})
	of := map[string]string{}
	for _, user := range []string{"ada", "bob", "eve"} {
		id, _, err := p.Submit(t.Context(), submission(user, 0))
		ok(t, err)
		of[user] = id
	}
	var waiting sync.WaitGroup
	begin := func(user string) {
		waiting.Go(func() {
			if j, held, err := p.Wait(t.Context(), user, of[user], time.Hour); err != nil || !held || j.State.Final() {
				t.Errorf("%s: %+v, held %v, %v", user, j, held, err)
			}
		})
	}
	atOnce := func(user, reason string) {
		t.Helper()
		before := p.counted(t, "llm_jobs_waits_total", reason)
		if j, held, err := p.Wait(t.Context(), user, of[user], time.Hour); err != nil || held || j.ID != of[user] {
			t.Errorf("%s: %+v, held %v, %v", user, j, held, err)
		}
		if p.counted(t, "llm_jobs_waits_total", reason) != before+1 {
			t.Errorf("%s is not counted as %s", user, reason)
		}
	}
	held := func(n float64) {
		t.Helper()
		await.True(t, "requests wait", func() bool { return p.total(t, "llm_jobs_waiting_requests") == n })
	}
	begin("ada")
	begin("ada")
	held(2)
	atOnce("ada", "user_full")
	begin("bob")
	held(3)
	atOnce("eve", "pod_full")
	p.Stop() // answers them all, an hour early
	waiting.Wait()
	held(0)
}

// TestLooksAreCounted by user, in Redis.
func TestLooksAreCounted(t *testing.T) {
	t.Parallel()
	o := options{redis: redisx.Config{URL: redistest.Start(t).URL()}, workers: -1,
		change: func(c *jobs.Config) { c.Looks = 3 }}
	a, b := newPod(t, o), newPod(t, o)
	for i := range 3 {
		ok(t, []*pod{a, b}[i%2].CountLook(t.Context(), "ada"))
	}
	if err := b.CountLook(t.Context(), "ada"); reasonOf(err) != outcome.UserRateLimited {
		t.Errorf("the fourth look: %v", err)
	}
	ok(t, b.CountLook(t.Context(), "bob"))
}

// TestLooksSurviveAClockThatWentBack: a bucket that another Redis wrote an hour ahead refuses no user for that hour.
func TestLooksSurviveAClockThatWentBack(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t)
	p := newPod(t, options{redis: redisx.Config{URL: rdb.URL()}, workers: -1,
		change: func(c *jobs.Config) { c.Looks = 3 }})
	year2017 := time.Date(2017, 1, 1, 0, 0, 0, 0, time.UTC) // from which redis_rate counts
	full := time.Now().Add(time.Hour).Sub(year2017).Seconds()
	ok(t, rdb.Client().Set(t.Context(), "rate:llm:look:ada", full, time.Hour).Err())
	for range 3 {
		ok(t, p.CountLook(t.Context(), "ada"))
	}
	if err := p.CountLook(t.Context(), "ada"); reasonOf(err) != outcome.UserRateLimited {
		t.Errorf("the fourth look: %v", err)
	}
}

// TestJobThatTwoPodsDiedOfIsSetAside: it is listed, logged and counted, and no worker gets it again.
func TestJobThatTwoPodsDiedOfIsSetAside(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t)
	c := rdb.Client()
	dies := func(o options) (id string) { // a pod that gives no more signs of life once it calls
		p := newPod(t, o)
		if id = p.submit(t); id != p.vendor.called(t).ID {
			t.Error("another job is called")
		}
		ok(t, c.HSet(t.Context(), p.Job(id), "deaths", 1).Err()) // the first one died before
		ok(t, c.ZAdd(t.Context(), "llm:{llm:jobs}:pods", redisZ(p.Pod(), 1)).Err())
		return id
	}
	id := dies(options{redis: redisx.Config{URL: rdb.URL()}})
	var log syncBuffer
	keeper := newPod(t, options{redis: redisx.Config{URL: rdb.URL()}, lease: time.Second, workers: 1, log: &log})
	j := keeper.end(t, id)
	if j.State != jobs.Poisoned || j.Status == 0 || !strings.Contains(string(j.Problem), string(jobs.JobPoisoned)) {
		t.Errorf("%+v", j)
	}
	list, err := keeper.List(t.Context(), "ada", jobs.Poisoned, 10)
	if err != nil || len(list) != 1 || list[0].ID != id {
		t.Errorf("listed: %v %v", list, err)
	}
	await.True(t, "it is counted", func() bool {
		return keeper.counted(t, "llm_jobs_processed_total",
			"poisoned") == 1
	})
	if !strings.Contains(log.String(), id) {
		t.Errorf("said %q", log.String())
	}
	if c.HGet(t.Context(), keeper.Job(id), "body").Val() != body {
		t.Error("the body is gone, which tells why")
	}
	if err := keeper.Cancel(t.Context(), "ada", id); reasonOf(err) != jobs.Ended {
		t.Errorf("cancelled: %v", err)
	}
	keeper.vendor.quiet(t)
}

// TestBodyChangedInRedisEndsTheJobAlone, not the process, which deep JSON can do.
func TestBodyChangedInRedisEndsTheJobAlone(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t)
	submitter := newPod(t, options{redis: redisx.Config{URL: rdb.URL()}, workers: -1})
	deep, sane := submitter.submit(t), submitter.submit(t)
	ok(t, rdb.Client().HSet(t.Context(), submitter.Job(deep), "body", strings.Repeat("[", 16<<20)).Err())
	p := newPod(t, options{redis: redisx.Config{URL: rdb.URL()}})
	p.vendor.called(t).answer <- "hello"
	if j := p.end(t, sane); j.State != jobs.Succeeded {
		t.Errorf("%+v", j)
	}
	if j := p.end(t, deep); j.State != jobs.Failed || j.Problem == nil {
		t.Errorf("%+v", j)
	}
	p.vendor.quiet(t)
}

// TestJobWaitsForTheOperator: a refused vendor key ends no job. One call finds out, the other jobs wait with it and say
// why; when it is mended, all go on.
func TestJobWaitsForTheOperator(t *testing.T) {
	t.Parallel()
	for kind, code := range map[llm.Kind]string{llm.KindAuth: "vendor_auth", llm.KindQuota: "insufficient_quota"} {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			p := newPod(t, options{redis: redisx.Config{URL: redistest.Start(t).URL()}, workers: 1})
			first := p.submit(t)
			refusal := &llm.VendorError{Kind: kind, Status: 401}
			p.vendor.called(t).failed <- refusal
			second := p.submit(t)
			for _, id := range []string{first, second} {
				await.True(t, "the job says what it waits for", func() bool {
					select {
					case c := <-p.vendor.calls: // the pause was over before the test looked
						c.failed <- refusal
					default:
					}
					j, err := p.Look(t.Context(), "ada", id)
					return err == nil && j.State == jobs.Queued && j.WaitingFor == code && j.Failures == 0
				})
			}
			stop := make(chan struct{})
			defer close(stop)
			go func() { // the vendor is mended
				for {
					select {
					case c := <-p.vendor.calls:
						c.answer <- "hello"
					case <-stop:
						return
					}
				}
			}()
			for _, id := range []string{first, second} {
				if j := p.end(t, id); j.State != jobs.Succeeded || j.WaitingFor != "" {
					t.Errorf("%+v", j)
				}
			}
		})
	}
}

// syncBuffer is a log that is read while it is written.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
