package vendorsim

import "time"

// Contract is what the vendor grants: so many requests and tokens in any window. Zero means no limit.
type Contract struct {
	Requests int      `json:"requests"`
	Tokens   int      `json:"tokens"`
	Window   Duration `json:"window"`  // zero means a minute
	Enforce  bool     `json:"enforce"` // refuse with 429 what goes beyond; else answer, and count the violation
}

// Call is one call in the vendor's log.
type Call struct {
	Arrived    time.Time `json:"arrived"`
	Ended      time.Time `json:"ended"`  // zero while it is under way
	Status     int       `json:"status"` // 0 while it is under way, or when the connection was broken off
	Prompt     int       `json:"prompt_tokens"`
	Completion int       `json:"completion_tokens"` // charged at arrival; what a cancelled call did not use comes off again
	RequestID  string    `json:"request_id"`
	Cancelled  bool      `json:"cancelled"` // the client left before the end
	Refused    bool      `json:"refused"`   // by the contract; does not count in it
	Violation  bool      `json:"violation"` // it made a window hold more than the contract
}

// contractLog is the exact sliding-window log: all calls in order of arrival, and where the present window begins. A window
// (t-W, t] can only become the fullest when t is an arrival, so looking at every arrival finds every violation.
type contractLog struct {
	epoch    int // grows with every reset
	calls    []Call
	first    int // of the present window
	requests int // in the present window
	tokens   int
}

// verdict is what an arrival did to the window it ends.
type verdict struct {
	requests, tokens int // in the window, the arrival included
	overRequests     bool
	overTokens       bool
}

// arrive judges an arrival at now, which must not be before the last one, and enters it unless it is refused.
func (l *contractLog) arrive(now time.Time, c Contract, prompt, completion int) (v verdict, index int) {
	l.advance(now, time.Duration(c.Window))
	v = verdict{requests: l.requests + 1, tokens: l.tokens + prompt + completion}
	v.overRequests = c.Requests > 0 && v.requests > c.Requests
	v.overTokens = c.Tokens > 0 && v.tokens > c.Tokens
	over := v.overRequests || v.overTokens
	call := Call{Arrived: now, Prompt: prompt, Completion: completion, Violation: over && !c.Enforce, Refused: over && c.Enforce}
	if !call.Refused {
		l.requests, l.tokens = v.requests, v.tokens
	}
	l.calls = append(l.calls, call)
	return v, len(l.calls) - 1
}

// advance moves the window on to end at now.
func (l *contractLog) advance(now time.Time, window time.Duration) {
	for l.first < len(l.calls) && now.Sub(l.calls[l.first].Arrived) >= window {
		if c := l.calls[l.first]; !c.Refused {
			l.requests, l.tokens = l.requests-1, l.tokens-c.Prompt-c.Completion
		}
		l.first++
	}
}

// correct sets what a call has really used.
func (l *contractLog) correct(index, completion int) {
	c := &l.calls[index]
	if index >= l.first && !c.Refused {
		l.tokens += completion - c.Completion
	}
	c.Completion = completion
}

// freeAgain is when the oldest call leaves the window that ends now.
func (l *contractLog) freeAgain(now time.Time, window time.Duration) time.Duration {
	for _, c := range l.calls[min(l.first, len(l.calls)):] {
		if !c.Refused {
			return max(0, window-now.Sub(c.Arrived))
		}
	}
	return 0
}
