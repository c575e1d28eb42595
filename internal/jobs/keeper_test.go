package jobs_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/spillway-dev/spillway/internal/await"
	"github.com/spillway-dev/spillway/internal/jobs"
	"github.com/spillway-dev/spillway/internal/redistest"
	"github.com/spillway-dev/spillway/internal/redisx"
)

// A pod can die between a job's record and its place in the queue. The outbox tells, and any pod's keeper brings it.
func TestOutboxBringsWhatTheEngineNeverGot(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t)
	var lost atomic.Int32
	submitter := newPod(t, options{redis: redisx.Config{URL: rdb.URL()}, workers: -1,
		hook: func(ctx context.Context, cmd redis.Cmder, next redis.ProcessHook) error {
			if ours(cmd) || cmd.Name() == "ping" {
				return next(ctx, cmd)
			}
			lost.Add(1) // whatever is for the engine
			err := errors.New("dead")
			cmd.SetErr(err)
			return err
		}})
	id := submitter.submit(t)
	if lost.Load() == 0 {
		t.Fatal("the engine was given the job")
	}
	c := rdb.Client()
	ok(t, c.ZScore(t.Context(), submitter.Outbox(), id).Err())
	// Both waited long enough.
	ok(t, c.ZAdd(t.Context(), submitter.Outbox(), redis.Z{Score: 1, Member: id},
		redis.Z{Score: 1, Member: "long gone"}).Err())
	p := newPod(t, options{redis: redisx.Config{URL: rdb.URL()}, lease: time.Second})
	p.vendor.called(t).answer <- "hello"
	if j := p.end(t, id); j.State != jobs.Succeeded {
		t.Errorf("%+v", j)
	}
	await.True(t, "the outbox is empty", func() bool { return c.ZCard(t.Context(), p.Outbox()).Val() == 0 })
	p.vendor.quiet(t)
}

// A job may be claimed and put back under a new turn while a keeper gives the engine the old one. The outbox must keep
// it then: the pod that put it back may be dead before it tells the engine.
func TestOutboxKeepsAJobThatHasANewTurn(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t)
	c := rdb.Client()
	submitter := newPod(t, options{redis: redisx.Config{URL: rdb.URL()}, workers: -1})
	id := submitter.submit(t)
	ok(t, c.ZAdd(t.Context(), submitter.Outbox(), redis.Z{Score: 1, Member: id}).Err()) // it has waited long enough
	var turned atomic.Bool
	newPod(t, options{redis: redisx.Config{URL: rdb.URL()}, workers: -1, lease: time.Second,
		hook: func(ctx context.Context, cmd redis.Cmder, next redis.ProcessHook) error {
			// What claim.lua and leave.lua leave behind.
			if asks(cmd, jobs.ForgetHash) && turned.CompareAndSwap(false, true) {
				if err := c.HIncrBy(ctx, submitter.Job(id), "turn", 1).Err(); err != nil {
					t.Error(err)
				}
			}
			return next(ctx, cmd)
		}})
	await.True(t, "a keeper has given the old turn to the engine", turned.Load)
	p := newPod(t, options{redis: redisx.Config{URL: rdb.URL()}, lease: time.Second})
	p.vendor.called(t).answer <- "hello"
	if j := p.end(t, id); j.State != jobs.Succeeded {
		t.Errorf("%+v", j)
	}
}

// An answer that comes in the moment in which the job is handed back is paid for: it is kept, and the vendor is not
// called again.
func TestAnswerThatComesWithTheHandBackIsKept(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t)
	p := newPod(t, options{redis: redisx.Config{URL: rdb.URL()}})
	p.vendor.late.Store(true)
	id := p.submit(t)
	call := p.vendor.called(t)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		p.Stop()
	}()
	<-call.ctx.Done()
	call.answer <- "paid"
	<-stopped
	other := newPod(t, options{redis: redisx.Config{URL: rdb.URL()}})
	if j := other.end(t, id); j.State != jobs.Succeeded {
		t.Errorf("%+v", j)
	}
	other.vendor.quiet(t)
}

// A pod that was silent for too long finds that others have its jobs: its calls end at once, and what it says of them
// does not count.
func TestSilentPodDropsItsJobs(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t)
	var silent atomic.Bool
	told := make(chan struct{}, 100)
	first := newPod(t, options{redis: redisx.Config{URL: rdb.URL()}, lease: time.Second,
		hook: func(ctx context.Context, cmd redis.Cmder, next redis.ProcessHook) error {
			if asks(cmd, jobs.BeatHash) && silent.Load() {
				err := errors.New("no way through")
				cmd.SetErr(err)
				return err
			}
			err := next(ctx, cmd)
			if asks(cmd, jobs.LeaveHash) {
				told <- struct{}{}
			}
			return err
		}})
	ids := []string{first.submit(t), first.submit(t)}
	calls := map[string]*vendorCall{}
	for range ids {
		call := first.vendor.called(t)
		calls[call.ID] = call
	}
	silent.Store(true)
	second := newPod(t, options{redis: redisx.Config{URL: rdb.URL()}, lease: time.Second})
	again := map[string]*vendorCall{}
	for range ids {
		call := second.vendor.called(t)
		again[call.ID] = call
	}
	calls[ids[0]].answer <- "of a stale owner"
	await.Value(t, "the stale owner's answer", told)
	silent.Store(false)
	await.Value(t, "the end of the other call", calls[ids[1]].ctx.Done())
	if err := context.Cause(calls[ids[1]].ctx); !errors.Is(err, jobs.ErrLost) {
		t.Errorf("it ended because of %v", err)
	}
	for _, id := range ids {
		again[id].answer <- "hello"
		if j := first.end(t, id); j.State != jobs.Succeeded || string(j.Answer) != "hello" {
			t.Errorf("%+v", j)
		}
	}
	if n := second.counted(t, "llm_jobs_retried_total", "rescued"); n != 2 {
		t.Errorf("%v rescues are told of", n)
	}
	first.vendor.quiet(t)
	second.vendor.quiet(t)
}

// The keeper gives back what the pod does not know of, and nothing else: not a job that is claimed while it counts
// them, and not one whose claim is slow to be answered.
func TestKeeperLeavesYoungJobsAlone(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]struct{ delayed, until string }{
		"claimed after the count": {delayed: jobs.BeatHash, until: jobs.ClaimHash},
		"slow to be claimed":      {delayed: jobs.ClaimHash, until: jobs.BeatHash},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rdb := redistest.Start(t)
			for _, text := range []string{jobs.BeatText, jobs.ClaimText} {
				ok(t, rdb.Client().ScriptLoad(t.Context(), text).Err())
			}
			var armed atomic.Bool
			held, others := make(chan struct{}, 1), make(chan struct{}, 100)
			wait := func() {
				held <- struct{}{}
				for range 3 { // beats; of claims there is one
					if <-others; o.until == jobs.ClaimHash {
						return
					}
				}
			}
			p := newPod(t, options{redis: redisx.Config{URL: rdb.URL()}, lease: time.Second,
				hook: func(ctx context.Context, cmd redis.Cmder, next redis.ProcessHook) error {
					hold := asks(cmd, o.delayed) && armed.CompareAndSwap(true, false)
					if hold && o.delayed == jobs.BeatHash { // it has counted, and is not sent
						wait()
					}
					err := next(ctx, cmd)
					if hold && o.delayed == jobs.ClaimHash { // it is done, and not answered
						wait()
					}
					if asks(cmd, o.until) && !armed.Load() {
						others <- struct{}{}
					}
					return err
				}})
			await.True(t, "the keeper has begun", func() bool {
				return rdb.Client().Exists(t.Context(),
					"llm:{llm:jobs}:beat").Val() == 1
			})
			armed.Store(true)
			if o.delayed == jobs.BeatHash {
				await.Value(t, "a beat", held)
			}
			id := p.submit(t)
			call := p.vendor.called(t)
			beat := rdb.Client().Get(t.Context(), "llm:{llm:jobs}:beat").Val()
			await.True(t, "the keeper has looked again",
				func() bool { return rdb.Client().Get(t.Context(), "llm:{llm:jobs}:beat").Val() != beat })
			call.answer <- "hello"
			if j := p.end(t, id); string(j.Answer) != "hello" {
				t.Errorf("%+v", j)
			}
			if n := p.counted(t, "llm_jobs_retried_total", "rescued"); n != 0 {
				t.Error("the job was taken from the pod that worked on it")
			}
			p.vendor.quiet(t)
		})
	}
}

// A pod that stops and may wait for nothing hands back what it calls, and ends it: nothing is left under its name.
func TestStoppedPodLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t)
	o := options{redis: redisx.Config{URL: rdb.URL()}}
	old := newPod(t, o)
	id := old.submit(t)
	call := old.vendor.called(t)
	old.Stop()
	await.Value(t, "the end of the call", call.ctx.Done())
	if n := rdb.Client().Exists(t.Context(), "llm:{llm:jobs}:runs:"+old.Pod()).Val(); n != 0 {
		t.Error("jobs are left under the name of a pod that has stopped")
	}
	young := newPod(t, o)
	young.vendor.called(t).answer <- "hello"
	if j := young.end(t, id); j.State != jobs.Succeeded || j.Failures != 0 {
		t.Errorf("%+v", j)
	}
}
