package llm

import (
	"errors"
	"time"
)

// ticket is what a call holds of the quota while it is under way. Tickets are used again: a call leaves exactly once.
type ticket struct {
	booking
	quota  *Quota
	prompt int64 // tokens, estimated
	leave  func(Outcome)
}

func newTicket(q *Quota) *ticket {
	t := &ticket{quota: q}
	t.leave = func(out Outcome) {
		q.hear(&out)
		q.settle(t, &out)
		q.tickets.Put(t)
	}
	return t
}

// hear obeys the vendor's word on its limits: in this pod at once, in all others as soon as Redis has told them.
func (q *Quota) hear(out *Outcome) {
	d := word(out, time.Duration(q.contract.queue)*time.Microsecond)
	if d <= 0 {
		return
	}
	now := time.Now()
	d = min(d, time.Duration(holdWindows*q.contract.window)*time.Microsecond)
	if !q.holds.demand(d, now) {
		return
	}
	q.metrics.holds.Inc()
	q.local.push(d)
	if q.shared != nil {
		q.pending.add(now, func() { q.pending.hold = later(q.pending.hold, now.Add(d)) })
		q.pending.hurry()
	}
}

// settle gives back what a call booked and did not use, or books what it used beyond.
func (q *Quota) settle(t *ticket, out *Outcome) {
	used, known := t.used(out)
	if q.contract.tokens == 0 {
		used, known = t.tokens, false
	}
	q.metrics.settled(used - t.tokens)
	switch {
	case t.alone:
		q.local.settle(&t.booking, out.Called, used)
		if used != t.tokens && q.shared != nil {
			q.pending.add(time.Now(), func() { q.pending.settleAloneLocked(used - t.tokens) })
		}
	case !out.Called:
		q.pending.add(time.Now(), func() { q.pending.refundLocked(&t.booking) })
	case known:
		pace := micros(float64(used)*q.contract.pace) - t.cost
		q.pending.add(time.Now(), func() { q.pending.settleLocked(&t.booking, used, pace) })
	}
}

// used is the number of tokens the vendor will count for a call that ended like this.
//
// The vendor's own word comes first, and what a stream has brought when it said nothing. A client that left takes its call
// with it: the vendor stops, so what it had not said by then comes back. An answer that is a plain failure has cost the
// prompt at most. In all other cases, a timeout or a broken connection above all, the vendor may have done all the
// work, and the estimate stays booked.
func (t *ticket) used(out *Outcome) (tokens int64, known bool) {
	prompt := int64(out.Usage.Prompt)
	if prompt == 0 {
		prompt = t.prompt
	}
	switch {
	case !out.Called:
		return 0, true
	case out.Usage.Completion > 0, out.Usage.Prompt > 0 && out.Err == nil, out.ClientGone, answeredNo(out.Err):
		return prompt + int64(out.Usage.Completion), true
	}
	return t.tokens, false
}

// answeredNo tells whether err is an answer of the vendor that says it did not do the work.
func answeredNo(err error) bool {
	failed, ok := errors.AsType[*VendorError](err)
	return ok && failed.Status >= 300 && !failed.Streamed && failed.Kind != KindTooLarge && failed.Kind != KindTimeout
}
