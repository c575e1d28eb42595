package vendorsim

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// The log finds exactly the violations that a look at every window finds.
func TestContractLogAgainstEveryWindow(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := Contract{
			Requests: rapid.IntRange(0, 5).Draw(t, "requests"), Tokens: rapid.IntRange(0, 50).Draw(t, "tokens"),
			Window: Duration(10 * time.Millisecond), Enforce: rapid.Bool().Draw(t, "enforce"),
		}
		var log contractLog
		now := time.Unix(0, 0)
		type arrival struct {
			at     time.Time
			tokens int
		}
		var counted []arrival
		for range rapid.IntRange(1, 60).Draw(t, "calls") {
			now = now.Add(time.Duration(rapid.IntRange(0, 6).Draw(t, "ms")) * time.Millisecond)
			prompt, completion := rapid.IntRange(0, 10).Draw(t, "prompt"), rapid.IntRange(0, 10).Draw(t, "completion")
			requests, tokens := 1, prompt+completion
			for _, a := range counted {
				if now.Sub(a.at) < time.Duration(c.Window) {
					requests, tokens = requests+1, tokens+a.tokens
				}
			}
			v, index := log.arrive(now, c, prompt, completion)
			over := c.Requests > 0 && requests > c.Requests || c.Tokens > 0 && tokens > c.Tokens
			if v.requests != requests || v.tokens != tokens || (v.overRequests || v.overTokens) != over {
				t.Fatalf("log says %+v, counting says %d requests, %d tokens, over %v", v, requests, tokens, over)
			}
			entry := log.calls[index]
			if entry.Refused != (over && c.Enforce) || entry.Violation != (over && !c.Enforce) {
				t.Fatalf("entry %+v, over %v", entry, over)
			}
			if entry.Refused {
				continue
			}
			if rapid.Bool().Draw(t, "cancelled") { // before it used its completion
				completion = rapid.IntRange(0, completion).Draw(t, "sent")
				log.correct(index, completion)
			}
			counted = append(counted, arrival{now, prompt + completion})
		}
	})
}

func TestLatency(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"0s", "300ms", "100ms..500ms", "lognormal:300ms,2s"} {
		l, err := ParseLatency(s)
		if err != nil || l.String() != s {
			t.Errorf("%s: got %v, %v", s, l, err)
		}
	}
	for _, s := range []string{"", "-1s", "5s..1s", "lognormal:1s", "lognormal:0s,1s", "fast"} {
		if _, err := ParseLatency(s); err == nil {
			t.Errorf("%q was accepted", s)
		}
	}
	sim, err := New(Config{Seed: 7})
	if err != nil {
		t.Fatal(err)
	}
	l, _ := ParseLatency("lognormal:100ms,1s")
	const n = 10_000
	belowMedian, above99 := 0, 0
	for range n {
		switch d := l.draw(sim.random); {
		case d < 100*time.Millisecond:
			belowMedian++
		case d > time.Second:
			above99++
		}
	}
	if belowMedian < n*47/100 || belowMedian > n*53/100 || above99 < n/200 || above99 > n*2/100 {
		t.Errorf("of %d draws %d were below the median and %d above the 99th percentile", n, belowMedian, above99)
	}
}
