// Package streams counts the open event streams of this pod and knows their ages, for the metrics and for the log of a
// draining pod. It does not end streams: package upstream does.
package streams

import (
	"errors"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Set is the open streams of a pod. A nil Set counts nothing. It is safe for concurrent use.
type Set struct {
	mu   sync.Mutex
	open map[*Stream]struct{}
}

// Stream is one stream, from its first event on. It belongs to one Set.
type Stream struct{ since time.Time }

// New returns an empty set with its metrics.
func New(reg prometheus.Registerer) (*Set, error) {
	s := &Set{open: map[*Stream]struct{}{}}
	return s, errors.Join(
		reg.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "llm_streams_open", Help: "Streams of events that this pod has open.",
		}, func() float64 { n, _ := s.Look(); return float64(n) })),
		reg.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "llm_streams_oldest_seconds", Help: "Age of the oldest open stream; 0 without any.",
		}, func() float64 { _, oldest := s.Look(); return oldest.Seconds() })),
	)
}

// Begin opens a stream now.
func (s *Set) Begin(one *Stream) {
	if s == nil {
		return
	}
	one.since = time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open[one] = struct{}{}
}

// End closes a stream. It does nothing to a stream that has not begun.
func (s *Set) End(one *Stream) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, one)
}

// Look returns the number of open streams and the age of the oldest.
func (s *Set) Look() (open int, oldest time.Duration) {
	if s == nil {
		return 0, 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for one := range s.open {
		oldest = max(oldest, time.Since(one.since))
	}
	return len(s.open), oldest
}
