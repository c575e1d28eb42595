package quota

import (
	"context"
	"testing"
	"time"

	"github.com/spillway-dev/spillway/internal/llm"
)

// TestPatienceIsShortWhileAnotherLaneWouldTakeTheCall, and never longer than without one.
func TestPatienceIsShortWhileAnotherLaneWouldTakeTheCall(t *testing.T) {
	t.Parallel()
	q := newTestQuota(t, Config{Requests: 60}, nil)
	now := time.Now()
	soon, cancel := context.WithDeadline(t.Context(), now.Add(100*time.Millisecond))
	defer cancel()
	for _, c := range []struct {
		ctx              context.Context
		call             llm.Call
		alone, elsewhere time.Duration
	}{
		{t.Context(), llm.Call{Priority: llm.High}, 5 * time.Second, 500 * time.Millisecond},
		{t.Context(), llm.Call{Priority: llm.Normal}, 2500 * time.Millisecond, 250 * time.Millisecond},
		{t.Context(), llm.Call{Priority: llm.Low}, instant, instant},
		{t.Context(), llm.Call{Background: true, Priority: llm.High}, 0, 0},
		{soon, llm.Call{Priority: llm.High}, 100 * time.Millisecond, 100 * time.Millisecond},
	} {
		for elsewhere, want := range map[bool]time.Duration{false: c.alone, true: c.elsewhere} {
			c.call.FallbackReady = elsewhere
			if got := q.patience(c.ctx, &c.call, now); got != want {
				t.Errorf("%v, background %t, elsewhere %t: %v, want %v", c.call.Priority, c.call.Background, elsewhere,
					got, want)
			}
		}
	}
}
