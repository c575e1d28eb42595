package quota

import (
	"cmp"
	"context"
	"time"

	"github.com/spillway-dev/spillway/internal/llm"
)

// awaitBackoff waits until the backoff lets the call pass, for as long as the call may wait, or rejects the call. tries
// reports whether this call is the one that tries.
func (q *Quota) awaitBackoff(ctx context.Context, call *llm.Call) (tries bool, err error) {
	may := q.backoff.admit(time.Now())
	if may.passes {
		return may.tries, nil
	}
	begin := time.Now()
	patience := max(0, q.patience(ctx, call, begin))
	timer := time.NewTimer(patience)
	defer timer.Stop()
	q.held.Add(1)
	defer q.held.Add(-1)
	for !may.passes {
		left := patience - time.Since(begin)
		if may.wait > left || left <= 0 {
			q.metrics.of(false).rejected.Inc()
			wait := max(may.wait, firstBackoff)
			return false, q.rejection(ctx, &ruling{delay: wait.Microseconds(), why: whyPause})
		}
		timer.Reset(cmp.Or(may.wait, left))
		select {
		case <-timer.C:
		case <-may.changed:
		case <-ctx.Done():
			q.metrics.of(false).ended.Inc()
			return false, llm.Ended(ctx, "quota")
		}
		may = q.backoff.admit(time.Now())
	}
	q.metrics.wait.Observe(time.Since(begin).Seconds())
	return may.tries, nil
}

// observeRefusal updates the backoff after an exchange. A success ends the pauses; a 4xx that the client gets is none.
// A refusal without a time to wait makes the next pause, which all pods share. asked is the pause that the vendor asked
// for.
func (q *Quota) observeRefusal(out *llm.Result, asked time.Duration) {
	switch {
	case out.Called && out.Err == nil && !out.Refused:
		if q.backoff.refused.Load() > 0 { // nearly no call has pauses to end, and so none reads the clock for that
			q.backoff.succeeded(time.Now(), out.Duration)
		}
	case asked == 0 && isRefusal(out.Err):
		pause, refused := q.backoff.refuse(time.Now())
		if refused == 0 {
			return
		}
		q.metrics.backoffs.Inc()
		q.applyPause(pause, time.Now())
		if q.shared != nil {
			q.done.Go(func() { q.shared.announceRefusals(refused) })
		}
	}
}
