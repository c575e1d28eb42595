package llm_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/llm/llmtest"
	"github.com/spillway-dev/spillway/internal/outcome"
)

func newTestSlots(t testing.TB, n int) *llm.Slots {
	t.Helper()
	s, err := llm.NewSlots(n, 0, prometheus.NewRegistry())
	llmtest.OK(t, err)
	return s
}

func TestSlotsServeWaitersByPriorityThenByArrival(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newTestSlots(t, 1)
		leave, err := s.Enter(t.Context(), &llm.Call{})
		llmtest.OK(t, err)
		var mu sync.Mutex
		var order []string
		var wg sync.WaitGroup
		for _, w := range []struct {
			name string
			p    llm.Priority
		}{{"low", llm.Low}, {"normal 1", llm.Normal}, {"high 1", llm.High}, {"normal 2", llm.Normal},
			{"high 2", llm.High}} {
			wg.Go(func() {
				leave, err := s.Enter(t.Context(), &llm.Call{Priority: w.p})
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				order = append(order, w.name)
				mu.Unlock()
				leave(llm.Result{})
			})
			synctest.Wait() // the waiter stands in its queue before the next one comes
		}
		if got := s.Waiting(); got != 5 {
			t.Errorf("waiting: got %d, want 5", got)
		}
		leave(llm.Result{})
		wg.Wait()
		want := []string{"high 1", "high 2", "normal 1", "normal 2", "low"}
		if !slices.Equal(order, want) {
			t.Errorf("served %q, want %q", order, want)
		}
		if s.Used() != 0 || s.Waiting() != 0 {
			t.Errorf("used %d, waiting %d after all have left", s.Used(), s.Waiting())
		}
	})
}

func TestSlotsTellTheirTimeoutFromTheOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newTestSlots(t, 1)
		leave, err := s.Enter(t.Context(), &llm.Call{})
		llmtest.OK(t, err)

		queue, cancel := context.WithTimeoutCause(t.Context(), time.Second, llm.ErrQueueTimeout)
		defer cancel()
		_, err = s.Enter(queue, &llm.Call{})
		if r, ok := errors.AsType[*outcome.Rejected](err); !ok || r.Reason != outcome.QueueTimeout ||
			r.Layer != "slots" {
			t.Errorf("queue timeout gave %v", err)
		}

		gone, hangUp := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, hangUp)
		_, err = s.Enter(gone, &llm.Call{})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("hang-up gave %v", err)
		}

		leave(llm.Result{})
		if s.Used() != 0 || s.Waiting() != 0 {
			t.Errorf("used %d, waiting %d: a waiter that gave up holds a place", s.Used(), s.Waiting())
		}
	})
}

// A slot that is granted at the very moment its waiter gives up must not be lost.
func TestSlotsLoseNoneToARace(t *testing.T) {
	t.Parallel()
	s, err := llm.NewSlots(3, 1, prometheus.NewRegistry())
	llmtest.OK(t, err)
	var wg sync.WaitGroup
	for user := range 8 {
		wg.Go(func() {
			for i := range 500 {
				ctx, cancel := context.WithTimeoutCause(t.Context(), time.Duration(i%20)*time.Microsecond,
					llm.ErrQueueTimeout)
				if leave, err := s.Enter(ctx, &llm.Call{User: strconv.Itoa(user % 3), Priority: llm.Priority(i % 3),
					Background: i%5 == 0}); err == nil {
					leave(llm.Result{})
				}
				cancel()
			}
		})
	}
	wg.Wait()
	if s.Used() != 0 || s.Waiting() != 0 {
		t.Fatalf("used %d, waiting %d after all have left", s.Used(), s.Waiting())
	}
}

func BenchmarkSlots(b *testing.B) {
	s := newTestSlots(b, 1)
	call := &llm.Call{}
	b.ReportAllocs()
	for b.Loop() {
		leave, _ := s.Enter(b.Context(), call)
		leave(llm.Result{})
	}
}
