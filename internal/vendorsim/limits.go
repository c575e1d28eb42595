package vendorsim

import (
	"net/http"
	"strconv"
	"time"

	"github.com/spillway-dev/spillway/internal/vendorsim/dialect"
)

// limitHeadersLocked sets the headers of the endpoint's vendor: the name of the call, what is left of the contract, and
// when there will be more.
func (s *Sim) limitHeadersLocked(h http.Header, c *call) {
	id, window := dialect.RequestID(c.number), s.contract.Window()
	granted := window.Contract
	if c.anthropic {
		h["Request-Id"] = []string{id}
		at := window.End.Add(window.Free + time.Second - 1).UTC().Format(time.RFC3339)
		limitHeaders(h, "Anthropic-Ratelimit-Requests-", "", granted.Requests, window.Requests, at)
		limitHeaders(h, "Anthropic-Ratelimit-Tokens-", "", granted.Tokens, window.Tokens, at)
		return
	}
	h["X-Request-Id"] = []string{id}
	in := (window.Free + time.Millisecond - 1).Truncate(time.Millisecond).String() // never early
	limitHeaders(h, "X-Ratelimit-", "-Requests", granted.Requests, window.Requests, in)
	limitHeaders(h, "X-Ratelimit-", "-Tokens", granted.Tokens, window.Tokens, in)
}

// limitHeaders sets the headers of one limit, or none when the limit is 0. A name is before, Limit or the like, and
// after.
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
