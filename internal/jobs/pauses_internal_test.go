package jobs

import (
	"testing"
	"time"
)

// TestPausesStory follows one pod's calls of a model while the vendor refuses the key.
func TestPausesStory(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	at := func(s float64) time.Time { return start.Add(time.Duration(s * float64(time.Second))) }
	var p pauses
	admitted := func(s float64, want bool) {
		t.Helper()
		if got := p.admit("m", at(s)) == nil; got != want {
			t.Errorf("after %v s admitted is %v", s, got)
		}
	}
	// Three jobs call at the same time; their failures make one pause of a second.
	for range 3 {
		admitted(0, true)
	}
	for range 3 {
		if w := p.failed("m", "vendor_auth", at(0), at(0.5)); !w.until.Equal(at(1.5)) {
			t.Errorf("the pause ends at %v", w.until)
		}
	}
	// Then one job calls, and the others wait for it.
	admitted(1.4, false)
	admitted(1.5, true)
	admitted(1.6, false)
	// It fails too: the pause is twice as long.
	p.failed("m", "vendor_auth", at(1.5), at(1.7))
	admitted(3.6, false)
	admitted(3.7, true)
	// Another model is not concerned.
	if p.admit("other", at(3.7)) != nil {
		t.Error("another model waits")
	}
	// The pauses grow up to a minute.
	now := 3.7
	for range 10 {
		w := p.failed("m", "vendor_auth", at(now), at(now))
		now = w.until.Sub(start).Seconds()
		admitted(now, true)
	}
	if w := p.failed("m", "vendor_auth", at(now), at(now)); w.until.Sub(at(now)) != lastPause {
		t.Errorf("a pause of %v", w.until.Sub(at(now)))
	}
	// A success ends them.
	p.passed("m")
	admitted(now, true)
	admitted(now, true)
}
