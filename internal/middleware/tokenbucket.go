package middleware

import (
	"math"
	"time"
)

// tokenWindow is the window of the limit on tokens, the same as that of the limit on requests: a bucket holds a
// minute's tokens and fills evenly.
const tokenWindow = time.Minute

// tokenBucket is one user's bucket of tokens. tokens.lua does the same in Redis; a test holds the two together. Times
// are in microseconds since 1970. The zero value is a full bucket.
type tokenBucket struct {
	full  int64 // when it is full again; a time that has passed means that it is
	back  int64 // all that has been given back
	limit int   // tokens a window, of the last booking
}

// tokenRuling is what became of a booking. Times are in microseconds.
type tokenRuling struct {
	allowed bool
	full    int64 // until the bucket is full again
	wait    int64 // until what was asked for fits; 0 when allowed
	mark    int64 // with which the booking can be settled
}

// tokenTime is the time in which so many tokens fill, rounded down.
func tokenTime(tokens, limit int) int64 {
	return int64(math.Floor(float64(tokens) * float64(tokenWindow.Microseconds()) / float64(limit)))
}

// book takes tokens out of the bucket, if it has them.
func (b *tokenBucket) book(now int64, tokens, limit int) tokenRuling {
	full := max(b.full, now)
	cost := tokenTime(tokens, limit)
	if wait := full + cost - now - tokenWindow.Microseconds(); wait > 0 {
		return tokenRuling{full: full - now, wait: wait}
	}
	b.full, b.limit = full+cost, limit
	return tokenRuling{allowed: true, full: b.full - now, mark: b.full + b.back}
}

// settle corrects a booking by what was used beyond it, which is negative when it was less. What is given back is at
// most what has not filled again since the booking: else the same tokens would be there twice. A debt is at most one
// window, so that a user waits no longer than two.
func (b *tokenBucket) settle(now, mark int64, beyond int) {
	if b.limit == 0 {
		return
	}
	change := tokenTime(beyond, b.limit)
	if change >= 0 {
		b.full = min(max(b.full, now)+change, now+2*tokenWindow.Microseconds())
		return
	}
	if give := min(-change, mark-b.back-now); give > 0 {
		b.full, b.back = b.full-give, b.back+give
	}
}
