package quota

import (
	"errors"
	"time"

	"github.com/spillway-dev/spillway/internal/llm"
)

// ticket is what a call holds of the quota while it runs. Tickets are reused: leave is called exactly once.
type ticket struct {
	booking
	quota  *Quota
	prompt int64 // tokens, estimated
	leave  func(llm.Outcome)
}

func newTicket(q *Quota) *ticket {
	t := &ticket{quota: q}
	t.leave = func(out llm.Outcome) {
		q.observeOutcome(&out)
		q.settleTicket(t, &out)
		q.tickets.Put(t)
	}
	return t
}

// observeOutcome applies what the vendor said about its limits: in this pod at once, in other pods when Redis has
// announced it.
func (q *Quota) observeOutcome(out *llm.Outcome) {
	d := requestedPause(out, time.Duration(q.contract.queue)*time.Microsecond)
	if d > 0 && q.applyPause(d, time.Now()) {
		q.metrics.pauses.Inc()
	}
	q.observeRefusal(out, d)
}

// settleTicket settles the booking of a finished call.
func (q *Quota) settleTicket(t *ticket, out *llm.Outcome) {
	used, known := t.used(out)
	if q.contract.tokens == 0 {
		used, known = t.tokens, false
	}
	q.metrics.settled(used - t.tokens)
	q.settle(&t.booking, out.Called, used, known, time.Now())
}

// used returns the number of tokens that the vendor will count for the call. known is false when the estimate stays.
//
// For a success it is the usage that the vendor reported, or what a stream has delivered. When the client leaves a
// stream that has begun, the vendor stops: what has arrived counts, with a margin for what is still on its way. A
// plain error answer costs the prompt at most. In all other cases the estimate stays, because the vendor may do the
// whole work: a client that left before the first event, a timeout, a broken connection, a broken stream.
func (t *ticket) used(out *llm.Outcome) (tokens int64, known bool) {
	prompt, completion := int64(out.Usage.Prompt), int64(out.Usage.Completion)
	if prompt == 0 {
		prompt = t.prompt
	}
	switch {
	case !out.Called:
		return 0, true
	case out.ClientGone && completion > 0:
		return max(prompt+completion, min(t.tokens, prompt+completion+completion/8+underWay)), true
	case out.ClientGone:
		return t.tokens, false
	case out.Err == nil && out.Usage.Total() > 0, answeredNo(out.Err):
		return prompt + completion, true
	}
	return t.tokens, false
}

// underWay is how many tokens of a stream may be on their way when the client leaves.
const underWay = 16

// answeredNo reports whether err is an answer of the vendor that says it did not do the work.
func answeredNo(err error) bool {
	failed, ok := errors.AsType[*llm.VendorError](err)
	return ok && failed.Status >= 300 && !failed.Streamed && failed.Kind != llm.KindTooLarge && failed.Kind != llm.KindTimeout
}
