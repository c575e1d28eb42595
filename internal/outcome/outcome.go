// Package outcome lists the ways in which a request can be turned away before a vendor has answered it. Packages api
// and jobs add reasons that only they give.
//
// A layer that turns a request away returns *Rejected with its own name and one of the reasons below. api/problem.go
// has a table from each reason to a status and a code. Code and reason are the same text, but that ShedLatency has the
// code of Shed. The layers' own metrics count by reason; the answer, the access log and llm_http_requests_total have
// the code. The package knows nothing of HTTP.
package outcome

import (
	"fmt"
	"time"
)

// Reason says why a request was turned away.
type Reason string

// The reasons, in the order in which a request meets the layers that give them.
const (
	Overloaded      Reason = "overloaded"      // pod admission: the pod is full
	Unauthenticated Reason = "unauthenticated" // identity: no API key, an unknown or an expired one
	HeaderTooLong   Reason = "header_too_long" // header limit: a header that would go on to the vendor
	TooManyCalls    Reason = "too_many_calls"  // user concurrency: the user has too many requests inside the pod
	// Fail fast, breaker: the breaker is open.
	VendorUnavailable    Reason = "vendor_unavailable"
	Shed                 Reason = "shed"                   // load shedding: the queue is too long
	ShedLatency          Reason = "shed_latency"           // load shedding: latency is near the SLA
	UserRateLimited      Reason = "user_rate_limited"      // user limit
	UnsupportedMediaType Reason = "unsupported_media_type" // the body is not declared as JSON
	// Body over the limit, or more tokens than the user's limit or the vendor's whole contract.
	PayloadTooLarge   Reason = "payload_too_large"
	InvalidJSON       Reason = "invalid_json"        // the body is not JSON
	InvalidPayload    Reason = "invalid_payload"     // the body is JSON, but not what the endpoint takes
	UserTokensLimited Reason = "user_token_limited"  // limit on a user's tokens
	EndpointNotServed Reason = "endpoint_not_served" // no lane that the call may take has the endpoint
	VendorRateLimited Reason = "vendor_rate_limited" // quota: the vendor's contract is used up, or it asked for a pause
	QueueTimeout      Reason = "queue_timeout"       // the gates could not be passed within the queue timeout
	DeadlineExceeded  Reason = "deadline_exceeded"   // SLA deadline
	ClientClosed      Reason = "client_closed"       // the client hung up
	ShuttingDown      Reason = "shutting_down"       // the pod is closing and the grace period is over
)

// Rejected is the error of a layer that turned a request away. In the present attempt the vendor was not called, or
// this pod broke the exchange off: it had no memory for the answer, or it is shutting down.
type Rejected struct {
	Layer      string        // the layer's name: "admission", "breaker", "quota", …
	Reason     Reason        // one of the constants above
	RetryAfter time.Duration // after which a new try makes sense; zero means not known
	Detail     string        // for the client: what to do; may be empty
	Err        error         // the cause, for the log; may be nil
}

// Error describes the rejection for the log.
func (r *Rejected) Error() string {
	if r.Err != nil {
		return fmt.Sprintf("%s: %s: %v", r.Layer, r.Reason, r.Err)
	}
	return fmt.Sprintf("%s: %s", r.Layer, r.Reason)
}

// Unwrap returns the cause.
func (r *Rejected) Unwrap() error { return r.Err }
