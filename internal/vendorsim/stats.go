package vendorsim

import (
	"context"
	"maps"
)

// Stats has the figures since the last reset.
type Stats struct {
	Calls       int            `json:"calls"` // that arrived
	InFlight    int            `json:"in_flight"`
	MaxInFlight int            `json:"max_in_flight"`
	Status      map[int]int    `json:"status"`         // ended calls by status; 0 for answers broken off
	Cancelled   int            `json:"cancelled"`      // the client left before the end
	Refused     int            `json:"refused"`        // by an enforced contract
	Pods        map[string]int `json:"pods,omitempty"` // calls by header X-Pod, of the first 1,000 pods

	RequestViolations int     `json:"request_violations"` // arrivals whose window was above the contract
	TokenViolations   int     `json:"token_violations"`   // the same for tokens
	MaxRequests       int     `json:"max_requests_in_window"`
	MaxTokens         int     `json:"max_tokens_in_window"`
	UsedRequests      float64 `json:"used_requests"` // share of the contract, on average since the first arrival
	UsedTokens        float64 `json:"used_tokens"`

	PromptTokens     int `json:"prompt_tokens"` // of ended calls, as billed
	CompletionTokens int `json:"completion_tokens"`

	RequestIDs int         `json:"request_ids"` // different X-Request-IDs, or Idempotency-Keys where there is none
	MaxRepeats int         `json:"max_repeats"` // most calls with the same one
	Repeats    map[int]int `json:"repeats"`     // how many of them came once, twice, and so on
}

// Stats is a copy of the figures.
func (s *Sim) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.statsLocked()
}

func (s *Sim) statsLocked() Stats {
	st, f := s.stats, s.contract.Figures()
	st.Status, st.Pods, st.Repeats = maps.Clone(st.Status), maps.Clone(st.Pods), maps.Clone(s.repeats.of)
	st.RequestViolations, st.TokenViolations = f.RequestViolations, f.TokenViolations
	st.MaxRequests, st.MaxTokens = f.MaxRequests, f.MaxTokens
	st.UsedRequests, st.UsedTokens = f.UsedRequests, f.UsedTokens
	st.RequestIDs, st.MaxRepeats = s.repeats.distinct, s.repeats.most
	return st
}

// WaitFor waits until is reports true for the figures. It returns the cause of ctx when ctx ends first.
func (s *Sim) WaitFor(ctx context.Context, is func(Stats) bool) error {
	for {
		s.mu.Lock()
		if s.changed == nil {
			s.changed = make(chan struct{})
		}
		st, changed := s.statsLocked(), s.changed
		s.mu.Unlock()
		if is(st) {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// notifyLocked wakes all that wait for a change.
func (s *Sim) notifyLocked() {
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
}
