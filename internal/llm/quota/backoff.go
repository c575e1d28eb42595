package quota

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spillway-dev/spillway/internal/llm"
)

// backoff makes pauses when the vendor refuses calls (429) without a time to wait. Each refusal in a row makes a
// pause, twice as long as the one before. After a pause one call of each pod tries, each pod at a random moment. The
// other calls wait for its result. The first success ends the pauses. All pods share them. It is safe for concurrent
// use.
type backoff struct {
	refused atomic.Int64 // refusals in a row; 0: every call passes

	mu      sync.Mutex
	resume  time.Time     // end of the pause
	trying  bool          // a call of this pod tries
	changed chan struct{} // closed when the call that tries has ended, or the pause has changed
}

const (
	firstBackoff   = time.Second
	longestBackoff = time.Minute
)

// backoffAfter returns the pause after that many refusals in a row.
func backoffAfter(refused int64) time.Duration {
	d := firstBackoff
	for ; refused > 1 && d < longestBackoff; refused-- {
		d *= 2
	}
	return min(d, longestBackoff)
}

// refuse counts a refusal at the time now. It returns the pause that follows and the number of refusals in a row. Both
// are 0 when a pause is in force: the refused call then began before that pause.
func (b *backoff) refuse(now time.Time) (pause time.Duration, refused int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if now.Before(b.resume) {
		return 0, 0
	}
	refused = b.refused.Load() + 1
	b.pauseLocked(now, refused)
	return b.resume.Sub(now), refused
}

// announced takes over the number of refusals in a row that another pod has counted.
func (b *backoff) announced(now time.Time, refused int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if refused > b.refused.Load() {
		b.pauseLocked(now, refused)
	}
}

// pauseLocked begins a pause. Each pod adds up to a quarter at random, so that the pods do not all try at once.
func (b *backoff) pauseLocked(now time.Time, refused int64) {
	d := backoffAfter(refused)
	b.resume = now.Add(d + rand.N(d/4))
	b.refused.Store(refused)
	b.changedLocked()
}

func (b *backoff) changedLocked() {
	if b.changed != nil {
		close(b.changed)
	}
	b.changed = make(chan struct{})
}

// admit reports whether a call may pass at the time now. When tries is true the call is the one that tries, and it
// must end with ended. When the call may not pass, the caller asks again after wait, or earlier when changed is
// closed. wait is 0 while another call tries.
func (b *backoff) admit(now time.Time) (passes, tries bool, wait time.Duration, changed <-chan struct{}) {
	if b.refused.Load() == 0 {
		return true, false, 0, nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.refused.Load() == 0:
		return true, false, 0, nil
	case now.Before(b.resume):
		return false, false, b.resume.Sub(now), b.changed
	case b.trying:
		return false, false, 0, b.changed
	}
	b.trying = true
	return true, true, 0, nil
}

// ended ends the trial.
func (b *backoff) ended() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.trying = false
	b.changedLocked()
}

// succeeded ends the row of refusals.
func (b *backoff) succeeded() {
	if b.refused.Load() == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refused.Store(0)
	b.resume = time.Time{}
	b.changedLocked()
}

// awaitBackoff waits until the call may pass, for as long as the call may wait, or rejects it. tries reports whether
// this call is the one that tries.
func (q *Quota) awaitBackoff(ctx context.Context, call *llm.Call) (tries bool, err error) {
	passes, tries, wait, changed := q.backoff.admit(time.Now())
	if passes {
		return tries, nil
	}
	begin := time.Now()
	patience := max(0, q.patience(ctx, call, begin))
	timer := time.NewTimer(patience)
	defer timer.Stop()
	q.waiting.Add(1)
	defer q.waiting.Add(-1)
	for !passes {
		left := patience - time.Since(begin)
		if wait > left || left <= 0 {
			q.metrics.of(false).rejected.Inc()
			wait = max(wait, firstBackoff)
			return false, q.rejection(ctx, &ruling{delay: wait.Microseconds(), why: whyPause})
		}
		if wait == 0 {
			wait = left
		}
		timer.Reset(wait)
		select {
		case <-timer.C:
		case <-changed:
		case <-ctx.Done():
			q.metrics.of(false).ended.Inc()
			return false, llm.Ended(ctx, "quota")
		}
		passes, tries, wait, changed = q.backoff.admit(time.Now())
	}
	q.metrics.wait.Observe(time.Since(begin).Seconds())
	return tries, nil
}

// observeRefusal updates the backoff after an exchange. A success ends the pauses. A refusal without a time to wait
// makes the next pause, which all pods share. asked is the pause that the vendor asked for.
func (q *Quota) observeRefusal(out *llm.Outcome, asked time.Duration) {
	switch {
	case out.Called && out.Err == nil:
		q.backoff.succeeded()
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
