package middleware

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// observeMany adds n samples of user.
func (l *latency) observeMany(at time.Time, user string, n int, took time.Duration) {
	for range n {
		l.observe(at, user, took)
	}
}

// Whatever one user does, the others' figure is the one they have without that user, or lower.
func TestOneUserCannotSlowTheOthers(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var without, with latency
		slowest := time.Duration(0)
		for i, ms := range rapid.SliceOfN(rapid.IntRange(0, 60_000), 1, 50).Draw(t, "ms") {
			took := time.Duration(ms) * time.Millisecond
			slowest = max(slowest, took)
			for _, l := range []*latency{&without, &with} {
				l.observeMany(epoch, fmt.Sprint("user ", i), fewestSamples, took)
			}
		}
		with.observeMany(epoch, "eve", rapid.IntRange(1, 1000).Draw(t, "calls"), time.Hour)
		if got := with.p95(epoch, "user 0"); got > slowest {
			t.Errorf("the others see %v, and their slowest takes %v", got, slowest)
		}
	})
}

func TestManySlowUsersAreASlowPod(t *testing.T) {
	t.Parallel()
	var l latency
	for i := range 40 {
		took := time.Second
		if i >= 37 {
			took = time.Minute
		}
		l.observeMany(epoch, fmt.Sprint("user ", i), 1, took)
	}
	if got := l.p95(epoch, "another"); got != time.Minute {
		t.Errorf("3 of 40 users take a minute, and p95 is %v", got)
	}
}

func TestASingleUsersLatencyIsThatUsersOwn(t *testing.T) {
	t.Parallel()
	var l latency
	l.observeMany(epoch, "ada", fewestSamples, time.Minute)
	if got := l.p95(epoch, "ada"); got != time.Minute {
		t.Errorf("for the user: %v", got)
	}
	if got := l.p95(epoch, "bob"); got != 0 {
		t.Errorf("for another user: %v", got)
	}
	if got := l.highest(epoch); got != time.Minute {
		t.Errorf("the highest: %v", got)
	}
}

func TestLatencyAges(t *testing.T) {
	t.Parallel()
	var l latency
	slow := func(at time.Duration) bool { return l.p95(epoch.Add(at), "ada") > 30*time.Second }

	l.observeMany(epoch, "ada", fewestSamples, 40*time.Second)
	if !slow(0) || !slow(2*latencySpan-time.Second) {
		t.Error("forgotten too soon")
	}
	if l.p95(epoch.Add(2*latencySpan), "ada") != 0 { // although it was asked for late in the second span
		t.Error("remembered for more than two spans")
	}
	l.observeMany(epoch.Add(5*latencySpan), "ada", fewestSamples, 40*time.Second)
	l.observeMany(epoch.Add(6*latencySpan), "ada", fewestSamples, time.Second)
	if got := l.p95(epoch.Add(6*latencySpan), "ada"); got != 20500*time.Millisecond {
		t.Errorf("half of the samples are slow, and the mean is %v", got)
	}
	if got := l.p95(epoch.Add(7*latencySpan), "ada"); got != time.Second {
		t.Errorf("a span later the mean is %v", got)
	}
}

func TestLatencyOfAFewSaysNothing(t *testing.T) {
	t.Parallel()
	var l latency
	l.observeMany(epoch, "ada", fewestSamples-1, time.Minute)
	if got := l.p95(epoch, "ada"); got != 0 {
		t.Errorf("p95 is %v", got)
	}
}
