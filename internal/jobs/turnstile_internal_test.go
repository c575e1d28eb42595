package jobs

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spillway-dev/spillway/internal/llm"
)

// queue lets one more wait at t, and returns when it does.
func (t *turnstile) queue(ctx context.Context, class llm.Priority, again bool, passed func(leave func(), err error)) {
	go func() { passed(t.pass(ctx, class, again)) }()
	synctest.Wait()
}

// One at a time; the highest class first, in it who comes again, then the first to come.
func TestTurnstileOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var gates turnstile
		first, err := gates.pass(t.Context(), llm.Low, false)
		if err != nil {
			t.Fatal(err)
		}
		var order []string
		for _, who := range []struct {
			name  string
			class llm.Priority
			again bool
		}{
			{"low", llm.Low, false}, {"normal", llm.Normal, false}, {"high 1", llm.High, false},
			{"high 2", llm.High, false},
			{"high again", llm.High, true}, {"low again", llm.Low, true},
		} {
			gates.queue(t.Context(), who.class, who.again, func(leave func(), err error) {
				order = append(order, who.name) // under the turnstile, which this tests too: run with -race
				if err != nil {
					t.Error(err)
					return
				}
				leave()
				leave() // more often is no mistake
			})
		}
		if len(order) != 0 {
			t.Errorf("%q passed beside the first", order)
		}
		first()
		synctest.Wait()
		if want := []string{"high again", "high 1", "high 2", "normal", "low again", "low"}; !slices.Equal(order,
			want) {
			t.Errorf("they passed as %q, want %q", order, want)
		}
		if gates.taken {
			t.Error("no job is left, and the turnstile is taken")
		}
	})
}

// Leaving twice does not give another job's turn away.
func TestTurnstileLeftTwice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var gates turnstile
		first, _ := gates.pass(t.Context(), llm.High, false)
		var second func()
		gates.queue(t.Context(), llm.High, false, func(leave func(), _ error) { second = leave })
		third := false
		gates.queue(t.Context(), llm.High, false, func(leave func(), _ error) { third = true; leave() })
		first()
		first()
		synctest.Wait()
		if second == nil || third {
			t.Fatalf("the second passed: %t, the third: %t", second != nil, third)
		}
		second()
		synctest.Wait()
		if !third {
			t.Error("the third did not pass")
		}
	})
}

// Who stops waiting leaves the queue with the cause, and the others their places.
func TestTurnstileOfOneWhoGivesUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var gates turnstile
		leave, _ := gates.pass(t.Context(), llm.High, false)
		ctx, giveUp := context.WithCancelCause(t.Context())
		why := errors.New("cancelled")
		var got error
		next := false
		gates.queue(ctx, llm.High, false, func(_ func(), err error) { got = err })
		gates.queue(t.Context(), llm.High, false, func(leave func(), _ error) { next = true; leave() })
		giveUp(why)
		synctest.Wait()
		if !errors.Is(got, why) || next {
			t.Errorf("%v; the next passed: %t", got, next)
		}
		leave()
		synctest.Wait()
		if !next || gates.taken {
			t.Errorf("the next passed: %t, taken: %t", next, gates.taken)
		}
	})
}

// When a turn comes in the same moment as the end of the wait it is used or passed on, and never lost.
func TestTurnstileTurnAtTheLastMoment(t *testing.T) {
	t.Parallel()
	for range 200 {
		var gates turnstile
		leave, _ := gates.pass(t.Context(), llm.High, false)
		ctx, giveUp := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() {
			if leave, err := gates.pass(ctx, llm.High, false); err == nil {
				leave()
			}
		})
		all.Go(giveUp)
		all.Go(leave)
		all.Wait()
		if gates.taken || len(gates.queues[llm.High]) != 0 {
			t.Fatalf("taken: %t, %d wait", gates.taken, len(gates.queues[llm.High]))
		}
	}
}

// turnedAway reports whether err makes a job give its worker to others.
func turnedAway(err error) bool {
	_, ok := errors.AsType[*noRoom](err)
	return ok
}

// With room for two that wait, one more gives its worker to other lanes at once, and one of a higher class takes the
// place of the last of the lowest. One that comes again takes that of one of its own class.
func TestTurnstileWithRoomForTwo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		workers := &places{limit: 3}
		gates := turnstile{room: 2, places: workers}
		first, _ := gates.pass(t.Context(), llm.Low, false)
		var order, away []string
		for _, who := range []struct {
			name  string
			class llm.Priority
			again bool
		}{
			{"low 1", llm.Low, false}, {"low 2", llm.Low, false}, {"low 3", llm.Low, false},
			{"normal", llm.Normal, false},
			{"high", llm.High, false}, {"normal 2", llm.Normal, false}, {"normal again", llm.Normal, true},
			{"low again", llm.Low, true},
		} {
			gates.queue(t.Context(), who.class, who.again, func(leave func(), err error) {
				if turnedAway(err) {
					away = append(away, who.name)
					return
				}
				order = append(order, who.name)
				leave()
			})
		}
		if _, ok := gates.rest(llm.Low, time.Second); ok {
			t.Error("room for one more that keeps its worker")
		}
		first()
		synctest.Wait()
		if want := []string{"low 3", "low 2", "low 1", "normal 2", "normal", "low again"}; !slices.Equal(away, want) {
			t.Errorf("turned away: %q, want %q", away, want)
		}
		if want := []string{"high", "normal again"}; !slices.Equal(order, want) || gates.taken || gates.idle != 0 ||
			workers.taken != 0 {
			t.Errorf("they passed as %q, want %q; %d are idle, %d in all", order, want, gates.idle, workers.taken)
		}
	})
}

// One that was told to wait keeps its worker until it is done, if need be in place of one behind it; who comes then is
// told how long the lane may be closed.
func TestTurnstileRest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		gates := turnstile{room: 1}
		leave, _ := gates.pass(t.Context(), llm.High, false)
		var behind error
		gates.queue(t.Context(), llm.High, false, func(_ func(), err error) { behind = err })
		done, ok := gates.rest(llm.High, time.Minute)
		synctest.Wait()
		if !ok || !turnedAway(behind) {
			t.Errorf("rests: %t; the one behind it: %v", ok, behind)
		}
		_, err := gates.pass(t.Context(), llm.High, false)
		if full, ok := errors.AsType[*noRoom](err); !ok || full.wait != time.Minute {
			t.Errorf("the next: %v", err)
		}
		done()
		leave()
		if _, err := gates.pass(t.Context(), llm.High, false); err != nil || gates.idle != 0 {
			t.Errorf("%v, %d are idle", err, gates.idle)
		}
	})
}

// However many lanes are closed, their jobs leave one worker of the pod: each lane alone has room for all of them here.
// The only worker of a pod is kept by none.
func TestPlacesOfAllLanes(t *testing.T) {
	t.Parallel()
	for workers, places := range map[int]*places{1: {limit: 0}, 3: {limit: 2}} {
		gates := turnstiles{room: 5, places: places, lane: func(model string) string { return model }}
		rested := 0
		for _, lane := range []string{"a", "b", "c", "d"} {
			leave, err := gates.at(lane).pass(t.Context(), llm.Low, false)
			if err != nil {
				t.Errorf("%d workers: a job may not try in lane %s: %v", workers, lane, err)
				continue
			}
			if _, ok := gates.at(lane).rest(llm.Low, time.Second); ok {
				rested++
			}
			leave()
		}
		if rested != workers-1 {
			t.Errorf("of %d workers %d are kept", workers, rested)
		}
	}
}

// Each lane has a turnstile of its own, and a service with one lane has one without a limit.
func TestTurnstilesOfLanes(t *testing.T) {
	t.Parallel()
	all := &places{limit: 3}
	gates := turnstiles{room: 2, places: all, lane: func(model string) string { return model[:1] }}
	if a, b := gates.at("a1"), gates.at("b1"); a == b || gates.at("a2") != a || a.room != 2 || b.places != all {
		t.Error("turnstiles do not belong to lanes")
	}
	gates = turnstiles{room: 2, places: all}
	if a := gates.at("a1"); gates.at("b1") != a || a.room != 0 || a.places != nil {
		t.Error("one lane has more than one turnstile, or a limit")
	}
}
