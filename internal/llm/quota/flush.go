package quota

import (
	"context"
	"time"
)

// flusher sends the report when no booking has carried it in time. It sleeps while the report is empty. Otherwise it
// looks every flushAfter, so that calls that finish do not wake it one by one.
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

// flush sends the report in a round trip of its own. While Redis is away the report stays.
func (q *Quota) flush(ctx context.Context) {
	if q.shared.rdb.Away() {
		return
	}
	now, asked := time.Now(), q.pauses.current.Load().pause
	r := q.pending.take(now, q.asleep.Load())
	if r == nil {
		return
	}
	defer q.pending.release(r)
	batch := []*entry{{request: request{kind: reportOnly}}}
	if q.shared.run(ctx, batch, r) != nil {
		q.pending.restore(r, now)
		return
	}
	q.accept(&batch[0].ruling, 0, asked, time.Now())
}
