package prove

import (
	"fmt"
	"testing"
	"time"
)

// scenario is one promise, and the measurement that tests it.
type scenario struct {
	file  string // name of its picture, without the extension
	title string
	claim string // the promise, in a few sentences
	short bool   // it also runs in "make test", with fewer pods and for a shorter time
	run   func(*Stage)
}

// scenarios are all of them, in the order of the report.
var scenarios = []scenario{
	contractHolds,
	podsAgree,
	noRetryStorm,
	overloadIsFair,
	noStarving,
	redisAway,
	rollingRestart,
	clientsLeave,
	vendorSaysWait,
	scaleOnPaper,
	jobsAreNotLost,
	oneUserMisuses,
	vendorIsReplaced,
	lanesAreApart,
	memoryIsBounded,
}

// Stage is one run of a scenario. It collects what the report shows.
type Stage struct {
	testing.TB
	Full bool // all pods, full length

	checks []check
	notes  []string
	chart  Chart
}

// check is one bar and the measured figure.
type check struct {
	what, bar, got string
	ok             bool
}

// Check compares a figure with its bar. The run fails when the bar is missed.
func (s *Stage) Check(ok bool, what, bar string, got any) {
	s.Helper()
	c := check{what: what, bar: bar, got: figure(got), ok: ok}
	s.checks = append(s.checks, c)
	if ok {
		s.Logf("%s: %s (bar: %s)", c.what, c.got, c.bar)
		return
	}
	s.Errorf("%s: %s; the bar is: %s", c.what, c.got, c.bar)
}

// CheckTime is Check for a figure that depends on the speed of the machine. It applies to full runs. A short run, which
// shares its machine with other tests, only logs the figure.
func (s *Stage) CheckTime(ok bool, what, bar string, got any) {
	s.Helper()
	if !s.Full {
		s.Logf("%s: %s (bar of a full run: %s)", what, figure(got), bar)
		return
	}
	s.Check(ok, what, bar, got)
}

// Note adds a sentence to the report.
func (s *Stage) Note(format string, args ...any) {
	s.Helper()
	s.Logf(format, args...)
	s.notes = append(s.notes, fmt.Sprintf(format, args...))
}

// figure formats a figure for the report.
func figure(v any) string {
	switch v := v.(type) {
	case float64:
		return fmt.Sprintf("%.3g", v)
	case time.Duration:
		switch {
		case v >= 10*time.Second:
			return v.Round(100 * time.Millisecond).String()
		case v >= 100*time.Millisecond:
			return v.Round(time.Millisecond).String()
		}
		return v.Round(10 * time.Microsecond).String()
	}
	return fmt.Sprint(v)
}

// percent formats a share.
func percent(share float64) string { return fmt.Sprintf("%.1f %%", 100*share) }

// ratio is a/b, or 0 when b is 0.
func ratio[A, B int | float64 | time.Duration](a A, b B) float64 {
	if b == 0 {
		return 0
	}
	return float64(a) / float64(b)
}

// pick returns full in a full run, else short.
func pick[T any](s *Stage, full, short T) T {
	if s.Full {
		return full
	}
	return short
}

// env is a setting of a pod.
func env(name string, value any) string { return fmt.Sprintf("%s=%v", name, value) }
