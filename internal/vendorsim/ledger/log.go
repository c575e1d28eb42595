// Package ledger is the exact log of a vendor's contract: so many requests and tokens in any window of time. It judges
// every window, also when something is said late. It does no I/O and is not safe for concurrent use.
//
//	log.go      arrivals, their windows and what goes beyond the contract
//	revise.go   what changes later: the tokens of a call, the contract itself
//	figures.go  what was seen
//	judge.go    the same for simulations, whose times are made up
package ledger

import (
	"errors"
	"time"

	"github.com/spillway-dev/spillway/internal/vendorsim/timing"
)

// Contract is what the vendor grants: so many requests and tokens in any window. Zero means no limit.
type Contract struct {
	Requests int             `json:"requests"`
	Tokens   int             `json:"tokens"`
	Window   timing.Duration `json:"window"`  // zero means a minute; a Log without any limit judges nothing
	Enforce  bool            `json:"enforce"` // refuse with 429 what goes beyond; else answer, and count the violation
}

// Validate reports what makes no sense.
func (c Contract) Validate() error {
	if c.Requests < 0 || c.Tokens < 0 || c.Window < 0 {
		return errors.New("the contract's requests, tokens and window must not be negative")
	}
	if c.Enforce && c.Requests == 0 && c.Tokens == 0 {
		return errors.New("there is no contract to enforce: set its requests or its tokens")
	}
	return nil
}

// Log is the exact sliding-window log. A window (t-W, t] can only become the fullest when t is an arrival, so
// judging the window that ends with each arrival judges them all. Two things come late and revise what was said:
//
//   - an arrival. Its time is taken before the lock, so another one may be entered first. It goes to its place, and the
//     windows of those after it hold one more.
//   - the tokens of a call whose client left. The client may use the tokens for another call before the vendor has
//     noticed, so the windows that held them are judged again with what was really sent.
//
// Arrivals are kept for two windows: as long as one of these can matter. The cost is O(1) amortised, and for a revision
// the number of arrivals since.
type Log struct {
	contract Contract
	kept     []*Arrival // in order
	first    int        // of the window that ends at newest
	newest   time.Time  // latest arrival, a refused one too
	requests int        // in that window
	tokens   int

	oldest        time.Time // first arrival of all
	totalRequests int
	totalTokens   int

	requestViolations, tokenViolations int
	maxRequests, maxTokens             int
	maxTokensGone                      int // of the arrivals that are kept no more
}

// Arrival is a call that counts in the contract.
type Arrival struct {
	at         time.Time
	charged    int // tokens
	requests   int // in the window that ends with it, itself included
	tokens     int
	overByCall bool // more requests than the contract
	overByUse  bool // more tokens
}

// Arrive enters a call and returns it. It returns nil when the call is refused, or when there is no contract to judge.
func (l *Log) Arrive(at time.Time, tokens int) (a *Arrival, refused bool) {
	window := time.Duration(l.contract.Window)
	if window == 0 {
		return nil, false
	}
	if l.oldest.IsZero() {
		l.oldest = at
	}
	if l.newest.Sub(at) >= window {
		at = l.newest.Add(1 - window) // older ones are kept no more
	}
	l.advance(at)
	a = &Arrival{at: at, charged: tokens}
	place := l.place(a)
	if l.contract.Enforce && l.exceeded(a, l.kept[place:]) {
		return nil, true
	}
	l.kept = append(l.kept, nil)
	copy(l.kept[place+1:], l.kept[place:])
	l.kept[place] = a
	l.requests, l.tokens = l.requests+1, l.tokens+tokens
	l.totalRequests, l.totalTokens = l.totalRequests+1, l.totalTokens+tokens
	l.judge(a)
	for _, later := range l.kept[place+1:] {
		later.requests, later.tokens = later.requests+1, later.tokens+tokens
		l.judge(later)
	}
	return a, false
}

// advance moves the window on to end at the arrival, unless that came late, and drops what is two windows old.
func (l *Log) advance(at time.Time) {
	if at.Before(l.newest) {
		return
	}
	l.newest = at
	window, drop := time.Duration(l.contract.Window), 0
	for ; l.first < len(l.kept) && at.Sub(l.kept[l.first].at) >= window; l.first++ {
		l.requests, l.tokens = l.requests-1, l.tokens-l.kept[l.first].charged
	}
	for ; drop < l.first && at.Sub(l.kept[drop].at) >= 2*window; drop++ {
		l.maxTokensGone = max(l.maxTokensGone, l.kept[drop].tokens)
		l.kept[drop] = nil
	}
	l.kept, l.first = l.kept[drop:], l.first-drop
}

// place finds where the arrival belongs, and fills in what the window that ends with it holds.
func (l *Log) place(a *Arrival) int {
	a.requests, a.tokens = l.requests+1, l.tokens+a.charged
	i := len(l.kept)
	for ; i > 0 && l.kept[i-1].at.After(a.at); i-- {
		a.requests, a.tokens = a.requests-1, a.tokens-l.kept[i-1].charged
	}
	for j := l.first - 1; j >= 0 && a.at.Sub(l.kept[j].at) < time.Duration(l.contract.Window); j-- {
		a.requests, a.tokens = a.requests+1, a.tokens+l.kept[j].charged
	}
	return i
}

// exceeded reports whether a window would hold too much with a in it.
func (l *Log) exceeded(a *Arrival, later []*Arrival) bool {
	requests, tokens := a.requests, a.tokens
	for _, b := range later {
		requests, tokens = max(requests, b.requests+1), max(tokens, b.tokens+a.charged)
	}
	return l.tooMany(requests) || l.tooMuch(tokens)
}

func (l *Log) tooMany(requests int) bool {
	return l.contract.Requests > 0 && requests > l.contract.Requests
}

func (l *Log) tooMuch(tokens int) bool {
	return l.contract.Tokens > 0 && tokens > l.contract.Tokens
}

// judge counts the arrival's violations, or takes back what was counted.
func (l *Log) judge(a *Arrival) {
	recount(&l.requestViolations, &a.overByCall, l.tooMany(a.requests))
	recount(&l.tokenViolations, &a.overByUse, l.tooMuch(a.tokens))
	l.maxRequests, l.maxTokens = max(l.maxRequests, a.requests), max(l.maxTokens, a.tokens)
}

func recount(count *int, was *bool, is bool) {
	if is && !*was {
		*count++
	} else if *was && !is {
		*count--
	}
	*was = is
}
