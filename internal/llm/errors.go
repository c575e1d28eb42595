package llm

import (
	"fmt"
	"net/http"
	"time"
)

// Kind says in what way the vendor failed.
type Kind string

// The kinds of vendor failure.
const (
	KindConnection Kind = "connection"  // could not connect, or the connection broke before the answer was whole
	KindTimeout    Kind = "timeout"     // the call timeout, or the idle limit of a stream
	KindStatus     Kind = "status"      // a status that is the vendor's failure: 5xx, 529, 408, 3xx, and what is no status of an answer
	KindRateLimit  Kind = "rate_limit"  // 429
	KindAuth       Kind = "auth"        // 401 or 403: our credentials, not the caller's
	KindTooLarge   Kind = "too_large"   // an answer over the limit
	KindBadContent Kind = "bad_content" // an event stream that is not one
)

// VendorError is a vendor call that failed: one attempt of it, or the last one when Do gives up.
type VendorError struct {
	Kind       Kind
	Status     int           // the vendor's status; zero when there was none
	RetryAfter time.Duration // the vendor's word; zero when it said nothing
	Attempts   int           // attempts made so far
	Streamed   bool          // part of the answer has reached the client, so nothing can be retried
	Err        error         // the cause, for the log; nil for a plain status
}

// Error describes the failure for the log.
func (e *VendorError) Error() string {
	s := "vendor " + string(e.Kind)
	if e.Status != 0 {
		s += fmt.Sprintf(" %d", e.Status)
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *VendorError) Unwrap() error { return e.Err }

// Failure tells whether the failure speaks against the vendor's health, so that the breaker counts it: no connection, a
// timeout, a broken stream, 5xx. It does not for 4xx, which is about us, and for 3xx, which is configuration.
func (e *VendorError) Failure() bool {
	switch e.Kind {
	case KindConnection, KindTimeout, KindBadContent:
		return true
	default:
		return e.Status >= http.StatusInternalServerError
	}
}

// Retryable tells whether another attempt may help, the state of the vendor and the budget apart.
func (e *VendorError) Retryable() bool {
	if e.Streamed {
		return false
	}
	switch e.Kind {
	case KindConnection, KindTimeout, KindRateLimit, KindBadContent:
		return true
	default:
		return e.Status >= http.StatusInternalServerError || e.Status == http.StatusRequestTimeout
	}
}
