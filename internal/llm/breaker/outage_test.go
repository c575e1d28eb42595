package breaker

import (
	"testing"
	"time"
)

// TestRecoversSoonAfterAMinuteOfOutage: with the default settings, a vendor that was dead for about a minute gets its
// calls back within half of that, whether its calls failed at once or by a timeout.
func TestRecoversSoonAfterAMinuteOfOutage(t *testing.T) {
	t.Parallel()
	cfg := Config{Failures: 5, Window: time.Minute, Open: 5 * time.Second, OpenMax: time.Minute, Successes: 2,
		Lease: 40 * time.Second}
	for name, fails := range map[string]time.Duration{
		"errors": 10 * time.Millisecond, "no first event": 10 * time.Second, "no answer": 30 * time.Second,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for outage := 55 * time.Second; outage <= 65*time.Second; outage += time.Second {
				recovered, probes := liveThrough(cfg, outage, fails)
				if recovered > 30*time.Second || probes > 6 {
					t.Errorf("after %v without an answer: closed %v later, with %d probes", outage, recovered, probes)
				}
			}
		})
	}
}

// liveThrough takes a machine through an outage, with ten calls a second, each of which takes the time fails to fail.
// It returns the time from the vendor's recovery to the closed state, and how many probes were made.
func liveThrough(cfg Config, outage, fails time.Duration) (recovered time.Duration, probes int) {
	const tick = 100 * time.Millisecond
	began := time.Unix(1_700_000_000, 0)
	well := began.Add(outage)
	m := &machine{cfg: cfg}
	several := some(2)
	var probe reply    // under way while its lease is not 0
	var ends time.Time // of the probe
	verdict := lost
	for now := began; now.Before(well) || m.state != Closed; now = now.Add(tick) {
		switch {
		case m.state == Closed && now.Sub(began) >= fails:
			m.take(now, request{op: opReport, gen: m.gen, tally: tally{1, 1, 1, several, several}})
		case probe.lease != 0 && !now.Before(ends):
			m.take(now, request{op: opEnd, verdict: verdict, gen: probe.gen, lease: probe.lease})
			probe = reply{}
		case probe.lease == 0:
			if probe = m.take(now, request{op: opProbe}); probe.lease == 0 {
				break
			}
			probes++
			verdict, ends = lost, now.Add(fails)
			if !now.Before(well) {
				verdict, ends = won, now.Add(tick)
			}
		}
		recovered = now.Sub(well)
	}
	return recovered, probes
}
