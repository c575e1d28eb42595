// Package outcome is the closed list of ways in which a request can be turned away before a vendor has answered it.
//
// A layer that turns a request away returns *Rejected with its own name and one of the reasons below. The same reason
// is the metric label, the log field and the key of the status table in api/problem.go, so that the three cannot
// disagree. The package knows nothing of HTTP.
package outcome

import (
	"fmt"
	"time"
)

// Reason says why a request was turned away. Its text is the stable "code" that clients see.
type Reason string

// The reasons, inbound ones first, in the order of the layers that give them.
const (
	Overloaded      Reason = "overloaded"      // pod admission: the pod is full
	Unauthenticated Reason = "unauthenticated" // identity: no API key, an unknown or an expired one
	HeaderTooLong   Reason = "header_too_long" // header limit: a header that would go on to the vendor
	// User concurrency: the user has too many requests inside the pod.
	TooManyCalls Reason = "too_many_calls"
	Shed         Reason = "shed" // load shedding: queue too long, or this tier gives way
	// Load shedding: latency near the SLA; code "shed", status 503.
	ShedLatency          Reason = "shed_latency"
	UserRateLimited      Reason = "user_rate_limited"      // user limit
	UserTokensLimited    Reason = "user_token_limited"     // limit on a user's tokens
	UnsupportedMediaType Reason = "unsupported_media_type" // body is not declared as JSON
	// Body over the limit, or more tokens than the vendor's whole contract or the user's limit.
	PayloadTooLarge   Reason = "payload_too_large"
	InvalidJSON       Reason = "invalid_json"        // body is not JSON
	InvalidPayload    Reason = "invalid_payload"     // body is JSON, but not what the endpoint takes
	EndpointNotServed Reason = "endpoint_not_served" // no lane that the call may take has the endpoint
	QueueTimeout      Reason = "queue_timeout"       // the gates could not be passed within the queue timeout
	VendorUnavailable Reason = "vendor_unavailable"  // breaker open
	VendorRateLimited Reason = "vendor_rate_limited" // the vendor's contract is used up
	DeadlineExceeded  Reason = "deadline_exceeded"   // SLA deadline
	ClientClosed      Reason = "client_closed"       // the client hung up
	ShuttingDown      Reason = "shutting_down"       // the pod is closing and the grace period is over
)

// Rejected is returned by a layer that turned a request away. Nothing of the request reached the vendor in this
// attempt.
type Rejected struct {
	Layer      string        // the layer's name: "admission", "breaker", "quota", …
	Reason     Reason        // one of the constants above
	RetryAfter time.Duration // when trying again makes sense; zero means not known
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
