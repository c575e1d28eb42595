package jobs

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/spillway-dev/spillway/internal/llm"
)

// turnstiles has one turnstile for each lane, so that a lane that is closed stops no job of another one.
type turnstiles struct {
	room int                       // of each turnstile where there are several lanes
	lane func(model string) string // nil: there is one lane

	mu sync.Mutex
	of map[string]*turnstile // by lane, of which there are few
}

// at returns the turnstile of the model's lane.
func (t *turnstiles) at(model string) *turnstile {
	lane, room := "", 0
	if t.lane != nil {
		lane, room = t.lane(model), t.room
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.of[lane] == nil {
		if t.of == nil {
			t.of = map[string]*turnstile{}
		}
		t.of[lane] = &turnstile{room: room}
	}
	return t.of[lane]
}

// errNoRoom says that enough workers wait for the lane, so that this one is for jobs of other lanes.
var errNoRoom = errors.New("jobs: enough of them wait for this lane")

// turnstile lets one job of this pod into the gates of a lane at a time: the one of the highest class, and within a
// class the first that came. The others would get the same answer, and each would ask Redis for it.
//
// With a room, only so many jobs of the lane keep their workers while they do nothing: the one in front, those that
// wait behind it, and those that the vendor has told to wait.
type turnstile struct {
	room int // 0 means no limit

	mu     sync.Mutex
	taken  bool
	idle   int // jobs that keep their workers
	queues [llm.High + 1][]waiter
}

// waiter is told true when the job may enter, and false when it makes room for another one.
type waiter chan bool

// pass waits until the job may enter, in front of its class when it comes again. The caller calls leave, once or more
// often. The error is errNoRoom, or the cause of ctx when that ended first.
func (t *turnstile) pass(ctx context.Context, class llm.Priority, again bool) (leave func(), err error) {
	leave = sync.OnceFunc(t.release)
	t.mu.Lock()
	if !t.roomLocked() && !t.evictLocked(class, again) {
		t.mu.Unlock()
		return nil, errNoRoom
	}
	t.idle++
	if !t.taken {
		t.taken = true
		t.mu.Unlock()
		return leave, nil
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
			return nil, errNoRoom
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
		t.idle--
		t.mu.Unlock()
		return
	}
	t.mu.Unlock()
	if <-mine {
		t.release()
	}
}

// rest counts a job that has left and keeps its worker until done. It reports false when there is no room for it.
func (t *turnstile) rest() (done func(), ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.roomLocked() {
		return nil, false
	}
	t.idle++
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.idle--
	}, true
}

func (t *turnstile) roomLocked() bool { return t.room == 0 || t.idle < t.room }

// evictLocked makes room for a job of the class: the last one of the lowest class below it waits no longer. One that
// comes again also takes the place of one of its own class.
func (t *turnstile) evictLocked(class llm.Priority, again bool) bool {
	for lower := llm.Low; lower < class || again && lower == class; lower++ {
		if queue := t.queues[lower]; len(queue) > 0 {
			queue[len(queue)-1] <- false
			t.queues[lower] = queue[:len(queue)-1]
			t.idle--
			return true
		}
	}
	return false
}

func (t *turnstile) release() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.idle--
	for class := llm.High; ; class-- {
		if queue := t.queues[class]; len(queue) > 0 {
			t.queues[class] = queue[1:]
			queue[0] <- true
			return
		}
		if class == llm.Low {
			break
		}
	}
	t.taken = false
}
