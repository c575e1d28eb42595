package ledger

import (
	"time"

	"github.com/spillway-dev/spillway/internal/vendorsim/timing"
)

// Judge is the contract log without a server: it judges calls whose times a simulation makes up. It is not safe for
// concurrent use.
type Judge struct{ log Log }

// Verdict is what a Judge has seen so far.
type Verdict struct {
	Requests          int // calls in all
	Tokens            int // tokens in all
	MaxRequests       int // calls in the fullest window
	MaxTokens         int // tokens in the fullest window
	RequestViolations int // windows, one for each call that ends one, with more calls than the contract
	TokenViolations   int // the same for tokens
}

// NewJudge returns a judge of c. It counts what goes beyond and refuses nothing; a window of zero is a minute.
func NewJudge(c Contract) *Judge {
	if c.Window == 0 {
		c.Window = timing.Duration(time.Minute)
	}
	c.Enforce = false
	return &Judge{Log{contract: c}}
}

// Arrive enters a call of so many tokens, and returns how many calls and tokens the window that ends with it holds.
func (j *Judge) Arrive(at time.Time, tokens int) (requestsInWindow, tokensInWindow int) {
	a, _ := j.log.Arrive(at, tokens)
	return a.requests, a.tokens
}

// Verdict is what was seen so far.
func (j *Judge) Verdict() Verdict {
	return Verdict{
		j.log.totalRequests, j.log.totalTokens, j.log.maxRequests, j.log.maxTokens,
		j.log.requestViolations, j.log.tokenViolations,
	}
}
