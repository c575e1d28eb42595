package jobs

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/spillway-dev/spillway/internal/llm"
)

// turnstiles has one turnstile for each lane, so that a lane that is closed stops no job of another one.
type turnstiles struct {
	room   int                       // of each turnstile where there are several lanes
	places *places                   // of all of them together
	lane   func(model string) string // nil: there is one lane

	mu sync.Mutex
	of map[string]*turnstile // by lane, of which there are few
}

// at returns the turnstile of the model's lane.
func (t *turnstiles) at(model string) *turnstile {
	lane, gate := "", &turnstile{}
	if t.lane != nil {
		lane, gate = t.lane(model), &turnstile{room: t.room, places: t.places}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.of[lane] == nil {
		if t.of == nil {
			t.of = map[string]*turnstile{}
		}
		t.of[lane] = gate
	}
	return t.of[lane]
}

// noRoom is the error of a job that gives its worker to jobs of other lanes: enough of them wait for its lane.
type noRoom struct{ wait time.Duration } // until the lane may let jobs in; 0 when that is not known

func (*noRoom) Error() string { return "jobs: enough of them wait for this lane" }

// turnstile lets one job of this pod into the gates of a lane at a time: the one of the highest class, and within a
// class the first that came. The others would get the same answer, and each would ask Redis for it.
//
// With a room, only so many jobs of the lane keep their workers while they do nothing: those that wait behind the one
// in front, and those that a gate or the vendor has told to wait. Each of them takes one of the places too, of which
// all lanes together have fewer than the pod has workers. So whichever lanes are closed, a worker is left for jobs of
// the others. The one in front needs no place while it tries.
type turnstile struct {
	room   int     // 0 means no limit
	places *places // nil means no limit

	mu     sync.Mutex
	taken  bool
	idle   int       // jobs that keep their workers
	opens  time.Time // when the lane may let jobs in, as the last one was told
	queues [llm.High + 1][]waiter
}

// waiter is told true when the job may enter, and false when it makes room for another one.
type waiter chan bool

// pass waits until the job may enter, in front of its class when it comes again. The caller calls leave, once or more
// often. The error is a *noRoom, or the cause of ctx when that ended first.
func (t *turnstile) pass(ctx context.Context, class llm.Priority, again bool) (leave func(), err error) {
	leave = sync.OnceFunc(t.release)
	t.mu.Lock()
	if !t.taken {
		t.taken = true
		t.mu.Unlock()
		return leave, nil
	}
	if !t.placeLocked(class, again) {
		defer t.mu.Unlock()
		return nil, &noRoom{max(0, time.Until(t.opens))}
	}
	mine := make(waiter, 1)
	if again {
		t.queues[class] = append([]waiter{mine}, t.queues[class]...)
	} else {
		t.queues[class] = append(t.queues[class], mine)
	}
	t.mu.Unlock()
	select {
	case enter := <-mine:
		if !enter {
			return nil, &noRoom{}
		}
		return leave, nil
	case <-ctx.Done():
	}
	t.giveUp(class, mine)
	return nil, context.Cause(ctx)
}

// giveUp takes a waiter out of its queue. When it was let in at the same moment it lets the next one in.
func (t *turnstile) giveUp(class llm.Priority, mine waiter) {
	t.mu.Lock()
	if place := slices.Index(t.queues[class], mine); place >= 0 {
		t.queues[class] = slices.Delete(t.queues[class], place, place+1)
		t.idleNoMoreLocked()
		t.mu.Unlock()
		return
	}
	t.mu.Unlock()
	if <-mine {
		t.release()
	}
}

// rest counts a job that was let in and was told to wait: it keeps its worker until done. It reports false when there
// is no place for it.
func (t *turnstile) rest(class llm.Priority, wait time.Duration) (done func(), ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.opens = time.Now().Add(wait)
	if !t.placeLocked(class, true) {
		return func() {}, false
	}
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.idleNoMoreLocked()
	}, true
}

// placeLocked makes a job of the class one that keeps its worker, if there is a place for it or one to be had.
func (t *turnstile) placeLocked(class llm.Priority, again bool) bool {
	if t.room > 0 && t.idle >= t.room || !t.places.take() {
		return t.evictLocked(class, again)
	}
	t.idle++
	return true
}

func (t *turnstile) idleNoMoreLocked() {
	t.idle--
	t.places.giveBack()
}

// evictLocked makes a place for a job of the class: the last one of the lowest class below it waits no longer. One that
// comes again also takes the place of one of its own class.
func (t *turnstile) evictLocked(class llm.Priority, again bool) bool {
	for lower := llm.Low; lower < class || again && lower == class; lower++ {
		if queue := t.queues[lower]; len(queue) > 0 {
			queue[len(queue)-1] <- false
			t.queues[lower] = queue[:len(queue)-1]
			return true
		}
	}
	return false
}

func (t *turnstile) release() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for class := llm.High; ; class-- {
		if queue := t.queues[class]; len(queue) > 0 {
			t.queues[class] = queue[1:]
			t.idleNoMoreLocked()
			queue[0] <- true
			return
		}
		if class == llm.Low {
			break
		}
	}
	t.taken = false
}
