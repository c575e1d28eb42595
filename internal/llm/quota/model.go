package quota

import (
	"time"

	"github.com/spillway-dev/spillway/internal/llm"
)

// Model is the quota of one pod without goroutines and without a connection. It does what Quota does, except sleeping
// and I/O. test/scale runs a thousand models on a virtual clock with a simulated Redis.
type Model struct {
	*podState
	now func() time.Time
}

// Booking is a start that a Model was granted.
type Booking struct {
	booking
	at time.Time // when it was answered, by the pod's clock
}

// Booked is when the call was to start before any pause of the vendor moved it.
func (b *Booking) Booked() time.Time {
	return b.at.Add(time.Duration(b.delay) * time.Microsecond)
}

// Local reports whether the start was booked from the pod's share.
func (b *Booking) Local() bool { return b.local }

// NewModel returns the model of a pod that reads the time from now.
func NewModel(cfg Config, queueTimeout time.Duration, now func() time.Time) (*Model, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &Model{newPodState(newContract(cfg, queueTimeout), cfg.Shares, false, now), now}, nil
}

// Script is quota.lua with the contract in front, as Redis gets it.
func (m *Model) Script() string { return m.contract.source() }

// ShareInterval is the time between two calls of this pod's share; zero when there is no share, or requests are not
// limited.
func (m *Model) ShareInterval() time.Duration {
	if !m.local.ok {
		return 0
	}
	return time.Duration(m.local.requests.interval) * time.Microsecond
}

// Patience is how far ahead a call of the priority may book, when left remains of the queue timeout.
func (m *Model) Patience(class llm.Priority, left time.Duration) time.Duration {
	return patience(class, left)
}

// Ask returns the arguments of the script for a booking, with the pending report. asleep is the number of calls that
// wait for their start.
func (m *Model) Ask(tokens int64, wait time.Duration, asleep int64) []any {
	batch := []*entry{{request: request{tokens: m.limited(tokens), wait: wait.Microseconds()}}}
	return scriptArgs(batch, m.pending.take(m.now(), asleep))
}

// Flush returns the arguments of the script when the report is urgent or has waited long enough, else nil. parked is
// true when the report is empty: Woken then says when to look again.
func (m *Model) Flush(asleep int64, urgent bool) (args []any, parked bool) {
	due, parked := m.pending.due(m.now())
	if parked || !due && !urgent {
		return nil, parked
	}
	return scriptArgs([]*entry{{request: request{kind: reportOnly}}}, m.pending.take(m.now(), asleep)), false
}

// Woken reports, once, that the report is no longer empty.
func (m *Model) Woken() bool {
	select {
	case <-m.pending.wake:
		return true
	default:
		return false
	}
}

// Hurried reports, once, that the report must not wait.
func (m *Model) Hurried() bool {
	select {
	case <-m.pending.urgent:
		return true
	default:
		return false
	}
}

// Answered takes over what the script returned. granted reports whether it booked a call of that many tokens.
func (m *Model) Answered(text string, tokens int64) (b Booking, granted bool, err error) {
	batch := []*entry{{}}
	if err := parseRulings(text, batch); err != nil {
		return b, false, err
	}
	return Booking{m.accept(&batch[0].ruling, m.limited(tokens), pause{}, m.now()), m.now()}, batch[0].admitted,
		nil
}

// BookLocal books from the pod's share.
func (m *Model) BookLocal(tokens int64, wait time.Duration, asleep int64) (b Booking, granted bool) {
	own, v := m.bookLocal(m.limited(tokens), wait.Microseconds(), asleep, m.now())
	return Booking{own, m.now()}, v.admitted
}

// Start returns when the call may start by what the pod knows now. Pauses of the vendor delay it.
func (m *Model) Start(b *Booking) time.Time {
	return m.pauses.current.Load().start(b.Booked(), b.pause)
}

// Recheck reports whether a call may still go to the vendor. It may not while the vendor has asked for a pause.
func (m *Model) Recheck() bool {
	return m.pauses.current.Load().until.Sub(m.now()) <= pauseSlack
}

// Settle ends a booking: the call used that many tokens, or was not made.
func (m *Model) Settle(b *Booking, called bool, used int64) {
	if !called {
		used = 0
	}
	if m.contract.tokens == 0 {
		m.settle(&b.booking, called, b.tokens, false, m.now())
		return
	}
	m.settle(&b.booking, called, used, true, m.now())
}

// Pause applies the pause of a vendor that answered one of this pod's calls with Retry-After: d. It reports whether the
// pause is new or longer.
func (m *Model) Pause(d time.Duration) bool { return m.applyPause(d, m.now()) }

// Announced takes over a message that the script sends to all pods.
func (m *Model) Announced(message string) error {
	p, err := parsePause(message)
	if err != nil {
		return err
	}
	m.pauses.observe(p, m.now())
	return nil
}

func (m *Model) limited(tokens int64) int64 {
	if m.contract.tokens == 0 {
		return 0
	}
	return tokens
}
