package llm

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

type testKey struct{}

func TestQueueContextEndsLikeOneWithATimeout(t *testing.T) {
	t.Parallel()
	gone := errors.New("the client left")
	for name, tt := range map[string]struct {
		sla   time.Duration // of the parent; 0: none
		leave time.Duration // when the parent is cancelled; 0: never
		after time.Duration
		cause error
	}{
		"queue timeout": {0, 0, 5 * time.Second, ErrQueueTimeout},
		"client":        {0, time.Second, time.Second, gone},
		"deadline":      {2 * time.Second, 0, 2 * time.Second, context.DeadlineExceeded},
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
				q := newQueueContext(parent, start, 5*time.Second)
				defer q.stop()
				child, cancel := context.WithCancel(q) // what a gate would make
				defer cancel()
				if at, ok := q.Deadline(); !ok || at.After(start.Add(5*time.Second)) || tt.sla > 0 && !at.Equal(start.Add(tt.sla)) {
					t.Errorf("deadline %v, %v", at, ok)
				}
				<-child.Done()
				if took := time.Since(start); took != tt.after {
					t.Errorf("ended after %v, want %v", took, tt.after)
				}
				if cause := context.Cause(child); !errors.Is(cause, tt.cause) || errors.Is(cause, ErrQueueTimeout) != errors.Is(tt.cause, ErrQueueTimeout) {
					t.Errorf("the cause is %v, want %v", cause, tt.cause)
				}
				if q.Value(testKey{}) != 7 {
					t.Error("the parent's value is lost")
				}
			})
		})
	}
}

func TestQueueContextThatNobodyWaitedOn(t *testing.T) {
	t.Parallel()
	q := newQueueContext(context.WithValue(t.Context(), testKey{}, 7), time.Now(), time.Hour)
	q.stop()
	select {
	case <-q.Done():
	default:
		t.Error("not ended after stop")
	}
	if q.Err() == nil || q.Value(testKey{}) != 7 {
		t.Errorf("err %v, value %v", q.Err(), q.Value(testKey{}))
	}
}

func TestQueueContextLateLookFindsTheTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQueueContext(t.Context(), time.Now(), time.Second)
		defer q.stop()
		time.Sleep(2 * time.Second) // nobody has waited so far
		if err := q.Err(); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(context.Cause(q), ErrQueueTimeout) {
			t.Errorf("err %v, cause %v", err, context.Cause(q))
		}
	})
}
