package ledger

import "time"

// Correct sets the tokens that a call has really used, and judges the windows that held it again. A call that lasts
// longer than two windows is corrected in those that are still kept.
func (l *Log) Correct(a *Arrival, tokens int) {
	back := a.charged - tokens
	if back == 0 {
		return
	}
	window, fullest := time.Duration(l.contract.Window), a.tokens
	if l.newest.Sub(a.at) < window {
		l.tokens -= back
	}
	a.charged, a.tokens = tokens, a.tokens-back
	l.totalTokens -= back
	l.judge(a)
	for i := len(l.kept) - 1; i >= 0 && l.kept[i] != a && !l.kept[i].at.Before(a.at); i-- {
		if later := l.kept[i]; later.at.Sub(a.at) < window {
			fullest = max(fullest, later.tokens)
			later.tokens -= back
			l.judge(later)
		}
	}
	if fullest >= l.maxTokens { // it may have been the fullest window of all
		l.maxTokens = l.maxTokensGone
		for _, b := range l.kept {
			l.maxTokens = max(l.maxTokens, b.tokens)
		}
	}
}

// Set changes the contract. The window may be another one: what it holds is counted anew.
func (l *Log) Set(c Contract) {
	l.contract = c
	l.first, l.requests, l.tokens = len(l.kept), 0, 0
	for ; l.first > 0 && l.newest.Sub(l.kept[l.first-1].at) < time.Duration(c.Window); l.first-- {
		l.requests, l.tokens = l.requests+1, l.tokens+l.kept[l.first-1].charged
	}
}

// Fits is how long after the newest arrival a call of so many tokens would be within the contract. A call that never is
// gets a whole window.
func (l *Log) Fits(tokens int) time.Duration {
	requests, used := l.requests+1, l.tokens+tokens
	for i := l.first; i < len(l.kept); i++ {
		requests, used = requests-1, used-l.kept[i].charged
		if !l.tooMany(requests) && !l.tooMuch(used) {
			return l.free(i)
		}
	}
	return time.Duration(l.contract.Window)
}

// free is how long after the newest arrival the i-th kept one leaves the window; zero when there is none.
func (l *Log) free(i int) time.Duration {
	if i >= len(l.kept) {
		return 0
	}
	return time.Duration(l.contract.Window) - l.newest.Sub(l.kept[i].at)
}
