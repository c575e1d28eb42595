package deadline_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spillway-dev/spillway/internal/deadline"
)

var errOver = errors.New("over")

type testKey struct{}

func TestEndsLikeOneWithATimer(t *testing.T) {
	t.Parallel()
	gone := errors.New("the client left")
	for name, tt := range map[string]struct {
		sla   time.Duration // of the parent; 0: none
		leave time.Duration // when the parent is cancelled; 0: never
		after time.Duration
		cause error
	}{
		"its own":  {0, 0, 5 * time.Second, errOver},
		"client":   {0, time.Second, time.Second, gone},
		"deadline": {2 * time.Second, 0, 2 * time.Second, context.DeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				parent, leave := context.WithCancelCause(context.WithValue(t.Context(), testKey{}, 7))
				defer leave(nil)
				if tt.sla > 0 {
					var cancel context.CancelFunc
					parent, cancel = context.WithTimeout(parent, tt.sla)
					defer cancel()
				}
				if tt.leave > 0 {
					time.AfterFunc(tt.leave, func() { leave(gone) })
				}
				start := time.Now()
				q := deadline.New(parent, start.Add(5*time.Second), errOver)
				defer q.Stop()
				child, cancel := context.WithCancel(q) // what a gate would make
				defer cancel()
				if at, ok := q.Deadline(); !ok || at.After(start.Add(5*time.Second)) || tt.sla > 0 &&
					!at.Equal(start.Add(tt.sla)) {
					t.Errorf("deadline %v, %v", at, ok)
				}
				<-child.Done()
				if took := time.Since(start); took != tt.after {
					t.Errorf("ended after %v, want %v", took, tt.after)
				}
				if cause := context.Cause(child); !errors.Is(cause, tt.cause) ||
					errors.Is(cause, errOver) != errors.Is(tt.cause, errOver) {
					t.Errorf("the cause is %v, want %v", cause, tt.cause)
				}
				if q.Value(testKey{}) != 7 {
					t.Error("the parent's value is lost")
				}
			})
		})
	}
}

func TestStopEndsOneThatNoCallerWaitedOn(t *testing.T) {
	t.Parallel()
	q := deadline.New(context.WithValue(t.Context(), testKey{}, 7), time.Now().Add(time.Hour), errOver)
	q.Stop()
	select {
	case <-q.Done():
	default:
		t.Error("not ended after stop")
	}
	if q.Err() == nil || q.Value(testKey{}) != 7 {
		t.Errorf("err %v, value %v", q.Err(), q.Value(testKey{}))
	}
}

func TestALateLookFindsTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := deadline.New(t.Context(), time.Now().Add(time.Second), errOver)
		defer q.Stop()
		time.Sleep(2 * time.Second) // no caller has waited so far
		if err := q.Err(); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(context.Cause(q), errOver) {
			t.Errorf("err %v, cause %v", err, context.Cause(q))
		}
	})
}

// A stopped context has ended, so that nothing that has it goes on.
func TestStopEndsTheTimer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := deadline.New(t.Context(), time.Now().Add(time.Hour), errOver)
		done := c.Done()
		c.Stop()
		start := time.Now()
		<-done
		if time.Since(start) != 0 || errors.Is(context.Cause(c), errOver) {
			t.Errorf("ended after %v with %v", time.Since(start), context.Cause(c))
		}
	})
}

func BenchmarkNoCallerWaits(b *testing.B) {
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	at := time.Now().Add(time.Hour)
	b.Run("deadline.New", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			deadline.New(ctx, at, errOver).Stop()
		}
	})
	b.Run("context.WithDeadlineCause", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, stop := context.WithDeadlineCause(ctx, at, errOver)
			stop()
		}
	})
}

// TestUntimed: what is left without the limit ends with its parent, and has the values that were added above the limit.
func TestUntimed(t *testing.T) {
	t.Parallel()
	gone := errors.New("the client left")
	synctest.Test(t, func(t *testing.T) {
		parent, leave := context.WithCancelCause(t.Context())
		limited := deadline.New(parent, time.Now().Add(time.Second), errOver)
		defer limited.Stop()
		_ = limited.Done() // a caller waits, so that there is a timer
		for _, ctx := range []context.Context{limited, context.WithValue(limited, testKey{}, 7)} {
			free, at := deadline.Untimed(ctx)
			if !at.Equal(time.Now().Add(time.Second)) || free.Value(testKey{}) != ctx.Value(testKey{}) {
				t.Errorf("untimed: limit %v, value %v", at, free.Value(testKey{}))
			}
			child, cancel := context.WithCancelCause(free)
			defer cancel(nil)
			context.AfterFunc(child, func() {
				if !errors.Is(context.Cause(child), gone) || !errors.Is(context.Cause(free), gone) {
					t.Errorf("ended by %v and %v", context.Cause(child), context.Cause(free))
				}
			})
		}
		<-limited.Done()
		leave(gone)
		synctest.Wait()
	})
}
