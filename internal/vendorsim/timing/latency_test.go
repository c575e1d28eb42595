package timing

import (
	"encoding/json"
	"math/rand/v2"
	"testing"
	"time"
)

func TestLatencyForms(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"0s", "300ms", "100ms..500ms", "lognormal:300ms,2s"} {
		l, err := ParseLatency(s)
		if err != nil || l.String() != s {
			t.Errorf("%s: got %v, %v", s, l, err)
		}
		text, _ := json.Marshal(l)
		var again Latency
		if err := json.Unmarshal(text, &again); err != nil || again != l {
			t.Errorf("%s as JSON: %s, %v, %v", s, text, again, err)
		}
	}
	for _, s := range []string{
		"", "-1s", "5s..1s", "1s..", "lognormal:1s", "lognormal:0s,1s", "lognormal:2s,1s", "fast", "25h", "1s..25h",
	} {
		if _, err := ParseLatency(s); err == nil {
			t.Errorf("%q was accepted", s)
		}
	}
}

// Samples have the parameters of their distribution, and the same seed gives the same samples.
func TestLatencyDraws(t *testing.T) {
	t.Parallel()
	const n = 10_000
	share := func(form string, in func(time.Duration) bool) float64 {
		l, err := ParseLatency(form)
		if err != nil {
			t.Fatal(err)
		}
		random, hits := rand.New(rand.NewPCG(7, 1)), 0
		for range n {
			if in(l.Draw(random)) {
				hits++
			}
		}
		return float64(hits) / n
	}
	for _, tt := range []struct {
		form      string
		in        func(time.Duration) bool
		low, high float64
	}{
		{"100ms", func(d time.Duration) bool { return d == 100*time.Millisecond }, 1, 1},
		{"100ms..500ms", func(d time.Duration) bool { return d >= 100*time.Millisecond && d <= 500*time.Millisecond },
			1, 1},
		{"100ms..500ms", func(d time.Duration) bool { return d < 200*time.Millisecond }, 0.23, 0.27},
		{"lognormal:100ms,1s", func(d time.Duration) bool { return d < 100*time.Millisecond }, 0.47, 0.53},
		{"lognormal:100ms,1s", func(d time.Duration) bool { return d > time.Second }, 0.005, 0.02},
		{"lognormal:1ns,24h", func(d time.Duration) bool { return d >= 0 && d <= longest }, 1, 1},
	} {
		got := share(tt.form, tt.in)
		if got < tt.low || got > tt.high {
			t.Errorf("%s: %v of the draws, should be %v to %v", tt.form, got, tt.low, tt.high)
		}
		if again := share(tt.form, tt.in); again != got {
			t.Errorf("%s: the same seed gave %v and %v", tt.form, got, again)
		}
	}
}
