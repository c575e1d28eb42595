package middleware

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func TestLatencyIsCloseToTheTruePercentile(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var l latency
		ms := rapid.SliceOfN(rapid.IntRange(0, 1_000_000), fewest, 400).Draw(t, "ms")
		for _, n := range ms {
			l.observe(epoch, time.Duration(n)*time.Millisecond)
		}
		slices.Sort(ms)
		truth := time.Duration(ms[len(ms)-1-len(ms)/20]) * time.Millisecond
		got := l.p95(epoch)
		if got <= truth || got > truth+truth/8+time.Millisecond {
			t.Errorf("p95 is %v, really %v", got, truth)
		}
	})
}

func TestLatencyOfAnyLengthHasABucket(t *testing.T) {
	t.Parallel()
	last := -1
	for _, d := range []time.Duration{-time.Second, 0, time.Millisecond, 7 * time.Millisecond, 8 * time.Millisecond, 15 * time.Millisecond,
		16 * time.Millisecond, time.Second, time.Minute, 17 * time.Minute, 24 * time.Hour, 1<<63 - 1} {
		b := bucket(d)
		if b < 0 || b >= buckets || b < last {
			t.Errorf("%v is counted in bucket %d, the shorter one before it in %d", d, b, last)
		}
		last = b
	}
}

func TestLatencyAges(t *testing.T) {
	t.Parallel()
	var l latency
	fill := func(at time.Duration, took time.Duration) {
		for range fewest {
			l.observe(epoch.Add(at), took)
		}
	}
	slow := func(at time.Duration) bool { return l.p95(epoch.Add(at)) > 30*time.Second }

	fill(0, 40*time.Second)
	if !slow(0) || !slow(2*latencySpan-1) {
		t.Error("forgotten too soon")
	}
	if l.p95(epoch.Add(2*latencySpan)) != 0 { // although somebody looked late in the second span
		t.Error("remembered for more than two spans")
	}
	// What is new outweighs what is old: after a span and a bit, quick requests have taken over.
	fill(5*latencySpan, 40*time.Second)
	fill(6*latencySpan, time.Second)
	if !slow(6 * latencySpan) {
		t.Error("half of the samples are slow, and the percentile does not show it")
	}
	if slow(7*latencySpan) || l.p95(epoch.Add(7*latencySpan)) == 0 {
		t.Error("the old samples still count, or the new ones do not")
	}
}

func TestLatencyOfAFewSaysNothing(t *testing.T) {
	t.Parallel()
	var l latency
	for range fewest - 1 {
		l.observe(epoch, time.Minute)
	}
	if got := l.p95(epoch); got != 0 {
		t.Errorf("p95 is %v", got)
	}
}
