package llm

import "time"

// BreakerState is what the breaker does with calls.
type BreakerState int

// The states.
const (
	Closed   BreakerState = iota // calls pass
	HalfOpen                     // one probe at a time passes
	Open                         // nothing passes
)

func (s BreakerState) String() string { return [...]string{"closed", "half-open", "open"}[s] }

// breakerMachine is the state machine of one breaker. It knows no clock and does no I/O: every step is told the time. In
// shared mode breaker.lua is the same machine, on Redis's clock; this one works while Redis is away.
type breakerMachine struct {
	cfg    BreakerConfig
	state  BreakerState
	gen    int64     // grows with every change of state
	until  time.Time // end of the open state
	wins   int       // probes that succeeded in this half-open state
	lease  time.Time // end of the present probe's lease; zero when nobody has it
	seq    int64     // number of the last lease
	slices [breakerSlices]breakerSlice
}

// breakerSlices is the number of slices a window is counted in.
const breakerSlices = 10

type breakerSlice struct {
	number          int64
	calls, failures int
}

// turn changes the state.
func (m *breakerMachine) turn(now time.Time, to BreakerState) {
	*m = breakerMachine{cfg: m.cfg, state: to, gen: max(m.gen+1, now.UnixMilli()), until: m.until, seq: m.seq}
	if to == Open {
		m.until = now.Add(m.cfg.Open)
	}
}

// tick ends the open state when its time is over. Every step begins with it.
func (m *breakerMachine) tick(now time.Time) {
	if m.state == Open && !now.Before(m.until) {
		m.turn(now, HalfOpen)
	}
}

// report counts calls that ended, of which some failed. They count only in the closed state.
func (m *breakerMachine) report(now time.Time, calls, failures int) {
	m.tick(now)
	if m.state != Closed || calls == 0 {
		return
	}
	number := now.UnixMilli() / max(1, m.cfg.Window.Milliseconds()/breakerSlices)
	if s := &m.slices[number%breakerSlices]; s.number == number {
		s.calls, s.failures = s.calls+calls, s.failures+failures
	} else {
		*s = breakerSlice{number, calls, failures}
	}
	if failures == 0 {
		return
	}
	all, failed := 0, 0
	for _, s := range m.slices {
		if s.number > number-breakerSlices {
			all, failed = all+s.calls, failed+s.failures
		}
	}
	if failed >= m.cfg.Failures && failed*2 >= all {
		m.turn(now, Open)
	}
}

// probe asks for the lease of a probe; 0 means that it was not granted.
func (m *breakerMachine) probe(now time.Time, lease time.Duration) (id int64) {
	m.tick(now)
	if m.state != HalfOpen || now.Before(m.lease) {
		return 0
	}
	m.seq++
	m.lease = now.Add(lease)
	return m.seq
}

// verdict is how a probe ended.
type verdict string

const (
	won   verdict = "won"
	lost  verdict = "lost"
	freed verdict = "freed" // without a word on the vendor
)

// probed takes a probe's end. It counts only from the one who has the lease.
func (m *breakerMachine) probed(now time.Time, id int64, v verdict) {
	m.tick(now)
	if m.state != HalfOpen || id != m.seq || m.lease.IsZero() {
		return
	}
	switch {
	case v == lost:
		m.turn(now, Open)
	case v == won && m.wins+1 >= m.cfg.Successes:
		m.turn(now, Closed)
	default:
		if v == won {
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
