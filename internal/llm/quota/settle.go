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
		q.hear(&out)
		q.settleTicket(t, &out)
		q.tickets.Put(t)
	}
	return t
}

// hear obeys the vendor's word on its limits: in this pod at once, in all others as soon as Redis has told them.
func (q *Quota) hear(out *llm.Outcome) {
	d := word(out, time.Duration(q.contract.queue)*time.Microsecond)
	if d <= 0 {
		return
	}
	if q.demand(d, time.Now()) {
		q.metrics.holds.Inc()
	}
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
// Of a call that went well it is the vendor's own word, or what a stream has brought when it said nothing. A client that left takes
// its call with it: the vendor stops, so what it had not said by then comes back. An answer that is a plain failure has cost
// the prompt at most. In all other cases, a timeout, a broken connection or a broken stream, the vendor may have done all the
// work, and the estimate stays booked.
func (t *ticket) used(out *llm.Outcome) (tokens int64, known bool) {
	prompt := int64(out.Usage.Prompt)
	if prompt == 0 {
		prompt = t.prompt
	}
	switch {
	case !out.Called:
		return 0, true
	case out.Err == nil && out.Usage.Total() > 0, out.ClientGone, answeredNo(out.Err):
		return prompt + int64(out.Usage.Completion), true
	}
	return t.tokens, false
}

// answeredNo tells whether err is an answer of the vendor that says it did not do the work.
func answeredNo(err error) bool {
	failed, ok := errors.AsType[*llm.VendorError](err)
	return ok && failed.Status >= 300 && !failed.Streamed && failed.Kind != llm.KindTooLarge && failed.Kind != llm.KindTimeout
}
