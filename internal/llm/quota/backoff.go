package quota

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// backoff makes pauses when the vendor refuses calls (429) without a time to wait. Each refusal in a row makes a
// pause, twice as long as the one before. After a pause one call of each pod tries, each pod at a random moment. The
// other calls wait for its result. The first success of a call that began after the last refusal ends the pauses. All
// pods share them. It is safe for concurrent use.
type backoff struct {
	refused atomic.Int64 // refusals in a row; 0: every call passes

	mu      sync.Mutex
	began   time.Time     // of the pause
	resume  time.Time     // end of the pause
	trying  bool          // a call of this pod is the one that tries
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
	b.began, b.resume = now, now.Add(d+rand.N(d/4))
	b.refused.Store(refused)
	b.changedLocked()
}

func (b *backoff) changedLocked() {
	if b.changed != nil {
		close(b.changed)
	}
	b.changed = make(chan struct{})
}

// admission is what the backoff says about a call.
type admission struct {
	passes  bool
	tries   bool            // the call passes as the one that tries, and must end with ended
	wait    time.Duration   // rest of the pause after which a call that may not pass asks again
	changed <-chan struct{} // closed when it may ask again earlier; while another call tries, there is no other time
}

// admit says whether a call may pass at the time now.
func (b *backoff) admit(now time.Time) admission {
	if b.refused.Load() == 0 {
		return admission{passes: true}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.refused.Load() == 0:
		return admission{passes: true}
	case now.Before(b.resume):
		return admission{wait: b.resume.Sub(now), changed: b.changed}
	case b.trying:
		return admission{changed: b.changed}
	}
	b.trying = true
	return admission{passes: true, tries: true}
}

// ended is called when the call that tries has ended.
func (b *backoff) ended() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.trying = false
	b.changedLocked()
}

// succeeded ends the pauses: the vendor has accepted a call, whose exchange ended at the time now and took so long. A
// call that began before the pause says nothing about it.
func (b *backoff) succeeded(now time.Time, took time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if now.Add(-took).Before(b.began) {
		return
	}
	b.refused.Store(0)
	b.began, b.resume = time.Time{}, time.Time{}
	b.changedLocked()
}
