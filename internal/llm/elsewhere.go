package llm

import (
	"errors"
	"time"
)

// quick is the time within which a failure must have come, and the vendor's Retry-After must end, for one more attempt
// while another lane would take the call.
const quick = time.Second

// worthHere reports whether a call that another lane would take now is tried once more where it has failed: the first
// time, when the failure came quickly, and not after a timeout, which cost the client enough already.
func worthHere(err error, try int, took time.Duration) bool {
	failed, ok := errors.AsType[*VendorError](err)
	return ok && try == 1 && took <= quick && failed.Kind != KindTimeout && failed.RetryAfter <= quick
}

// asksToWait reports whether the vendor is well and said when to come again. A background call then ends at once: what
// made it waits, and knows better than a sleep here would what to do meanwhile.
func asksToWait(err error) bool {
	failed, ok := errors.AsType[*VendorError](err)
	return ok && failed.askedToWait()
}
