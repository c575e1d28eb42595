// Package llm is what a call is, and the way that it takes to the vendor.
//
// The way of one call, outermost first:
//
//	Caller.Do       retries; holds nothing while it sleeps             caller.go, retry.go, retrybudget.go
//	  attempt       one try                                            caller.go
//	    enter       queue timeout, then the gates in order             gate.go
//	      Gate      breaker, quota, Pacer, share, Slots      llm/breaker, llm/quota, pacer.go, share.go, slots.go
//	    Exchanger   one HTTP exchange                                  llm/upstream
//	    leave       every gate learns the Result                       gate.go, result.go
//
// Before Do package chain chooses the lane. It also makes the list of the gates, in which they have their order. This
// package imports none of its subpackages: gates and the exchange come in as arguments.
//
// Reject before waiting, wait before reserving, reserve before calling. What protects the vendor is shared through
// Redis; what protects this pod is local. Every layer has one responsibility and can be read alone.
package llm

import (
	"net/http"
	"time"

	"github.com/spillway-dev/spillway/internal/priority"
)

// Call is one request on its way to the vendor. What the client asks for is set before Do. Package chain sets what
// depends on the lane, and puts Parts, Payload and IdempotencyKey back as they were when it returns. What became of the
// call is read when Do has returned.
type Call struct {
	// What the client asks for.

	ID      string   // request ID, sent on as X-Request-ID
	Body    []byte   // the bytes to send; they must not change, even after Do, unless Hold is set
	Parts   [][]byte // sent in place of Body when another model is asked for; nearly all are slices of Body. See AskFor
	Hold    Holder   // counts the readers of Body, whose memory serves other bodies after the last one; nil for most
	Payload Payload
	// Endpoint is the kind of call. nil leaves it to the lane, whose VENDOR_URL names one: chain then sets it.
	Endpoint *Endpoint
	// User is for whom the call is made; the breaker counts failures by distinct users. Empty is a user too.
	User           string
	Priority       Priority    // class in the quota and the slots
	IdempotencyKey string      // sent on when not empty
	Header         http.Header // further headers to send on; nil means none
	// Client holds the client's own headers, of which a lane sends on those that its settings list. It is only read.
	Client     http.Header
	APIVersion string // of the vendor's API; sent on as api-version when not empty
	Stream     Sink   // where server-sent events go; required when Payload.Stream, else unused
	Background bool   // gives way to every call that is not: see quota.Enter and Slots.Enter
	Started    func() // called before each attempt, when every gate is passed; may be nil

	// What depends on the lane, set by package chain.

	Lane string
	// FallbackReady says that another lane would take the call now, for all that its breaker knows. Little time is then
	// spent on this one.
	FallbackReady bool

	// What became of the call.

	Attempts int    // vendor attempts started, counting the first, in all lanes
	Timing   Timing // where the time went, over all attempts
	Usage    Usage  // tokens that the vendor says it used
	Spent    int    // tokens that the vendor counts for the last attempt: as it says, else as estimated
	Streamed bool   // part of an answer went to Stream, so that no other answer can follow

	onCommit []func() // see OnCommit
}

// Holder counts the readers of a body. When the last one has called Release, its memory serves other bodies.
type Holder interface {
	Hold()
	Release()
}

// OnCommit adds a func that is called when the stream that answers the present attempt has shown its first content, and
// has not ended with it. It is called at most once, and not for a buffered answer. A gate that must know so early calls
// OnCommit in Enter, and the Exchanger calls Committed. Every attempt begins without such funcs.
func (c *Call) OnCommit(f func()) { c.onCommit = append(c.onCommit, f) }

// Committed tells the gates that asked for it that the answer is good so far. It is for the Exchanger.
func (c *Call) Committed() {
	for _, f := range c.onCommit {
		f()
	}
	c.onCommit = nil
}

// Priority is the class of a call. Higher classes wait in front of lower ones and may book further ahead. The way in
// decides it without knowing this package, so the type is defined in a package that both import.
type Priority = priority.Class

// The classes, the least urgent first.
const (
	Low    = priority.Low
	Normal = priority.Normal
	High   = priority.High
)

// Timing says where the time of a call went, added up over its attempts.
type Timing struct {
	Queue  time.Duration // in the gates: quota, pacer and slots together
	Vendor time.Duration // in vendor exchanges, streams until their last byte
	Retry  time.Duration // asleep between attempts
}

// Usage is the vendor's account of the tokens of one call. The zero value means the vendor did not say.
type Usage struct {
	Prompt     int
	Completion int
}

// Total is the sum of both sides.
func (u Usage) Total() int { return u.Prompt + u.Completion }

// Response is the vendor's answer: a success, or its own 4xx that is passed through. When the call was streamed the
// body has gone to the Sink already and Body is empty.
type Response struct {
	Status   int
	Header   http.Header // the vendor's headers that clients may see
	Body     []byte      // valid until Close
	Streamed bool

	Memory Memory // what Body lies in; nil when there is nothing to give back
}

// Memory is where an answer lies until it has been passed on.
type Memory interface{ Free() }

// Close gives the body's memory back. Body must not be used afterwards. Close on nil is a no-op.
func (r *Response) Close() {
	if r != nil && r.Memory != nil {
		r.Body = nil
		r.Memory.Free()
		r.Memory = nil
	}
}

// Sink receives a streamed answer. Its methods are called from one goroutine. An error means that the client cannot be
// reached any more; the vendor call is then cancelled.
type Sink interface {
	// Start is called once, before the first event, with the headers that clients may see. After it nothing is retried.
	Start(header http.Header) error
	// Event passes on the raw bytes of one whole server-sent event, its blank line included, and flushes them.
	Event(raw []byte) error
}
