package breaker

import (
	"fmt"
	"testing"

	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/redistest"
	"github.com/spillway-dev/spillway/internal/redisx"
)

// newQuietBreaker returns a breaker that reports only when the test does. A report of the background that is on its way
// could reach Redis after one of the test, and so tell of calls in another order.
func newQuietBreaker(t *testing.T, cfg Config, url string) *Breaker {
	t.Helper()
	b := newPodBreaker(t, cfg, redisx.Config{URL: url})
	quiet(t, b)
	return b
}

// One user's failures say nothing about the vendor while others are served; without others they do.
func TestOneUserOpensNothingForTheOthers(t *testing.T) {
	t.Parallel()
	b := newQuietBreaker(t, slowBreaker(), redistest.Start(t).URL())
	ended := func(user string, out llm.Result) {
		t.Helper()
		leave, admitted := enter(t, b)
		if !admitted {
			t.Fatal("turned away")
		}
		out.User = user
		leave(out)
	}
	ended("bob", success)
	for range 30 {
		ended("alice", failure)
	}
	b.sync.report(t.Context())
	if b.State() != Closed {
		t.Fatal("one user opened it for all")
	}
	for i := range b.cfg.Failures + 5 {
		leave, admitted := enter(t, b)
		if !admitted {
			break
		}
		out := failure
		out.User = []string{"bob", "alice"}[i%2]
		leave(out)
	}
	b.sync.report(t.Context())
	awaitState(t, Open, b)
}

// Failures of one user that come all at once make no row, also when a call of another user failed too. Failures of
// several users do.
func TestABurstOfOneUsersFailuresIsNoRow(t *testing.T) {
	t.Parallel()
	b := newQuietBreaker(t, slowBreaker(), redistest.Start(t).URL())
	enters := func(n int) (leaves []func(llm.Result)) {
		t.Helper()
		for range n {
			leave, admitted := enter(t, b)
			if !admitted {
				t.Fatal("turned away")
			}
			leaves = append(leaves, leave)
		}
		return leaves
	}
	ended := func(leave func(llm.Result), user string, out llm.Result) {
		out.User = user
		leave(out)
	}
	for _, leave := range enters(100) {
		ended(leave, "bob", success)
	}
	ended(enters(1)[0], "eve", failure)
	for _, leave := range enters(90) {
		ended(leave, "alice", failure)
	}
	b.sync.report(t.Context())
	if b.State() != Closed {
		t.Fatal("the streams of one user opened it for all")
	}
	for i, leave := range enters(20) {
		ended(leave, []string{"alice", "bob", "eve"}[i%3], failure)
	}
	b.sync.report(t.Context())
	awaitState(t, Open, b)
}

// TestAFewUsersOpenNothingForAsManyOthers: some users' calls all fail, in bursts that take turns between these users,
// and others are served now and then, in two pods. A vendor that is down, however, fails all of them and opens it.
func TestAFewUsersOpenNothingForAsManyOthers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		failing, served int
		want            State
	}{
		{1, 0, Open}, {1, 1, Closed}, {2, 0, Open}, {2, 1, Open}, {2, 2, Closed}, {2, 30, Closed},
		{3, 2, Open}, {3, 3, Closed}, {4, 3, Open}, {4, 4, Closed}, {4, 100, Closed},
	} {
		t.Run(fmt.Sprintf("%d of %d", tt.failing, tt.failing+tt.served), func(t *testing.T) {
			t.Parallel()
			url := redistest.Start(t).URL()
			pods := []*Breaker{
				newQuietBreaker(t, slowBreaker(), url), newQuietBreaker(t, slowBreaker(), url),
			}
			ended := func(pod int, user string, out llm.Result) {
				if leave, err := pods[pod%2].Enter(t.Context(), newCall()); err == nil {
					out.User = user
					leave(out)
				}
			}
			report := func() {
				for _, pod := range pods {
					pod.sync.report(t.Context())
				}
			}
			for round := range 5 {
				for i := range tt.served {
					ended(i+round, fmt.Sprintf("served %d", i), success)
				}
				report()
				for i := range 200 * tt.failing {
					ended(i/tt.failing, fmt.Sprintf("failing %d", i%tt.failing), failure)
				}
				report()
			}
			if got := pods[0].State(); got != tt.want {
				t.Fatalf("it is %v, want %v", got, tt.want)
			}
			for i := range 20 { // the vendor is down
				ended(i, fmt.Sprintf("failing %d", i%tt.failing), failure)
				ended(i, fmt.Sprintf("served %d", i%max(1, tt.served)), failure)
			}
			report()
			if got := pods[0].State(); got != Open {
				t.Errorf("it is %v, and the vendor is down", got)
			}
		})
	}
}

// TestRepeatedFailuresOfAFewUsersMakeNoRow, also where the vendor has failed some calls of many others, so that the
// number of users alone does not tell.
func TestRepeatedFailuresOfAFewUsersMakeNoRow(t *testing.T) {
	t.Parallel()
	b := newQuietBreaker(t, slowBreaker(), redistest.Start(t).URL())
	ended := func(user string, out llm.Result) {
		if leave, admitted := enter(t, b); admitted {
			out.User = user
			leave(out)
		}
	}
	for i := range 3 * manyUsers {
		user := fmt.Sprintf("served %d", i)
		ended(user, success)
		if i%3 == 0 {
			ended(user, failure)
			ended(user, success)
		}
	}
	b.sync.report(t.Context())
	for i := range 200 {
		ended(fmt.Sprintf("failing %d", i%2), failure)
	}
	b.sync.report(t.Context())
	if b.State() != Closed {
		t.Error("two users opened it for all")
	}
}
