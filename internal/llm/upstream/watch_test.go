package upstream

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spillway-dev/spillway/internal/deadline"
)

// The one timer of the watch serves the limit and the request's own end. The earlier of the two ends the exchange, and
// the cause says which it was, also when the request has a timer of its own.
func TestWatchEndsWithTheLimitOrTheRequest(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]watched{
		"limit":  {10 * time.Second, 5 * time.Second, 0, nil, 5 * time.Second, nil, errLimit},
		"SLA":    {5 * time.Second, 10 * time.Second, 0, nil, 5 * time.Second, errSLA, nil},
		"client": {10 * time.Second, 5 * time.Second, time.Second, nil, time.Second, errLeft, errLeft},
		"new limit": {10 * time.Second, 2 * time.Second, 0,
			func(w *watch) { w.limit(7*time.Second, errLimit) }, 8 * time.Second, nil, errLimit},
		"SLA before the new limit": {4 * time.Second, 2 * time.Second, 0,
			func(w *watch) { w.limit(7*time.Second, errLimit) }, 4 * time.Second, errSLA, nil},
		"SLA in a pause": {4 * time.Second, 2 * time.Second, 0, (*watch).pause, 4 * time.Second, errSLA, nil},
		"resumed after a pause": {10 * time.Second, 2 * time.Second, 0,
			func(w *watch) { w.pause(); w.resume(3 * time.Second) }, 4 * time.Second, nil, errLimit},
		"SLA after a pause": {3 * time.Second, 2 * time.Second, 0,
			func(w *watch) { w.pause(); w.resume(5 * time.Second) }, 3 * time.Second, errSLA, nil},
		"limit replaced in a pause": {10 * time.Second, 2 * time.Second, 0,
			func(w *watch) { w.pause(); w.limit(time.Second, errLimit) }, 2 * time.Second, nil, errLimit},
		"client leaves in the pause": {10 * time.Second, 2 * time.Second, 3 * time.Second, (*watch).pause,
			3 * time.Second, errLeft, errLeft},
	} {
		for _, timed := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) { tt.test(t, timed) })
			})
		}
	}
}

var errSLA, errLimit, errLeft = errors.New("SLA"), errors.New("limit"), errors.New("left")

// watched is an exchange with an SLA and a limit, whose client may leave, and how it ends.
type watched struct {
	sla, limit, leave time.Duration
	act               func(*watch)
	after             time.Duration
	request, exchange error // causes; nil: goes on
}

// test runs the exchange. With timed the context of the request has a timer of its own.
func (tt watched) test(t *testing.T, timed bool) {
	start := time.Now()
	parent, leave := context.WithCancelCause(t.Context())
	defer leave(nil)
	if tt.leave > 0 {
		time.AfterFunc(tt.leave, func() { leave(errLeft) })
	}
	ctx := context.Context(deadline.New(parent, start.Add(tt.sla), errSLA))
	if timed {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadlineCause(parent, start.Add(tt.sla), errSLA)
		defer cancel()
	}
	w := newWatch(ctx, tt.limit, errLimit)
	defer w.stop()
	if tt.act != nil {
		time.Sleep(time.Second)
		tt.act(w)
	}
	<-w.ctx.Done()
	if took := time.Since(start); took != tt.after {
		t.Errorf("ended after %v, want %v", took, tt.after)
	}
	if ctx.Err() != nil != (tt.request != nil) || tt.request != nil &&
		!errors.Is(context.Cause(ctx), tt.request) {
		t.Errorf("the request: %v, want %v", context.Cause(ctx), tt.request)
	}
	if tt.exchange != nil && !errors.Is(context.Cause(w.ctx), tt.exchange) {
		t.Errorf("the exchange: %v, want %v", context.Cause(w.ctx), tt.exchange)
	}
}
