package jobs_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/spillway-dev/spillway/internal/await"
	"github.com/spillway-dev/spillway/internal/jobs"
	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/outcome"
	"github.com/spillway-dev/spillway/internal/redistest"
	"github.com/spillway-dev/spillway/internal/redisx"
)

// reasonOf is why a request was refused; "" when it was not.
func reasonOf(err error) outcome.Reason {
	if rejected, ok := errors.AsType[*outcome.Rejected](err); ok {
		return rejected.Reason
	}
	return ""
}

// submission is a job of a user's with a body of about size bytes.
func submission(user string, size int) jobs.Submission {
	return jobs.Submission{User: user, Priority: llm.High,
		Body: []byte(`{"model":"m","messages":[],"user":"` + strings.Repeat("x", size) + `"}`)}
}

// TestJobsEndInAFullRedis: a Redis that is full takes no more jobs, and those that it has are claimed, cancelled and
// ended, which frees memory. An answer that does not fit ends its job with what is known: the vendor is paid once.
func TestJobsEndInAFullRedis(t *testing.T) {
	t.Parallel()
	rdb := redistest.StartLimited(t, 8<<20)
	p := newPod(t, options{redis: redisx.Config{URL: rdb.URL()}, workers: 1, lease: time.Second,
		change: func(c *jobs.Config) { c.Memory = 4 << 20 }})
	submit := func(size int) string {
		id, _, err := p.Submit(t.Context(), submission("ada", size))
		ok(t, err)
		return id
	}
	ids := []string{submit(1 << 10), submit(1 << 10), submit(1 << 10)}
	first := p.vendor.called(t)
	rdb.Fill()
	if _, _, err := p.Submit(t.Context(), submission("ada", 1<<10)); reasonOf(err) != jobs.Full {
		t.Errorf("a full Redis takes a job: %v", err)
	}
	ok(t, p.Cancel(t.Context(), "ada", ids[2]))
	rdb.Fill()
	first.answer <- "short"
	if j := p.end(t, ids[0]); j.State != jobs.Succeeded || string(j.Answer) != "short" {
		t.Errorf("the short answer: %+v", j)
	}
	second := p.vendor.called(t) // it was claimed
	rdb.Fill()
	second.answer <- strings.Repeat("long ", 10<<10)
	if j := p.end(t, ids[1]); j.State != jobs.Failed ||
		!strings.Contains(string(j.Problem), string(jobs.ResultDropped)) || len(j.Answer) > 0 {
		t.Errorf("the long answer: %+v", j)
	}
	await.True(t, "the dropped answer is counted",
		func() bool { return p.total(t, "llm_jobs_results_dropped_total") == 1 })
	rdb.Drain()
	id := submit(1 << 10)
	p.vendor.called(t).answer <- "again"
	if j := p.end(t, id); j.State != jobs.Succeeded {
		t.Errorf("with memory again: %+v", j)
	}
	p.vendor.quiet(t)
}

// TestJobsHaveABudgetInBytes: of each user and in all. What has expired gives its bytes back.
func TestJobsHaveABudgetInBytes(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t)
	p := newPod(t, options{redis: redisx.Config{URL: rdb.URL()}, workers: -1, lease: time.Second,
		change: func(c *jobs.Config) {
			c.Memory, c.UserMemory, c.Retention = 80<<10, 40<<10, time.Second
		}})
	var ids []string
	fill := func(user string) outcome.Reason {
		for {
			id, _, err := p.Submit(t.Context(), submission(user, 8<<10))
			if err != nil {
				return reasonOf(err)
			}
			ids = append(ids, id)
		}
	}
	for _, c := range []struct {
		user string
		want outcome.Reason
		jobs int // in all
	}{{"ada", jobs.TooManyBytes, 3}, {"bob", jobs.TooManyBytes, 6}, {"eve", jobs.Full, 7},
		{"ada", jobs.TooManyBytes, 7}} {
		if got := fill(c.user); got != c.want || len(ids) != c.jobs {
			t.Errorf("%s: %s after %d jobs, want %s after %d", c.user, got, len(ids), c.want, c.jobs)
		}
	}
	for _, id := range ids[:3] {
		ok(t, p.Cancel(t.Context(), "ada", id)) // which gives back what the body took
	}
	if _, _, err := p.Submit(t.Context(), submission("ada", 8<<10)); err != nil {
		t.Error(err)
	}
	c := rdb.Client()
	await.True(t, "what was cancelled has expired",
		func() bool { return c.HLen(t.Context(), "llm:{llm:jobs}:sizes").Val() == 5 })
	sizes, sum := c.HVals(t.Context(), "llm:{llm:jobs}:sizes").Val(), 0
	for _, size := range sizes {
		sum += len(size) // all have five digits
	}
	each, err := c.HGet(t.Context(), "llm:{llm:jobs}:sizes", ids[3]).Int()
	ok(t, err)
	if all, err := c.Get(t.Context(), "llm:{llm:jobs}:bytes").Int(); err != nil || all != len(sizes)*each ||
		sum != 5*len(sizes) {
		t.Errorf("%d jobs of %d bytes take %d: %v %v", len(sizes), each, all, sizes, err)
	}
}

// TestJobsMayTakeHalfOfRedisMemory unless the settings say otherwise.
func TestJobsMayTakeHalfOfRedisMemory(t *testing.T) {
	t.Parallel()
	rdb := redistest.StartLimited(t, 64<<20)
	p := newPod(t, options{redis: redisx.Config{URL: rdb.URL()}, workers: -1, lease: time.Second})
	await.True(t, "maxmemory is known", func() bool { return p.total(t, "llm_jobs_bytes_limit") == 32<<20 })
}

// TestAnswerThatCannotBeWrittenDownIsAnAttempt: the vendor is not paid for it again and again.
func TestAnswerThatCannotBeWrittenDownIsAnAttempt(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t)
	p := newPod(t, options{
		redis: redisx.Config{URL: rdb.URL()}, lease: time.Second, change: func(c *jobs.Config) { c.Attempts = 2 },
		hook: func(ctx context.Context, cmd redis.Cmder, next redis.ProcessHook) error {
			if asks(cmd, jobs.LeaveHash) && named(cmd, "succeeded") {
				err := errors.New("no way through")
				cmd.SetErr(err)
				return err
			}
			return next(ctx, cmd)
		},
		leaveFor: time.Millisecond,
	})
	id := p.submit(t)
	p.vendor.called(t).answer <- "lost"
	p.vendor.called(t).answer <- "lost too"
	if j := p.end(t, id); j.State != jobs.Failed || j.Failures != 2 ||
		!strings.Contains(string(j.Problem), string(jobs.ResultDropped)) {
		t.Errorf("%+v", j)
	}
	p.vendor.quiet(t)
}

// named reports whether a script is given the value.
func named(cmd redis.Cmder, value string) bool {
	for _, arg := range cmd.Args() {
		if arg == value {
			return true
		}
	}
	return false
}
