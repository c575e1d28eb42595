package vendorsim

import (
	"net/http"
	"strconv"
	"time"

	"github.com/spillway-dev/spillway/internal/vendorsim/dialect"
)

// limitHeadersLocked names the call, and tells what is left of the contract and when there will be more, as the vendor
// of the endpoint does.
func (s *Sim) limitHeadersLocked(h http.Header, c *call) {
	id, l := dialect.RequestID(c.number), &s.contract
	reset := l.free(l.first)
	if c.anthropic {
		h["Request-Id"] = []string{id}
		at := l.newest.Add(reset + time.Second - 1).UTC().Format(time.RFC3339)
		limitHeaders(h, "Anthropic-Ratelimit-Requests-", "", l.contract.Requests, l.requests, at)
		limitHeaders(h, "Anthropic-Ratelimit-Tokens-", "", l.contract.Tokens, l.tokens, at)
		return
	}
	h["X-Request-Id"] = []string{id}
	in := (reset + time.Millisecond - 1).Truncate(time.Millisecond).String() // never early
	limitHeaders(h, "X-Ratelimit-", "-Requests", l.contract.Requests, l.requests, in)
	limitHeaders(h, "X-Ratelimit-", "-Tokens", l.contract.Tokens, l.tokens, in)
}

// limitHeaders tells one limit; none when it is zero. A name is made of before, what is told, and after.
func limitHeaders(h http.Header, before, after string, limit, used int, reset string) {
	if limit == 0 {
		return
	}
	h[before+"Limit"+after] = []string{strconv.Itoa(limit)}
	h[before+"Remaining"+after] = []string{strconv.Itoa(max(0, limit-used))}
	h[before+"Reset"+after] = []string{reset}
}

// retryAfter sets Retry-After, in whole seconds; a time of zero or less sets none.
func retryAfter(h http.Header, d time.Duration) {
	if d > 0 {
		h.Set("Retry-After", strconv.Itoa(int((d+time.Second-1)/time.Second)))
	}
}

// retryAfterMS sets retry-after-ms in the same way.
func retryAfterMS(h http.Header, d time.Duration) {
	if d > 0 {
		h.Set("Retry-After-Ms", strconv.Itoa(int((d+time.Millisecond-1)/time.Millisecond)))
	}
}
