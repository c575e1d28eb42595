package quota

import (
	"errors"
	"time"

	"github.com/spillway-dev/spillway/internal/llm"
)

// ticket is what a call holds of the quota while it is under way. Tickets are used again: a call leaves exactly once.
type ticket struct {
	booking
	quota  *Quota
	prompt int64 // tokens, estimated
	leave  func(llm.Outcome)
}

func newTicket(q *Quota) *ticket {
	t := &ticket{quota: q}
	t.leave = func(out llm.Outcome) {
		q.obey(&out)
		q.settleTicket(t, &out)
		q.tickets.Put(t)
	}
	return t
}

// obey takes in what the vendor said about its limits: in this pod at once, in all others as soon as Redis has told them.
func (q *Quota) obey(out *llm.Outcome) {
	d := requestedPause(out, time.Duration(q.contract.queue)*time.Microsecond)
	if d > 0 && q.demand(d, time.Now()) {
		q.metrics.holds.Inc()
	}
	q.tellBackoff(out, d)
}

// settleTicket settles what a call holds by what it came to.
func (q *Quota) settleTicket(t *ticket, out *llm.Outcome) {
	used, known := t.used(out)
	if q.contract.tokens == 0 {
		used, known = t.tokens, false
	}
	q.metrics.settled(used - t.tokens)
	q.settle(&t.booking, out.Called, used, known, time.Now())
}

// used is the number of tokens the vendor will count for a call that ended like this.
//
// Of a call that went well it is what the vendor said, or what a stream has brought when it said nothing. When the client
// left a stream that had begun, the vendor stops, and only what it cannot have sent comes back: what had arrived counts,
// with a margin for what was under way. An answer that is a plain failure has cost the prompt at most. In all other cases
// the vendor may have done all the work, or do it yet, and the estimate stays booked: a client that left before anything
// had come, a timeout, a broken connection or a broken stream.
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

// underWay is how many tokens of a stream may be between the vendor and this pod when the client leaves.
const underWay = 16

// answeredNo tells whether err is an answer of the vendor that says it did not do the work.
func answeredNo(err error) bool {
	failed, ok := errors.AsType[*llm.VendorError](err)
	return ok && failed.Status >= 300 && !failed.Streamed && failed.Kind != llm.KindTooLarge && failed.Kind != llm.KindTimeout
}
