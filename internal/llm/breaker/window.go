package breaker

import (
	"math/bits"
	"time"
)

// tally counts calls that have ended.
type tally struct {
	calls, failures int64
	row             int64 // failures at the end, without a success after them
	callers         users // whose calls they were
	failing         users // whose calls failed
}

// windowSlices is the number of slices into which a window is divided.
const windowSlices = 10

// latelySlices are the last slices of the window, in which users are compared who call at the same time.
const latelySlices = 2

// slice counts the calls of one slice of the window.
type slice struct {
	number int64
	tally
}

// count adds calls to the window. It opens the breaker when the window shows that the vendor is down.
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
	var window, lately tally
	for _, s := range m.slices {
		if s.number > number-windowSlices {
			window.add(s.tally)
		}
		if s.number > number-latelySlices {
			lately.add(s.tally)
		}
	}
	if ofTheVendor(window, lately) && m.cfg.down(window, m.row) {
		m.change(now, Open)
	}
}

// after is the row of failures after t, when the row before t was row.
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

// down reports whether the calls of a window show that the vendor is down: there are enough of them and more than half
// failed, or the last ones all failed. With many calls a vendor that fails now and then has a long row of failures by
// chance, so the row must be longer the more calls there are: log2 of their number.
func (c Config) down(window tally, row int64) bool {
	least := int64(c.Failures)
	mostFail := window.calls >= enoughCalls && window.failures >= least && window.failures*2 > window.calls
	return mostFail || row >= max(least, int64(bits.Len64(uint64(window.calls))))
}

// ofTheVendor reports whether the failures say something about the vendor, and not only about some users' requests:
// they are those of more than half of the users that called lately, or of manyUsers. The failures of one user alone say
// nothing while any other user has called in the window.
func ofTheVendor(window, lately tally) bool {
	if window.failing.n == 1 {
		return window.callers.n == 1
	}
	return lately.failing.n >= manyUsers || 2*lately.failing.n > lately.callers.n
}
