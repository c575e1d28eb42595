package llm

import (
	"fmt"
	"net/http"
	"time"
)

// Kind says in what way a vendor call failed.
type Kind string

// The kinds of failure.
const (
	KindConnection Kind = "connection" // no connection, or it broke before the answer was whole
	KindTimeout    Kind = "timeout"    // no answer within the call timeout, or no first event in time
	// A status that is the vendor's failure: 5xx, 529, 408, 3xx, and what is no status of an answer.
	KindStatus    Kind = "status"
	KindRateLimit Kind = "rate_limit" // 429: too many calls for now
	KindQuota     Kind = "quota"      // the account is out of credit: a repeat cannot help until its owner has paid
	// 401, or another answer that refuses the vendor key. The operator can mend it, the client cannot.
	KindAuth       Kind = "auth"
	KindBadContent Kind = "bad_content" // an answer that is not what it says: broken JSON, a stream without events

	// Limits of this service that ended the answer. Of these only KindIdle also counts as a failure of the vendor.

	KindTooLarge Kind = "too_large" // an answer above VENDOR_MAX_RESPONSE
	KindIdle     Kind = "idle"      // a stream that paused for longer than STREAM_IDLE
	KindLength   Kind = "length"    // a stream that went on for longer than STREAM_MAX
)

// Advice is what the vendor says about a repeat, in its header x-should-retry.
type Advice string

// The values of Advice; the zero value means not said.
const (
	AdviceRetry   Advice = "true"
	AdviceNoRetry Advice = "false"
)

// VendorError is a vendor call that failed: one attempt of it, or the last one when Do gives up.
type VendorError struct {
	Kind Kind
	// The vendor's status, or the one that an error within a 200 stands for; zero when there was none.
	Status     int
	Code       string        // the vendor's own code, such as insufficient_quota; empty when there was none
	Type       string        // the vendor's own type, such as rate_limit_error; empty when there was none
	RequestID  string        // the vendor's name for the request; empty when there was none
	Advice     Advice        // whether the vendor says that a repeat can help
	RetryAfter time.Duration // how long the vendor asks to wait before the next call; zero when it did not say
	Attempts   int           // attempts made so far
	Streamed   bool          // part of the answer has reached the client, so nothing can be retried
	Told       bool          // the vendor's own error event has reached the client, so none of ours follows
	KeyChanged bool          // the key that the vendor refused is no longer in force: a repeat carries another one
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

// Failure reports whether the failure shows that the vendor is not well, so that the breaker counts it: no connection,
// a timeout, a broken or stalled stream, an answer that cannot be read, 5xx. It is false for 4xx, which is about the
// request or the account, for 3xx, which is configuration, and for answers that are longer than this service passes on.
func (e *VendorError) Failure() bool {
	switch e.Kind {
	case KindConnection, KindTimeout, KindBadContent, KindIdle:
		return true
	case KindTooLarge, KindLength, KindQuota, KindAuth, KindRateLimit:
		return false
	case KindStatus:
	}
	return e.Status >= http.StatusInternalServerError
}

// Retryable reports whether another attempt may help. It does not look at the state of the vendor or at the budget.
func (e *VendorError) Retryable() bool {
	if e.Streamed || e.Advice == AdviceNoRetry {
		return false
	}
	switch e.Kind {
	case KindConnection, KindTimeout, KindRateLimit, KindBadContent:
		return true
	case KindTooLarge, KindIdle, KindLength, KindQuota, KindAuth:
		return false
	case KindStatus:
	}
	return e.Status >= http.StatusInternalServerError || e.Status == http.StatusRequestTimeout
}

// Permanent reports whether a repeat cannot help before the operator has done something: the vendor refuses the key, or
// the account is out of credit.
func (e *VendorError) Permanent() bool { return e.Kind == KindAuth || e.Kind == KindQuota }

// OwnLimit reports whether a limit of this service ended the answer.
func (e *VendorError) OwnLimit() bool {
	return e.Kind == KindTooLarge || e.Kind == KindIdle || e.Kind == KindLength
}

// askedToWait reports whether the vendor is well and said when to come again.
func (e *VendorError) askedToWait() bool { return e.Kind == KindRateLimit && e.RetryAfter > 0 }
