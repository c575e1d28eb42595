package quota

import (
	"context"
	"time"
)

// flusher tells Redis what no booking has taken along in time. It sleeps while there is nothing to tell, and looks twenty
// times a second while there is: calls that finish do not wake it one by one.
func (q *Quota) flusher(ctx context.Context) {
	defer q.flush(context.WithoutCancel(ctx)) // what is left at the end, within Redis's budget
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-q.pending.wake:
		}
		for parked := false; !parked; {
			urgent := false
			timer.Reset(flushAfter)
			select {
			case <-ctx.Done():
				return
			case <-q.pending.urgent:
				urgent = true
			case <-timer.C:
			}
			var due bool
			if due, parked = q.pending.due(time.Now()); due || urgent {
				q.flush(ctx)
			}
		}
	}
}

// flush makes a round trip of its own. While Redis is away everything stays where it is.
func (q *Quota) flush(ctx context.Context) {
	if q.shared.rdb.Away() {
		return
	}
	s := []*seat{{tokens: -1}} // no call
	now, asked := time.Now(), q.holds.current.Load().pause
	args := q.pending.take([]any{pairs(s)}, now, q.waiting.Load())
	if len(args) <= 1 {
		return
	}
	if q.shared.run(ctx, s, args) != nil {
		q.pending.untold(args, now)
		return
	}
	q.heard(&s[0].ruling, 0, asked, time.Now())
}
