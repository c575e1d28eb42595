package jobs_test

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/spillway-dev/spillway/internal/await"
	"github.com/spillway-dev/spillway/internal/jobs"
	"github.com/spillway-dev/spillway/internal/redistest"
	"github.com/spillway-dev/spillway/internal/redisx"
)

// Redis hangs while a job is called, for longer than a lease, and the answer comes meanwhile. The first attempt to
// write it down reaches Redis all the same, and its reply is lost: the job ends once and is counted once.
func TestRedisHangsWhileAJobIsCalled(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t)
	ok(t, rdb.Client().ScriptLoad(t.Context(), jobs.LeaveText).Err()) // one command, not two
	failed := make(chan struct{}, 100)
	o := options{redis: redisx.Config{URL: rdb.URL()}, lease: 4 * time.Second,
		hook: func(ctx context.Context, cmd redis.Cmder, next redis.ProcessHook) error {
			err := next(ctx, cmd)
			if asks(cmd, jobs.LeaveHash) && err != nil {
				failed <- struct{}{}
			}
			return err
		}}
	p := newPod(t, o)
	id := p.submit(t)
	call := p.vendor.called(t)
	other := newPod(t, o) // takes over whatever it may
	await.True(t, "the other pod has said that it lives", func() bool {
		return rdb.Client().ZScore(t.Context(), "llm:{llm:jobs}:pods", other.Pod()).Err() == nil
	})
	rdb.Stop()
	call.answer <- "hello"
	for range 2 { // more than a lease
		await.Value(t, "an attempt to write the answer down", failed)
	}
	rdb.Cont()
	if j := p.end(t, id); j.State != jobs.Succeeded || string(j.Answer) != "hello" || j.Failures != 0 {
		t.Errorf("%+v", j)
	}
	await.True(t, "the job is counted", func() bool {
		return p.counted(t, "llm_jobs_processed_total",
			"succeeded") == 1
	})
	p.vendor.quiet(t)
	other.vendor.quiet(t)
}

// Redis hangs when a pod takes a job: it has it then, and does not know it. The job is given back, and called once.
func TestRedisHangsWhileAJobIsClaimed(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t)
	ok(t, rdb.Client().ScriptLoad(t.Context(), jobs.ClaimText).Err()) // one command, not two
	var once sync.Once
	p := newPod(t, options{redis: redisx.Config{URL: rdb.URL()}, lease: 3 * time.Second,
		hook: func(ctx context.Context, cmd redis.Cmder, next redis.ProcessHook) error {
			hangs := false
			if asks(cmd, jobs.ClaimHash) {
				once.Do(func() { hangs = true; rdb.Stop() })
			}
			err := next(ctx, cmd)
			if hangs {
				rdb.Cont()
			}
			return err
		}})
	id := p.submit(t)
	call := p.vendor.called(t)
	call.answer <- "hello"
	if j := p.end(t, id); j.State != jobs.Succeeded || string(j.Answer) != "hello" {
		t.Errorf("%+v", j)
	}
	p.vendor.quiet(t)
}

// The engine gives a task up when Redis was away for half a minute, or when an operator cancels it there. That ends the
// vendor call; the record says that the job is not done, and so it comes again.
func TestJobThatTheEngineGaveUpComesAgain(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t)
	p := newPod(t, options{redis: redisx.Config{URL: rdb.URL()}, lease: time.Second})
	id := p.submit(t)
	first := p.vendor.called(t)
	ok(t, asynq.NewInspectorFromRedisClient(rdb.Client()).CancelProcessing(id))
	await.Value(t, "the end of the call", first.ctx.Done())
	p.vendor.called(t).answer <- "hello"
	if j := p.end(t, id); j.State != jobs.Succeeded || string(j.Answer) != "hello" || j.Failures != 0 {
		t.Errorf("%+v", j)
	}
	if n := p.counted(t, "llm_jobs_retried_total", "rescued"); n != 1 {
		t.Errorf("%v rescues are told of", n)
	}
}

// A failover in the middle of a job, and jobs in the queue: what the replica had is done, once.
func TestJobsSurviveASentinelFailover(t *testing.T) {
	t.Parallel()
	url, master := redistest.StartSentinel(t)
	replica := redistest.Start(t)
	host, port, _ := net.SplitHostPort(master.Addr())
	ok(t, replica.Client().ReplicaOf(t.Context(), host, port).Err())
	p := newPod(t, options{redis: redisx.Config{URL: url, Master: "mymaster"}, lease: 4 * time.Second})
	calls := map[string]*vendorCall{}
	ids := []string{p.submit(t), p.submit(t), p.submit(t), p.submit(t)} // two workers: two are called, two wait
	for range 2 {
		call := p.vendor.called(t)
		calls[call.ID] = call
	}
	await.True(t, "the replica has it all", func() bool { // else the failover may lose what was said last
		return replica.Client().SCard(t.Context(), "llm:{llm:jobs}:runs:"+p.Pod()).Val() == 2
	})
	redistest.Failover(t, url, "mymaster")
	await.True(t, "the former master follows", func() bool { // else it takes writes that are lost soon after
		role := master.Client().Do(t.Context(), "ROLE").Val()
		return role != nil && role.([]any)[0] == "slave"
	})
	for _, call := range calls {
		call.answer <- "of " + call.ID
	}
	for range len(ids) - len(calls) {
		call := p.vendor.called(t)
		if calls[call.ID] != nil {
			t.Errorf("%s was called twice", call.ID)
		}
		calls[call.ID] = call
		call.answer <- "of " + call.ID
	}
	for _, id := range ids {
		if j := p.end(t, id); j.State != jobs.Succeeded || string(j.Answer) != "of "+id {
			t.Errorf("%+v", j)
		}
	}
	p.vendor.quiet(t)
	if role := replica.Client().Do(t.Context(), "ROLE").Val().([]any)[0]; role != "master" {
		t.Errorf("the replica is a %v", role)
	}
}
