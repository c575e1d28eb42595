package llm

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/spillway-dev/spillway/internal/telemetry"
)

// NewShare returns a semaphore for the calls of one lane, of which at most size are in flight in this pod. It stands
// before the slots of the pod, so that a lane whose vendor is slow leaves some of those to the other lanes. Its waiters
// are served like those of the pod's slots, but soon give up while another lane would take them. They hold no slot and
// do not count as pressure on the pod. A share has no reserve.
func NewShare(size int, reg prometheus.Registerer) (*Slots, error) {
	if size < 1 {
		return nil, errors.New("SLOTS_MAX must be at least 1: with no slot, no call of the lane could start")
	}
	s := newSlots("share", size, size, prometheus.HistogramOpts{
		Name:    "llm_lane_slots_wait_seconds",
		Help:    "Time calls waited for their lane's share of the slots, those that got a place at once left out.",
		Buckets: WaitBuckets,
	})
	s.ofLane = true
	return s, errors.Join(reg.Register(s.wait),
		reg.Register(telemetry.Gauge("llm_lane_slots",
			"Slots of this pod that the lane may hold at most, where it has a limit of its own.",
			func() float64 { return float64(s.size) })),
		reg.Register(telemetry.Gauge("llm_lane_slots_in_use", "Calls of the lane that hold a part of its share.",
			func() float64 { return float64(s.Used()) })),
		reg.Register(telemetry.Gauge("llm_lane_slots_waiting", "Calls that wait for their lane's share of the slots.",
			func() float64 { return float64(s.Waiting()) })))
}
