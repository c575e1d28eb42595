package llm_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/spillway-dev/spillway/internal/llm"
)

// A background call waits for as long as any other call does, whatever their classes and order of arrival; and its
// waiting is no pressure.
func TestBackgroundGetsNoSlotThatOthersWaitFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		slots, err := llm.NewSlots(1, 0, prometheus.NewRegistry())
		if err != nil {
			t.Fatal(err)
		}
		leave, err := slots.Enter(t.Context(), &llm.Call{})
		if err != nil {
			t.Fatal(err)
		}
		order := make(chan string, 3)
		enter := func(name string, call *llm.Call) {
			go func() {
				leave, err := slots.Enter(t.Context(), call)
				if err != nil {
					t.Error(err)
					return
				}
				order <- name
				leave(llm.Result{})
			}()
			synctest.Wait()
		}
		enter("background", &llm.Call{Background: true, Priority: llm.High})
		if n := slots.Waiting(); n != 0 {
			t.Errorf("background makes a queue of %d", n)
		}
		enter("low", &llm.Call{Priority: llm.Low})
		enter("high", &llm.Call{Priority: llm.High})
		leave(llm.Result{})
		synctest.Wait()
		for _, want := range []string{"high", "low", "background"} {
			if got := <-order; got != want {
				t.Errorf("%s before %s", got, want)
			}
		}
		if slots.Used() != 0 {
			t.Errorf("%d slots left in use", slots.Used())
		}
	})
}

// A background call that stops waiting leaves nothing behind.
func TestBackgroundThatStopsWaiting(t *testing.T) {
	t.Parallel()
	slots, err := llm.NewSlots(1, 0, prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	leave, _ := slots.Enter(t.Context(), &llm.Call{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := slots.Enter(ctx, &llm.Call{Background: true}); !errors.Is(err, context.Canceled) {
		t.Errorf("entered: %v", err)
	}
	leave(llm.Result{})
	if slots.Used() != 0 {
		t.Errorf("%d slots left in use", slots.Used())
	}
}
