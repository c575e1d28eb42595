package ledger

import "time"

// Figures are the figures of the log.
type Figures struct {
	RequestViolations int // arrivals whose window had more requests than the contract
	TokenViolations   int // the same for tokens
	MaxRequests       int // in the fullest window
	MaxTokens         int
	UsedRequests      float64 // share of the contract, on average from the first arrival to the newest; 1 is all of it
	UsedTokens        float64
}

// Figures returns the current figures.
func (l *Log) Figures() Figures {
	requests, tokens := l.use()
	return Figures{
		l.requestViolations, l.tokenViolations, l.maxRequests, l.maxTokens, requests, tokens,
	}
}

// Window is the window that ends with the newest arrival.
type Window struct {
	Contract Contract
	Requests int
	Tokens   int
	End      time.Time
	Free     time.Duration // until its first arrival leaves it; zero when there is none
}

// Window returns the current window.
func (l *Log) Window() Window {
	return Window{l.contract, l.requests, l.tokens, l.newest, l.free(l.first)}
}

// Violates reports whether the window that ends with the arrival holds more than the contract.
func (a *Arrival) Violates() bool { return a.overByCall || a.overByUse }

// use is how much of the contract was used on average, from the first arrival to the newest: 1 is all of it. Less than
// a window counts as one.
func (l *Log) use() (requests, tokens float64) {
	window := time.Duration(l.contract.Window)
	if window == 0 {
		return 0, 0
	}
	windows := float64(max(l.newest.Sub(l.oldest), window)) / float64(window)
	return share(l.totalRequests, l.contract.Requests, windows), share(l.totalTokens, l.contract.Tokens, windows)
}

func share(used, limit int, windows float64) float64 {
	if limit == 0 {
		return 0
	}
	return float64(used) / (float64(limit) * windows)
}
