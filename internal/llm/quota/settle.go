package quota

import (
	"time"

	"github.com/spillway-dev/spillway/internal/llm"
)

// ticket holds the booking of a call while it runs. Tickets are reused: leave is called exactly once.
type ticket struct {
	booking
	quota  *Quota
	prompt int64 // tokens, estimated
	leave  func(llm.Result)
}

func newTicket(q *Quota) *ticket {
	t := &ticket{quota: q}
	t.leave = func(out llm.Result) {
		q.observeOutcome(&out)
		q.settleTicket(t, &out)
		q.tickets.Put(t)
	}
	return t
}

// observeOutcome applies what the vendor said about its limits: in this pod at once, in other pods when Redis has
// announced it.
func (q *Quota) observeOutcome(out *llm.Result) {
	d := requestedPause(out, time.Duration(q.contract.queue)*time.Microsecond)
	if d > 0 && q.applyPause(d, time.Now()) {
		q.metrics.pauses.Inc()
	}
	q.observeRefusal(out, d)
}

// settleTicket settles the booking of a finished call.
func (q *Quota) settleTicket(t *ticket, out *llm.Result) {
	used, known := out.Spent(t.prompt, t.tokens)
	if q.contract.tokens == 0 {
		used, known = t.tokens, false
	}
	q.metrics.settled(used - t.tokens)
	q.settle(&t.booking, out.Called, used, known, time.Now())
}
