package vendorsim

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// Fault is one way to fail. A call looks at the faults in the order they came: slow ones add up, and the first other one
// that applies decides.
type Fault struct {
	Kind         string   `json:"kind"`           // one of Kinds
	Status       int      `json:"status"`         // of kind status; zero means 500
	RetryAfter   Duration `json:"retry_after"`    // sent as Retry-After, in whole seconds, with kind status
	RetryAfterMS int      `json:"retry_after_ms"` // sent as retry-after-ms, with kind status
	Delay        Duration `json:"delay"`          // added to the latency, with any kind
	Chunks       int      `json:"chunks"`         // of a stream, sent before kinds cut and stall act
	Probability  float64  `json:"probability"`    // that it applies to a call; zero means always
	Calls        int      `json:"calls"`          // it applies to so many calls and is gone; zero means no such end
	For          Duration `json:"for"`            // it is gone after this time; zero means no such end

	until time.Time
}

// Kinds returns the ways to fail:
//
//	status     answers with Status and an error body
//	reset      resets the connection before any byte of an answer
//	hang       never answers
//	slow       answers Delay later
//	cut        closes the connection after Chunks chunks of a stream and before its end, or in the middle of a body
//	stall      stops there, and keeps the connection
//	malformed  answers 200 with a body that is no JSON
//	huge       answers 200 with 32 MiB of JSON
func Kinds() []string {
	return []string{"status", "reset", "hang", "slow", "cut", "stall", "malformed", "huge"}
}

func (f Fault) validate() error {
	switch {
	case !slices.Contains(Kinds(), f.Kind):
		return fmt.Errorf("kind %q is none of %q", f.Kind, Kinds())
	case !(f.Probability >= 0 && f.Probability <= 1): // NaN too
		return fmt.Errorf("probability %v is not from 0 to 1", f.Probability)
	case f.Status != 0 && (f.Status < 200 || f.Status > 599):
		return fmt.Errorf("status %d is not from 200 to 599", f.Status)
	case f.Calls < 0 || f.For < 0 || f.Chunks < 0 || f.Delay < 0 || f.RetryAfter < 0 || f.RetryAfterMS < 0:
		return errors.New("nothing of a fault may be negative")
	case f.Kind == "slow" && f.Delay == 0:
		return errors.New("kind slow needs a delay")
	}
	return nil
}

// AddFault makes the vendor fail in one more way from now on.
func (s *Sim) AddFault(f Fault) error { return s.addFaults([]Fault{f}, false) }

// SetFaults makes the vendor fail in these ways and no others from now on.
func (s *Sim) SetFaults(faults ...Fault) error { return s.addFaults(faults, true) }

// addFaults takes all of them or none.
func (s *Sim) addFaults(faults []Fault, instead bool) error {
	added := make([]*Fault, 0, len(faults))
	for _, f := range faults {
		if err := f.validate(); err != nil {
			return err
		}
		if f.Kind == "status" && f.Status == 0 {
			f.Status = http.StatusInternalServerError
		}
		if f.For > 0 {
			f.until = time.Now().Add(time.Duration(f.For))
		}
		added = append(added, &f)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if instead {
		s.faults = nil
	}
	s.faults = append(s.faults, added...)
	return nil
}

// ClearFaults ends all faults. Calls that hang because of one go on hanging, as they would at a vendor that recovered.
func (s *Sim) ClearFaults() { _ = s.SetFaults() }

// Faults is a copy of the faults in effect, with the calls and the time that each has left.
func (s *Sim) Faults() []Fault {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expireLocked(now)
	faults := make([]Fault, 0, len(s.faults))
	for _, f := range s.faults {
		left := *f
		if !f.until.IsZero() {
			left.For = Duration(f.until.Sub(now))
		}
		faults = append(faults, left)
	}
	return faults
}

func (s *Sim) expireLocked(now time.Time) {
	s.faults = slices.DeleteFunc(s.faults, func(f *Fault) bool { return !f.until.IsZero() && !now.Before(f.until) })
}

// faultLocked is what a call meets that is looked at now: the fault, without a kind for none, and the delay of all that
// apply.
func (s *Sim) faultLocked(now time.Time) (met Fault, delay time.Duration) {
	if len(s.faults) == 0 {
		return Fault{}, 0
	}
	s.expireLocked(now)
	var used []*Fault
	for _, f := range s.faults {
		if f.Probability > 0 && s.random.Float64() >= f.Probability {
			continue
		}
		met, delay = *f, delay+time.Duration(f.Delay)
		if f.Calls == 1 {
			used = append(used, f)
		}
		f.Calls = max(0, f.Calls-1)
		if f.Kind != "slow" {
			break
		}
	}
	s.faults = slices.DeleteFunc(s.faults, func(f *Fault) bool { return slices.Contains(used, f) })
	return met, delay
}
