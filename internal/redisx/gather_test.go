package redisx_test

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spillway-dev/spillway/internal/redisx"
)

// Callers below the limit of round trips go at once. Callers above it wait, and go together, in their order, as soon as
// one round trip ends.
func TestGatherStory(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := redisx.Gather[int]{Limit: 2}
		var mu sync.Mutex
		var sent [][]int
		send := func(batch []int) {
			mu.Lock()
			sent = append(sent, slices.Clone(batch))
			mu.Unlock()
			time.Sleep(time.Second) // the round trip
		}
		var callers sync.WaitGroup
		for i := range 5 {
			callers.Go(func() { g.Join(i, send) })
			synctest.Wait()
		}
		start := time.Now()
		callers.Wait()
		if took := time.Since(start); took != 2*time.Second {
			t.Errorf("took %v, want two round trips", took)
		}
		if got, want := fmt.Sprint(sent), "[[0] [1] [2 3 4]]"; got != want {
			t.Errorf("sent %s, want %s", got, want)
		}
	})
}

// On one processor all callers that are ready share the round trip: none goes alone while others are ready.
func TestGatherTakesAlongWhoIsAboutToAsk(t *testing.T) { //nolint:paralleltest // it changes GOMAXPROCS
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	g := redisx.Gather[int]{Limit: 8}
	var trips, asked atomic.Int64
	var callers sync.WaitGroup
	const all = 32
	for range all {
		callers.Go(func() {
			g.Join(1, func(batch []int) { trips.Add(1); asked.Add(int64(len(batch))) })
		})
	}
	callers.Wait()
	if asked.Load() != all {
		t.Errorf("%d were asked for, want %d", asked.Load(), all)
	}
	if trips.Load() > all/4 { // one, unless the runtime interrupts a caller
		t.Errorf("%d round trips for %d callers", trips.Load(), all)
	}
}

func TestGatherLimits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const limit, largest = 3, 128
		g := redisx.Gather[int]{Limit: limit}
		var mu sync.Mutex
		var flying, most, widest, all int
		var callers sync.WaitGroup
		for range 8 * largest {
			callers.Go(func() {
				g.Join(1, func(batch []int) {
					mu.Lock()
					flying++
					most, widest, all = max(most, flying), max(widest, len(batch)), all+len(batch)
					mu.Unlock()
					time.Sleep(time.Second)
					mu.Lock()
					flying--
					mu.Unlock()
				})
			})
		}
		callers.Wait()
		if most != limit || widest != largest || all != 8*largest {
			t.Errorf("%d round trips at a time, want %d; batches of up to %d, want %d; %d callers served, want %d",
				most, limit, widest, largest, all, 8*largest)
		}
	})
}

// A panic in send reaches the caller that ran it. The others return, and the next caller is served.
func TestGatherOutlivesAPanic(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var g redisx.Gather[int]
		var trips, panics atomic.Int64
		var callers sync.WaitGroup
		for range 4 {
			callers.Go(func() {
				defer func() {
					if recover() != nil {
						panics.Add(1)
					}
				}()
				g.Join(1, func([]int) {
					trips.Add(1)
					time.Sleep(time.Second)
					panic("broken")
				})
			})
			synctest.Wait()
		}
		callers.Wait()
		if trips.Load() != 2 || panics.Load() != 2 {
			t.Errorf("%d round trips and %d panics, want 2 of each", trips.Load(), panics.Load())
		}
		g.Join(1, func([]int) { trips.Add(1) })
		if trips.Load() != 3 {
			t.Error("no caller is served any more")
		}
	})
}

// Every caller is in exactly one batch.
func TestGatherLosesNoCaller(t *testing.T) {
	t.Parallel()
	g := redisx.Gather[*atomic.Int64]{Limit: 4}
	var callers sync.WaitGroup
	for range 64 {
		callers.Go(func() {
			for range 500 {
				var served atomic.Int64
				g.Join(&served, func(batch []*atomic.Int64) {
					for _, one := range batch {
						one.Add(1)
					}
				})
				if n := served.Load(); n != 1 {
					t.Errorf("served %d times", n)
					return
				}
			}
		})
	}
	callers.Wait()
}
