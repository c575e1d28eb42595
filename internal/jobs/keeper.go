package jobs

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// keeper says that this pod lives, takes over the jobs of pods that do not say so any more, gives back those that this pod
// has and does not know of, and gives the engine what it should have and may not: a pod can die between the record of a job
// and its place in the queue.
type keeper struct {
	s    *Service
	end  context.CancelFunc
	done sync.WaitGroup
	last int64 // time of the last beat, of Redis's clock in microseconds; 0 before
}

// outboxPatience is how long a job may be queued before the engine is asked whether it has it.
const outboxPatience = 5 * time.Second

func (k *keeper) start() {
	ctx, end := context.WithCancel(context.Background())
	k.end = end
	k.done.Go(func() {
		tick := time.NewTicker(k.s.cfg.Lease / 3)
		defer tick.Stop()
		for {
			k.beat(ctx)
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	})
}

// stop ends the signs of life. The worker must have stopped before, so that nothing is left to take over.
func (k *keeper) stop() {
	if k.end != nil {
		k.end()
		k.done.Wait()
	}
}

// beat is one round trip, and one for each job that the engine is given.
func (k *keeper) beat(ctx context.Context) {
	s := k.s
	args := []any{s.pod, s.cfg.Lease.Microseconds(), outboxPatience.Microseconds(), k.last}
	if s.worker != nil {
		args = s.worker.appendJobs(args)
	}
	said, err := s.store.run(ctx, s.patient, beatScript, args...).Slice()
	if err != nil || len(said) != 5 {
		if ctx.Err() == nil {
			s.log.LogAttrs(ctx, slog.LevelDebug, "jobs: no sign of life could be given", slog.Any("error", err))
		}
		return
	}
	k.last, _ = said[4].(int64)
	lost, _ := said[0].(int64)
	rescued, _ := said[1].(int64)
	due, _ := said[2].([]any)
	depths, _ := said[3].([]any)
	if lost == 1 && s.worker != nil {
		s.log.LogAttrs(ctx, slog.LevelWarn, "jobs: this pod was silent for too long, and others have its jobs")
		s.worker.dropAll()
	}
	if rescued > 0 {
		s.metrics.rescued(int(rescued))
		s.log.LogAttrs(ctx, slog.LevelWarn, "jobs: put back into the queue, because nobody works on them any more", slog.Int("jobs", int(rescued)))
	}
	k.hand(ctx, due)
	s.metrics.observe(depths)
}

// hand gives the engine triples of id, class and turn.
func (k *keeper) hand(ctx context.Context, due []any) {
	for ; len(due) >= 3; due = due[3:] {
		id, _ := due[0].(string)
		class, _ := due[1].(string)
		turn, _ := due[2].(string)
		if k.s.enqueue(ctx, id, class, turn) != nil {
			return // it stays in the outbox
		}
		k.forget(ctx, id, turn)
	}
}

func (k *keeper) forget(ctx context.Context, id, turn string) {
	if err := k.s.store.run(ctx, k.s.patient, forgetScript, id, turn).Err(); err != nil {
		k.s.log.LogAttrs(ctx, slog.LevelDebug, "jobs: outbox", slog.Any("error", err))
	}
}
