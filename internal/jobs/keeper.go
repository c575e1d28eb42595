package jobs

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// keeper gives this pod's signs of life. With each of them it takes over the jobs of pods that give none any more, puts
// back those that Redis gives to this pod and the pod does not know, and gives the engine the jobs that it should have
// and may not: a pod can die between the record of a job and its place in the queue.
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

// beat is a sign of life.
func (k *keeper) beat(ctx context.Context) {
	s := k.s
	s.memory.learn(ctx, s)
	a := args{
		"pod": s.pod, "lease": s.cfg.Lease.Microseconds(), "patience": outboxPatience.Microseconds(), "before": k.last,
		"working": "",
		"deaths":  s.cfg.Deaths, "retention": s.cfg.Retention.Milliseconds(),
	}
	if s.worker != nil {
		s.worker.reportLost(ctx)
		a["working"] = strings.Join(s.worker.jobs(), " ")
	}
	said, err := s.store.run(ctx, s.patient, beatScript, a)
	if err != nil {
		if ctx.Err() == nil {
			s.log.LogAttrs(ctx, slog.LevelDebug, "jobs: no sign of life could be given", slog.Any("error", err))
		}
		return
	}
	k.last = said.number("time")
	if said.number("lost") == 1 && s.worker != nil {
		s.log.LogAttrs(ctx, slog.LevelWarn, "jobs: this pod was silent for too long, and others have its jobs")
		s.worker.dropAll()
	}
	if rescued := said.number("rescued"); rescued > 0 {
		s.metrics.again.WithLabelValues("rescued").Add(float64(rescued))
		s.log.LogAttrs(ctx, slog.LevelWarn, "jobs: put back into the queue, because no pod works on them any more",
			slog.Int64("jobs", rescued))
	}
	for _, j := range said.replies("poisoned") {
		s.metrics.finished(j.text("class"), Poisoned)
		s.log.LogAttrs(ctx, slog.LevelError, "job set aside: too many pods died while they worked on it",
			slog.String("job", j.text("id")), slog.String("priority", j.text("class")),
			slog.Int("deaths", s.cfg.Deaths))
	}
	k.hand(ctx, said.replies("due"))
	s.metrics.observe(said)
}

// hand gives jobs to the engine.
func (k *keeper) hand(ctx context.Context, due []reply) {
	for _, j := range due {
		t := task{j.text("id"), j.text("generation")}
		if k.s.enqueue(ctx, t, j.text("class")) != nil {
			return // it stays in the outbox
		}
		if _, err := k.s.store.run(ctx, k.s.patient, forgetScript,
			args{"id": t.id, "generation": t.generation}); err != nil {
			k.s.log.LogAttrs(ctx, slog.LevelDebug, "jobs: outbox", slog.Any("error", err))
		}
	}
}
