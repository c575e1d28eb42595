package llm

import "time"

// Result is how an attempt ended, which every gate learns when the call leaves it. The zero value means that the vendor
// was not called.
type Result struct {
	User       string        // for whom the call was made
	Called     bool          // whether the request was handed to the network
	Refused    bool          // the vendor answered with a 4xx of its own, which the client gets; Err is nil then
	Err        error         // nil, *VendorError, or why the exchange was cut short
	Duration   time.Duration // of the vendor exchange; zero when not called
	Usage      Usage         // tokens, when the vendor said
	Limits     Limits        // what the vendor said about its limits
	ClientGone bool          // the client hung up, or the pod is shutting down: Err says nothing about the vendor
}

// Limits is what the vendor says about its limits, in headers and in the body of a refusal. All times are bounded and
// relative to the answer's own Date. A zero value means that the vendor did not say, not that there is nothing to wait
// for.
type Limits struct {
	RetryAfter        time.Duration // wait this long before the next call
	RemainingRequests int           // only when HasRequests
	RemainingTokens   int           // only when HasTokens
	HasRequests       bool          // the vendor said RemainingRequests
	HasTokens         bool          // the vendor said RemainingTokens
	ResetRequests     time.Duration // until the limit on requests is at its full height again
	ResetTokens       time.Duration // the same for tokens
}
