package llm_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/llm/llmtest"
)

// queued are calls that wait for slots, and the order in which they got one.
type queued struct {
	t     *testing.T
	slots *llm.Slots

	wg    sync.WaitGroup
	mu    sync.Mutex
	order []string
}

// add makes a call wait. It leaves as soon as it has a slot.
func (q *queued) add(name string, call llm.Call) {
	q.wg.Go(func() {
		leave, err := q.slots.Enter(q.t.Context(), &call)
		if err != nil {
			q.t.Error(err)
			return
		}
		q.mu.Lock()
		q.order = append(q.order, name)
		q.mu.Unlock()
		leave(llm.Result{})
	})
	synctest.Wait() // it stands in its queue before the next one comes
}

// A user who has many calls waiting does not delay another user by more than one of them.
func TestSlotsServeUsersInTurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := &queued{t: t, slots: newTestSlots(t, 1)}
		leave, err := q.slots.Enter(t.Context(), &llm.Call{User: "greedy"})
		llmtest.OK(t, err)
		for i := range 4 {
			q.add(fmt.Sprint("greedy ", i), llm.Call{User: "greedy"})
		}
		q.add("bob 0", llm.Call{User: "bob"})
		q.add("eve 0", llm.Call{User: "eve"})
		q.add("bob 1", llm.Call{User: "bob"})
		leave(llm.Result{})
		q.wg.Wait()
		want := "greedy 0, bob 0, eve 0, greedy 1, bob 1, greedy 2, greedy 3"
		if got := strings.Join(q.order, ", "); got != want {
			t.Errorf("served %s; want %s", got, want)
		}
	})
}

// Calls of lower classes, and background calls, never fill the reserve; calls of high priority do.
func TestSlotsKeepAReserveForHighPriority(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		slots, err := llm.NewSlots(3, 1, reg)
		llmtest.OK(t, err)
		q := &queued{t: t, slots: slots}
		leaveLow, err := slots.Enter(t.Context(), &llm.Call{Priority: llm.Low})
		llmtest.OK(t, err)
		leaveNormal, err := slots.Enter(t.Context(), &llm.Call{Priority: llm.Normal})
		llmtest.OK(t, err)
		q.add("normal", llm.Call{Priority: llm.Normal})
		q.add("background", llm.Call{Priority: llm.High, Background: true})
		if slots.Used() != 2 || slots.Waiting() != 1 {
			t.Fatalf("%d slots used, %d calls wait: the reserve is not kept", slots.Used(), slots.Waiting())
		}
		if use := slots.Use(); use != 1 {
			t.Errorf("use is %v with no slot left outside the reserve", use)
		}
		leaveHigh, err := slots.Enter(t.Context(), &llm.Call{Priority: llm.High}) // at once
		llmtest.OK(t, err)
		q.add("high", llm.Call{Priority: llm.High})

		leaveHigh(llm.Result{}) // to the high one that waits, and then to none
		synctest.Wait()
		if got := q.order; !slices.Equal(got, []string{"high"}) || slots.Used() != 2 {
			t.Fatalf("served %q, %d slots used: calls of lower classes took the reserve", got, slots.Used())
		}
		leaveLow(llm.Result{})
		q.wg.Wait()
		leaveNormal(llm.Result{})
		if want := []string{"high", "normal", "background"}; !slices.Equal(q.order, want) || slots.Used() != 0 {
			t.Errorf("served %q, want %q; %d slots used", q.order, want, slots.Used())
		}
		const held = `
# HELP llm_slots_held_back_total Calls that waited although a slot was free, because it was reserved for high priority.
# TYPE llm_slots_held_back_total counter
llm_slots_held_back_total 2
`
		if err := testutil.GatherAndCompare(reg, strings.NewReader(held), "llm_slots_held_back_total"); err != nil {
			t.Error(err)
		}
	})
}

func TestSlotsWithoutASlotForOthersAreRefused(t *testing.T) {
	t.Parallel()
	for _, reserve := range []int{-1, 2} {
		if _, err := llm.NewSlots(2, reserve, prometheus.NewRegistry()); err == nil {
			t.Errorf("a reserve of %d in 2 slots is accepted", reserve)
		}
	}
}
