package llm

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"

	"github.com/spillway-dev/spillway/internal/telemetry"
)

// Slots is the local semaphore: at most a given number of vendor calls of this pod are in flight. Waiters are served by
// priority. Within a class users are served in turn, and the calls of one user in order of arrival. A freed slot is
// handed to the next waiter directly, so that a call that has just come cannot overtake it. Some slots are reserved:
// only calls of high priority take them, so that long calls of lower ones cannot hold all. Background calls give way:
// they get a slot only while no other call waits for one, and never a reserved one. The use of the slots and the number
// of waiting calls, without background calls, drive shedding, readiness and autoscaling.
type Slots struct {
	name     string // of the gate, in rejections and spans
	ofLane   bool   // of one lane; false: of the pod, and another lane's calls find no more of them
	size     int
	open     int          // slots that any call may take: size without the reserve
	leave    func(Result) // of calls of high priority; the same for each, so that entering allocates nothing
	leaveLow func(Result) // of the others
	wait     prometheus.Histogram
	heldBack prometheus.Counter // calls that waited because of the reserve; nil where there can be none

	mu         sync.Mutex
	used       int
	usedLow    int             // of used, those of calls that may not take the reserve
	queues     [High + 1]turns // one a class
	background turns           // served when the others are empty
}

// NewSlots returns a semaphore of size slots, of which the last reserve are for calls of high priority. size must be at
// least 1, and reserve below it.
func NewSlots(size, reserve int, reg prometheus.Registerer) (*Slots, error) {
	switch {
	case size < 1:
		return nil, errors.New("SLOTS must be at least 1: with no slot, no call could start")
	case reserve < 0 || reserve >= size:
		return nil, fmt.Errorf("a reserve of %d in %d slots leaves none for other calls", reserve, size)
	}
	s := newSlots("slots", size, size-reserve, prometheus.HistogramOpts{
		Name: "llm_slots_wait_seconds", Help: "Time calls waited for a slot, those that got one at once left out.",
		Buckets: WaitBuckets,
	})
	s.heldBack = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "llm_slots_held_back_total",
		Help: "Calls that waited although a slot was free, because it was reserved for high priority.",
	})
	return s, errors.Join(reg.Register(s.wait), reg.Register(s.heldBack),
		reg.Register(telemetry.Gauge("llm_slots", "Slots of this pod.", func() float64 { return float64(s.size) })),
		reg.Register(telemetry.Gauge("llm_slots_reserved", "Slots of this pod that only calls of high priority take.",
			func() float64 { return float64(s.size - s.open) })),
		reg.Register(telemetry.Gauge("llm_slots_in_use", "Vendor calls of this pod in flight.",
			func() float64 { return float64(s.Used()) })),
		reg.Register(telemetry.Gauge("llm_slots_waiting", "Calls that wait for a slot of this pod.",
			func() float64 { return float64(s.Waiting()) })))
}

func newSlots(name string, size, open int, wait prometheus.HistogramOpts) *Slots {
	s := &Slots{name: name, size: size, open: open, wait: prometheus.NewHistogram(wait)}
	s.leave = func(Result) { s.release(false) }
	s.leaveLow = func(Result) { s.release(true) }
	return s
}

// Enter takes a slot, or waits for one until ctx ends.
func (s *Slots) Enter(ctx context.Context, call *Call) (func(Result), error) {
	low := call.Background || call.Priority < High
	leave := s.leave
	if low {
		leave = s.leaveLow
	}
	s.mu.Lock()
	if s.takeLocked(low) { // a slot that is free has no waiter: it would have been handed on
		s.mu.Unlock()
		return leave, nil
	}
	queue := &s.queues[min(call.Priority, High)]
	if call.Background {
		queue = &s.background
	}
	reserved := s.used < s.size
	w := queue.push(call.User)
	s.mu.Unlock()

	if reserved {
		s.heldBack.Inc()
	}
	if s.ofLane {
		var stop func()
		ctx, stop = impatient(ctx, call)
		defer stop()
	}
	start := time.Now()
	ctx, span := telemetry.Start(ctx, s.name, attribute.Bool("llm.slots.reserved", reserved))
	err := s.await(ctx, w, queue, low)
	telemetry.End(span, err)
	if err != nil {
		return nil, err
	}
	s.wait.Observe(time.Since(start).Seconds())
	return leave, nil
}

// takeLocked takes a free slot, if there is one that the call may take. low says that it may not take the reserve.
func (s *Slots) takeLocked(low bool) bool {
	if s.used >= s.size || low && s.usedLow >= s.open {
		return false
	}
	s.used++
	if low {
		s.usedLow++
	}
	return true
}

func (s *Slots) await(ctx context.Context, w *waiter, queue *turns, low bool) error {
	select {
	case <-w.granted:
		return nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	select {
	case <-w.granted: // the slot came at the same moment: pass it on
		s.releaseLocked(low)
	default:
		queue.remove(w)
	}
	s.mu.Unlock()
	return Ended(ctx, s.name)
}

func (s *Slots) release(low bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.releaseLocked(low)
}

// releaseLocked frees a slot and hands it to the next waiter of the highest class that may take it.
func (s *Slots) releaseLocked(low bool) {
	s.used--
	if low {
		s.usedLow--
	}
	if s.grantLocked(&s.queues[High], false) {
		return
	}
	for class := High; class > Low; class-- {
		if s.grantLocked(&s.queues[class-1], true) {
			return
		}
	}
	s.grantLocked(&s.background, true)
}

// grantLocked gives a free slot to the next waiter of queue, if there is a waiter and it may take the slot.
func (s *Slots) grantLocked(queue *turns, low bool) bool {
	if queue.n == 0 || !s.takeLocked(low) {
		return false
	}
	close(queue.pop().granted)
	return true
}

// Size is the number of slots.
func (s *Slots) Size() int { return s.size }

// Use is the share of the slots that is taken now, 0 to 1. It is also 1 when all slots outside the reserve are taken,
// because most calls then find none.
func (s *Slots) Use() float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return max(float64(s.used)/float64(s.size), float64(s.usedLow)/float64(s.open))
}

// Used is the number of slots taken now.
func (s *Slots) Used() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.used
}

// Waiting is the number of calls that wait for a slot now. Background calls do not count, because their waiting is no
// pressure on the pod.
func (s *Slots) Waiting() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for i := range s.queues {
		n += s.queues[i].n
	}
	return n
}
