package prove

import (
	"fmt"
	"testing"
	"time"
)

// scenario is one promise and the way to hold it against reality.
type scenario struct {
	file  string // of its picture, without ending
	title string
	claim string // what is promised, in a sentence or two
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

// Stage is where one scenario runs. What it measures goes into the report.
type Stage struct {
	testing.TB
	Full bool // all pods, full length

	checks []check
	notes  []string
	chart  Chart
}

// check is one bar and what was measured.
type check struct {
	what, bar, got string
	ok             bool
}

// Check holds a figure against its bar. Missing it fails the run.
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

// CheckTime is Check for a figure that depends on how fast the machine is. Only a full run is held to it; the short
// one, which shares its machine with other tests, only logs it.
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

// figure writes a figure as the report shows it.
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

// percent writes a share.
func percent(share float64) string { return fmt.Sprintf("%.1f %%", 100*share) }

// ratio is a over b, 0 when b is.
func ratio[A, B int | float64 | time.Duration](a A, b B) float64 {
	if b == 0 {
		return 0
	}
	return float64(a) / float64(b)
}

// pick is full when the run is, else short.
func pick[T any](s *Stage, full, short T) T {
	if s.Full {
		return full
	}
	return short
}

// env is a setting of a pod.
func env(name string, value any) string { return fmt.Sprintf("%s=%v", name, value) }
