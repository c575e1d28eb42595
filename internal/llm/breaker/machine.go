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

// The steps of the machine, besides the verdicts on a probe.
const (
	stepReport = "report" // calls have ended in the closed state
	stepProbe  = "probe"  // asks for the lease of the one probe
	stepRenew  = "renew"  // the probe is still running
)

// verdict is how a probe ended.
type verdict string

const (
	won   verdict = "won"
	lost  verdict = "lost"
	freed verdict = "freed" // without a word on the vendor
)

// breakerStep is one step of the machine, taken by breaker.lua in Redis or by breakerMachine here. A step that speaks of
// a generation which is over has no effect: what began in an earlier state says nothing about this one.
type breakerStep struct {
	op       string        // one of the steps above, or a verdict
	gen      int64         // generation that a report, a renewal or a verdict speaks of
	calls    int64         // report: ended, failures among them
	failures int64         // report: of the calls
	lease    int64         // renewal and verdict: the probe's lease
	known    time.Duration // report: rest of the open state Redis has told of, for a Redis that has lost its data; else 0
}

// breakerView is the state after a step.
type breakerView struct {
	state State
	gen   int64         // grows with every change of state
	left  time.Duration // until the open state, or the present lease, ends
	lease int64         // granted by this step; 0 for none
}

// breakerMachine is the state machine of one breaker. It knows no clock and does no I/O: every step is told the time. In
// shared mode breaker.lua is the same machine, on Redis's clock; this one works while Redis is away.
type breakerMachine struct {
	cfg    Config
	state  State
	gen    int64     // 0: never changed, counts from everywhere are welcome
	until  time.Time // end of the open state
	wins   int       // probes that succeeded in this half-open state
	lease  time.Time // end of the present probe's lease; zero when nobody has it
	seq    int64     // number of the last lease
	slices [breakerSlices]breakerSlice
}

// breakerSlices is the number of slices a window is counted in.
const breakerSlices = 10

type breakerSlice struct{ number, calls, failures int64 }

// take takes one step and tells the state that follows.
func (m *breakerMachine) take(now time.Time, step breakerStep) breakerView {
	if m.state == Open && !now.Before(m.until) {
		m.turn(now, HalfOpen)
	}
	granted := int64(0)
	switch {
	case step.op == stepReport:
		if m.state == Closed && step.calls > 0 && (m.gen == 0 || m.gen == step.gen) {
			m.count(now, step.calls, step.failures)
		}
	case step.op == stepProbe:
		if m.state == HalfOpen && !now.Before(m.lease) {
			m.seq++
			m.lease = now.Add(m.cfg.Lease)
			granted = m.seq
		}
	case m.state == HalfOpen && step.gen == m.gen && step.lease == m.seq && !m.lease.IsZero():
		m.heard(now, step.op)
	}
	return breakerView{m.state, m.gen, m.left(now), granted}
}

// turn changes the state.
func (m *breakerMachine) turn(now time.Time, to State) {
	*m = breakerMachine{cfg: m.cfg, state: to, gen: max(m.gen+1, now.UnixMilli()), until: m.until, seq: m.seq}
	if to == Open {
		m.until = now.Add(m.cfg.Open)
	}
}

// count adds calls to the window, and opens when too many of those in it have failed.
func (m *breakerMachine) count(now time.Time, calls, failures int64) {
	number := now.UnixMilli() / max(1, m.cfg.Window.Milliseconds()/breakerSlices)
	if s := &m.slices[number%breakerSlices]; s.number == number {
		s.calls, s.failures = s.calls+calls, s.failures+failures
	} else {
		*s = breakerSlice{number, calls, failures}
	}
	if failures == 0 {
		return
	}
	all, failed := int64(0), int64(0)
	for _, s := range m.slices {
		if s.number > number-breakerSlices {
			all, failed = all+s.calls, failed+s.failures
		}
	}
	if failed >= int64(m.cfg.Failures) && failed*2 >= all {
		m.turn(now, Open)
	}
}

// heard takes the word of the one who has the lease.
func (m *breakerMachine) heard(now time.Time, op string) {
	switch {
	case op == stepRenew:
		m.lease = now.Add(m.cfg.Lease)
	case op == string(lost):
		m.turn(now, Open)
	case op == string(won) && m.wins+1 >= m.cfg.Successes:
		m.turn(now, Closed)
	default:
		if op == string(won) {
			m.wins++
		}
		m.lease = time.Time{}
	}
}

// left is the time until the open state, or the present lease, ends.
func (m *breakerMachine) left(now time.Time) time.Duration {
	switch {
	case m.state == Open:
		return max(0, m.until.Sub(now))
	case m.state == HalfOpen && !m.lease.IsZero():
		return max(0, m.lease.Sub(now))
	}
	return 0
}
