package jobs

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/spillway-dev/spillway/internal/outcome"
)

// lostResult is a job whose end could not be written down while its worker tried. What is known of it is kept without
// the answer, until Redis takes it: the vendor was called, so it counts as an attempt, and the last one ends the job.
// Without that the job would be taken from this pod as one that it does not know, and the vendor be paid again and
// again.
type lostResult struct {
	job     *claimed
	status  int
	problem []byte
}

// resultLost is what is known of a job whose answer cannot be stored.
func (w *worker) resultLost(r *run, v verdict) lostResult {
	if len(v.problem) > 0 {
		return lostResult{r.claimed, v.status, v.problem}
	}
	status, problem := w.d.Problem(&outcome.Rejected{Layer: "jobs", Reason: ResultDropped,
		Detail: fmt.Sprintf("The vendor answered %d with %d bytes, which could not be stored.", v.status,
			len(v.answer))}, r.id)
	return lostResult{r.claimed, status, problem}
}

// maxLost bounds what is kept; the jobs beyond come again as those of a pod that does not know them.
const maxLost = 1000

func (w *worker) keepLost(r *run, l lostResult) {
	l.job.body = nil
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.lost) < maxLost && r.called.Load() {
		w.lost = append(w.lost, l)
	}
}

// reportLost reports what was kept. The keeper calls it before each sign of life.
func (w *worker) reportLost(ctx context.Context) {
	for {
		w.mu.Lock()
		if len(w.lost) == 0 {
			w.mu.Unlock()
			return
		}
		l := w.lost[0]
		w.mu.Unlock()
		left, err := w.s.store.leave(ctx, w.s.patient, l.job, w.s.pod, leaveLost, args{
			"status": l.status, "problem": l.problem, "attempts": w.s.cfg.Attempts,
			"retention": w.s.cfg.Retention.Milliseconds(), "overhead": overhead,
		})
		if err != nil {
			return
		}
		w.mu.Lock()
		w.lost = w.lost[1:]
		w.mu.Unlock()
		w.s.log.LogAttrs(ctx, slog.LevelWarn,
			"job: the vendor was called, and the end could not be written down in time",
			slog.String("job", l.job.id), slog.String("priority", l.job.class), slog.Int("failures", l.job.failures+1),
			slog.Bool("ended", left == leftDropped))
		switch left {
		case leftDropped:
			w.s.metrics.dropped.Inc()
			w.s.metrics.finished(l.job.class, Failed)
		case leftDone:
			w.s.metrics.again.WithLabelValues("failure").Inc()
		}
	}
}
