package breaker

import "time"

// State is what the breaker does with calls.
type State int

// The states.
const (
	Closed   State = iota // calls pass
	HalfOpen              // one probe at a time passes
	Open                  // nothing passes
)

func (s State) String() string { return [...]string{"closed", "half-open", "open"}[s] }

// op is what a request asks of the machine.
type op string

const (
	opReport op = "report" // calls have ended in the closed state
	opProbe  op = "probe"  // asks for the lease of the one probe
	opRenew  op = "renew"  // the probe is still running
	opEnd    op = "end"    // the probe has ended, with a verdict
)

// verdict is how a probe ended.
type verdict string

const (
	won   verdict = "won"
	lost  verdict = "lost"
	freed verdict = "freed" // it says nothing about the vendor
)

// request asks for one step of the machine, which breaker.lua takes in Redis or machine takes here. A request of an
// earlier generation has no effect: what began in an earlier state says nothing about the present one.
type request struct {
	op      op
	gen     int64   // of the state that a report, a renewal or an end is about
	lease   int64   // renew and end: the probe's lease
	verdict verdict // end
	asker   string  // probe: names the question; "" when its answer cannot be lost
	tally   tally   // report: the calls that have ended
	// Report: how long the open state lasts that this pod knows from Redis, for a Redis that has lost its data; else 0.
	known time.Duration
}

// noLease is the lease of a reply that grants none.
const noLease = 0

// reply is the state after a step.
type reply struct {
	state State
	gen   int64         // grows with every change of state
	left  time.Duration // until the open state, or the present lease, ends
	lease int64         // granted by this step, or noLease
}

// machine is the state machine of one breaker, for the time in which Redis is away. breaker.lua is the same machine on
// Redis's clock. It reads no clock and does no I/O.
type machine struct {
	cfg    Config
	state  State
	gen    int64     // 0: the state never changed, and reports of every generation count
	until  time.Time // end of the open state
	opened int       // times in a row that it opened without closing in between
	wins   int       // probes that succeeded in this half-open state
	lease  time.Time // end of the present probe's lease; zero when no probe has it
	seq    int64     // number of the last lease
	asker  string    // the question that the last lease of this state answers
	row    int64     // failures with no success in between, up to now
	slices [windowSlices]slice
}

// take takes one step and returns the state that follows.
func (m *machine) take(now time.Time, r request) reply {
	if m.state == Open && !now.Before(m.until) {
		m.change(now, HalfOpen)
	}
	granted := int64(noLease)
	holdsLease := m.state == HalfOpen && r.gen == m.gen && r.lease == m.seq && !m.lease.IsZero()
	switch {
	case r.op == opReport && m.state == Closed && r.tally.calls > 0 && (m.gen == 0 || m.gen == r.gen):
		m.count(now, r.tally)
	case r.op == opProbe && m.state == HalfOpen:
		granted = m.grant(now, r.asker)
	case r.op == opRenew && holdsLease:
		m.lease = now.Add(m.cfg.Lease)
	case r.op == opEnd && holdsLease:
		m.endProbe(now, r.verdict)
	}
	return reply{state: m.state, gen: m.gen, left: m.left(now), lease: granted}
}

// grant gives the lease of the probe to the question asker, when it is free. A question that is asked again, because
// its answer was lost, gets the same lease. When that lease has been given back, the question is an old one that came
// late, and no pod waits for its answer.
func (m *machine) grant(now time.Time, asker string) (lease int64) {
	again := asker != "" && asker == m.asker
	if again && m.lease.IsZero() || !again && now.Before(m.lease) {
		return noLease
	}
	if !again {
		m.seq++
		m.asker = asker
	}
	m.lease = now.Add(m.cfg.Lease)
	return m.seq
}

// change begins a new state, with a new generation and without counts.
func (m *machine) change(now time.Time, to State) {
	next := machine{cfg: m.cfg, state: to, gen: max(m.gen+1, now.UnixMilli()),
		until: m.until, opened: m.opened, seq: m.seq}
	switch to {
	case Open:
		next.until = now.Add(m.cfg.openFor(m.opened))
		next.opened++
	case Closed:
		next.opened = 0
	}
	*m = next
}

// openFor is the length of an open state before which the breaker opened that many times without closing.
func (c Config) openFor(opened int) time.Duration {
	d := c.Open
	for range opened {
		if d >= c.OpenMax {
			break
		}
		d *= 2
	}
	return max(c.Open, min(d, c.OpenMax))
}

// endProbe takes the verdict of a probe.
func (m *machine) endProbe(now time.Time, v verdict) {
	switch {
	case v == lost:
		m.change(now, Open)
	case v == won && m.wins+1 >= m.cfg.Successes:
		m.change(now, Closed)
	default:
		if v == won {
			m.wins++
		}
		m.lease = time.Time{}
	}
}

// left is the time until the open state, or the present lease, ends.
func (m *machine) left(now time.Time) time.Duration {
	switch {
	case m.state == Open:
		return max(0, m.until.Sub(now))
	case m.state == HalfOpen && !m.lease.IsZero():
		return max(0, m.lease.Sub(now))
	}
	return 0
}
