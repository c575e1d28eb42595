package vendorsim

import (
	"fmt"
	"net/http"
	"slices"
	"time"
)

// Fault is one way to fail. Faults are looked at in the order they came; the first that applies to a call decides.
type Fault struct {
	Kind         string   `json:"kind"`           // one of Kinds
	Status       int      `json:"status"`         // of kind status; zero means 500
	RetryAfter   Duration `json:"retry_after"`    // sent as Retry-After, in whole seconds, with kind status
	RetryAfterMS int      `json:"retry_after_ms"` // sent as retry-after-ms, with kind status
	Delay        Duration `json:"delay"`          // added by kind slow
	Chunks       int      `json:"chunks"`         // sent before kinds cut and stall act
	Probability  float64  `json:"probability"`    // that it applies to a call; zero means always
	Calls        int      `json:"calls"`          // it applies to so many calls and is gone; zero means no such end
	For          Duration `json:"for"`            // it is gone after this time; zero means no such end

	until time.Time
	left  int
}

// Kinds are the ways to fail:
//
//	status     answers with Status and an error body
//	reset      breaks the connection before any byte of an answer
//	hang       never answers
//	slow       answers Delay later
//	cut        breaks the connection after Chunks chunks of a stream, or in the middle of a body
//	stall      stops after Chunks chunks of a stream, or in the middle of a body, and keeps the connection
//	malformed  answers 200 with a body that is no JSON
//	huge       answers 200 with 32 MiB
var Kinds = []string{"status", "reset", "hang", "slow", "cut", "stall", "malformed", "huge"}

func (f Fault) validate() error {
	switch {
	case !slices.Contains(Kinds, f.Kind):
		return fmt.Errorf("kind %q is none of %q", f.Kind, Kinds)
	case f.Probability < 0 || f.Probability > 1:
		return fmt.Errorf("probability %v is not from 0 to 1", f.Probability)
	case f.Status != 0 && (f.Status < 200 || f.Status > 599):
		return fmt.Errorf("status %d is not from 200 to 599", f.Status)
	case f.Calls < 0 || f.For < 0 || f.Chunks < 0 || f.Delay < 0 || f.RetryAfter < 0 || f.RetryAfterMS < 0:
		return fmt.Errorf("nothing of a fault may be negative")
	}
	return nil
}

// AddFault makes the vendor fail in one more way from now on.
func (s *Sim) AddFault(f Fault) error {
	if err := f.validate(); err != nil {
		return err
	}
	if f.Kind == "status" && f.Status == 0 {
		f.Status = http.StatusInternalServerError
	}
	if f.For > 0 {
		f.until = time.Now().Add(time.Duration(f.For))
	}
	f.left = f.Calls
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, &f)
	return nil
}

// ClearFaults ends all faults. Calls that hang because of one go on hanging.
func (s *Sim) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// faultLocked is the fault that applies to a call that arrives now; nil for none.
func (s *Sim) faultLocked(now time.Time) *Fault {
	if len(s.faults) == 0 {
		return nil
	}
	s.faults = slices.DeleteFunc(s.faults, func(f *Fault) bool {
		return !f.until.IsZero() && !now.Before(f.until) || f.Calls > 0 && f.left == 0
	})
	for _, f := range s.faults {
		if f.Probability > 0 && s.random.Float64() >= f.Probability {
			continue
		}
		f.left--
		applied := *f
		return &applied
	}
	return nil
}
