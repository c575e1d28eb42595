package breaker

import (
	"math/bits"
	"time"
)

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
	freed verdict = "freed" // without saying anything about the vendor
)

// request asks for one step of the machine, which breaker.lua takes in Redis or machine takes here. A request that
// names a generation which is over has no effect: what began in an earlier state says nothing about this one.
type request struct {
	op    string // one of the steps above, or a verdict
	gen   int64  // generation that a report, a renewal or a verdict is about
	lease int64  // renewal and verdict: the probe's lease
	tally tally  // report: the calls that have ended
	// Report: rest of the open state that Redis has told of, for a Redis that has lost its data; else 0.
	known time.Duration
}

// tally counts calls that have ended.
type tally struct {
	calls, failures int64
	row             int64 // failures at the end, with no success after them
	callers         users // of the calls
	failing         users // of the failures
}

// reply is the state after a step.
type reply struct {
	state State
	gen   int64         // grows with every change of state
	left  time.Duration // until the open state, or the present lease, ends
	lease int64         // granted by this step; 0 for none
}

// machine is the state machine of one breaker. It knows no clock and does no I/O: every step is told the time. While
// Redis is there breaker.lua is the same machine, on Redis's clock; this one works while Redis is away.
type machine struct {
	cfg    Config
	state  State
	gen    int64     // 0: never changed, counts from every generation are welcome
	until  time.Time // end of the open state
	opened int       // times in a row that it opened without closing in between
	wins   int       // probes that succeeded in this half-open state
	lease  time.Time // end of the present probe's lease; zero when no probe has it
	seq    int64     // number of the last lease
	row    int64     // failures with no success in between, up to now
	slices [windowSlices]slice
}

// windowSlices is the number of slices a window is counted in.
const windowSlices = 10

type slice struct {
	number int64
	tally
}

// take takes one step and returns the state that follows.
func (m *machine) take(now time.Time, r request) reply {
	if m.state == Open && !now.Before(m.until) {
		m.change(now, HalfOpen)
	}
	granted := int64(0)
	switch {
	case r.op == stepReport:
		if m.state == Closed && r.tally.calls > 0 && (m.gen == 0 || m.gen == r.gen) {
			m.count(now, r.tally)
		}
	case r.op == stepProbe:
		if m.state == HalfOpen && !now.Before(m.lease) {
			m.seq++
			m.lease = now.Add(m.cfg.Lease)
			granted = m.seq
		}
	case m.state == HalfOpen && r.gen == m.gen && r.lease == m.seq && !m.lease.IsZero():
		m.judgeProbe(now, r.op)
	}
	return reply{m.state, m.gen, m.left(now), granted}
}

// change changes the state.
func (m *machine) change(now time.Time, to State) {
	next := machine{
		cfg:    m.cfg,
		state:  to,
		gen:    max(m.gen+1, now.UnixMilli()),
		until:  m.until,
		opened: m.opened,
		seq:    m.seq,
	}
	switch to {
	case Open:
		next.until = now.Add(m.cfg.openFor(m.opened))
		next.opened++
	case Closed:
		next.opened = 0
	}
	*m = next
}

// count adds calls to the window and opens when it shows that the vendor is down.
func (m *machine) count(now time.Time, t tally) {
	number := now.UnixMilli() / max(1, m.cfg.Window.Milliseconds()/windowSlices)
	s := &m.slices[number%windowSlices]
	if s.number != number {
		*s = slice{number: number}
	}
	s.add(t)
	m.row = t.after(m.row)
	if t.failures == 0 {
		return
	}
	var window tally
	for _, s := range m.slices {
		if s.number > number-windowSlices {
			window.add(s.tally)
		}
	}
	if m.cfg.down(window, m.row) {
		m.change(now, Open)
	}
}

// after is the row of failures that t makes of an earlier one.
func (t tally) after(row int64) int64 {
	if t.failures < t.calls {
		return t.row
	}
	return row + t.row
}

// add counts later calls.
func (t *tally) add(more tally) {
	t.row = more.after(t.row)
	t.calls += more.calls
	t.failures += more.failures
	t.callers = t.callers.with(more.callers)
	t.failing = t.failing.with(more.failing)
}

// enoughCalls is the number of calls in a window from which their share of failures says something.
const enoughCalls = 10

// down reports whether the calls of a window show that the vendor is down: more than half of them failed and there
// are enough to tell, or the last ones all failed. A busy vendor that fails now and then has a long row of failures
// by chance, so the row must be longer the more calls there are: log2 of their number. The failures of one user alone
// say nothing about the vendor, unless no other user calls.
func (c Config) down(window tally, row int64) bool {
	if !window.failing.several && window.callers.several {
		return false
	}
	least := int64(c.Failures)
	mostFail := window.calls >= enoughCalls && window.failures >= least && window.failures*2 > window.calls
	return mostFail || row >= max(least, int64(bits.Len64(uint64(window.calls))))
}

// openFor is the length of an open state after it opened so many times in a row before.
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

// judgeProbe takes what the holder of the lease says.
func (m *machine) judgeProbe(now time.Time, op string) {
	switch {
	case op == stepRenew:
		m.lease = now.Add(m.cfg.Lease)
	case op == string(lost):
		m.change(now, Open)
	case op == string(won) && m.wins+1 >= m.cfg.Successes:
		m.change(now, Closed)
	default:
		if op == string(won) {
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
