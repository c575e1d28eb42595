package llm

import (
	"container/list"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/spillway-dev/spillway/internal/telemetry"
)

// Slots is the local semaphore: at most n vendor calls of this pod are in flight. Waiters are served by priority, and
// within a class in order of arrival. A freed slot is handed to the first waiter directly, so that a newcomer cannot
// overtake it. Background calls give way: they get a slot only while no other call waits for one. Its use and its queue
// length, background calls left out of the latter, drive shedding, readiness and autoscaling.
type Slots struct {
	size  int
	leave func(Outcome) // the same for every call, so that entering allocates nothing
	wait  prometheus.Histogram

	mu         sync.Mutex
	used       int
	queues     [High + 1]list.List // of *waiter, one queue a class
	background list.List           // of *waiter, served when the others are empty
}

type waiter struct {
	granted chan struct{} // closed, under mu, when the slot is this waiter's
}

// NewSlots returns a semaphore of size slots; size must be at least 1.
func NewSlots(size int, reg prometheus.Registerer) (*Slots, error) {
	if size < 1 {
		return nil, errors.New("SLOTS must be at least 1: with none, no call could ever start")
	}
	s := &Slots{size: size}
	s.leave = func(Outcome) { s.release() }
	s.wait = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "llm_slots_wait_seconds", Help: "Time calls waited for a slot, those that got one at once left out.",
		Buckets: WaitBuckets,
	})
	return s, errors.Join(reg.Register(s.wait),
		reg.Register(telemetry.Gauge("llm_slots", "Slots of this pod.", func() float64 { return float64(s.size) })),
		reg.Register(telemetry.Gauge("llm_slots_in_use", "Vendor calls of this pod in flight.", func() float64 { return float64(s.Used()) })),
		reg.Register(telemetry.Gauge("llm_slots_waiting", "Calls that wait for a slot of this pod.", func() float64 { return float64(s.Waiting()) })))
}

// Enter takes a slot, or waits for one until ctx ends.
func (s *Slots) Enter(ctx context.Context, call *Call) (func(Outcome), error) {
	s.mu.Lock()
	if s.used < s.size { // then nobody waits: a slot is handed on before it is counted free
		s.used++
		s.mu.Unlock()
		return s.leave, nil
	}
	w := &waiter{granted: make(chan struct{})}
	queue := &s.queues[min(call.Priority, High)]
	if call.Background {
		queue = &s.background
	}
	place := queue.PushBack(w)
	s.mu.Unlock()

	start := time.Now()
	ctx, span := telemetry.Start(ctx, "slots")
	err := s.await(ctx, w, queue, place)
	telemetry.End(span, err)
	if err != nil {
		return nil, err
	}
	s.wait.Observe(time.Since(start).Seconds())
	return s.leave, nil
}

func (s *Slots) await(ctx context.Context, w *waiter, queue *list.List, place *list.Element) error {
	select {
	case <-w.granted:
		return nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	select {
	case <-w.granted: // the slot came at the same moment: pass it on
		s.releaseLocked()
	default:
		queue.Remove(place)
	}
	s.mu.Unlock()
	return Ended(ctx, "slots")
}

func (s *Slots) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.releaseLocked()
}

// releaseLocked hands the slot to the first waiter of the highest class, or frees it.
func (s *Slots) releaseLocked() {
	for class := High; ; class-- {
		if grantFirst(&s.queues[class]) {
			return
		}
		if class == Low {
			break
		}
	}
	if !grantFirst(&s.background) {
		s.used--
	}
}

// grantFirst gives the slot to the first of queue, if there is one.
func grantFirst(queue *list.List) bool {
	first := queue.Front()
	if first == nil {
		return false
	}
	close(queue.Remove(first).(*waiter).granted)
	return true
}

// Size is the number of slots.
func (s *Slots) Size() int { return s.size }

// Used is the number of slots taken now.
func (s *Slots) Used() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.used
}

// Waiting is the number of calls that wait for a slot now. Background calls do not count: that they wait is no pressure.
func (s *Slots) Waiting() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for i := range s.queues {
		n += s.queues[i].Len()
	}
	return n
}
