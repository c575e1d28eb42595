package vendorsim

import (
	"context"
	"maps"
	"slices"
)

// Stats is what the vendor has seen since the last reset.
type Stats struct {
	Calls       int         `json:"calls"` // that arrived
	InFlight    int         `json:"in_flight"`
	MaxInFlight int         `json:"max_in_flight"`
	Status      map[int]int `json:"status"`    // ended calls by status; 0 for broken connections
	Cancelled   int         `json:"cancelled"` // the client left before the end
	Refused     int         `json:"refused"`   // by an enforced contract

	RequestViolations int `json:"request_violations"` // arrivals that made a window hold more requests than the contract
	TokenViolations   int `json:"token_violations"`
	MaxRequests       int `json:"max_requests_in_window"` // in any window
	MaxTokens         int `json:"max_tokens_in_window"`

	PromptTokens     int `json:"prompt_tokens"` // of ended calls, as billed
	CompletionTokens int `json:"completion_tokens"`

	RequestIDs int `json:"request_ids"` // different X-Request-IDs
	MaxRepeats int `json:"max_repeats"` // most calls with the same one
}

// Stats is a copy of the figures.
func (s *Sim) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.statsLocked()
}

func (s *Sim) statsLocked() Stats {
	st := s.stats
	st.Status = maps.Clone(st.Status)
	st.RequestIDs = len(s.repeats)
	return st
}

// Calls is a copy of the log, in order of arrival.
func (s *Sim) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.log.calls)
}

// WaitFor waits until is holds for the figures, and returns the cause of ctx when that ends first.
func (s *Sim) WaitFor(ctx context.Context, is func(Stats) bool) error {
	for {
		s.mu.Lock()
		if is(s.statsLocked()) {
			s.mu.Unlock()
			return nil
		}
		if s.changed == nil {
			s.changed = make(chan struct{})
		}
		changed := s.changed
		s.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// notifyLocked wakes those who wait for a change.
func (s *Sim) notifyLocked() {
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
}
