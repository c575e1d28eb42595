package breaker

import (
	"testing"

	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/redistest"
	"github.com/spillway-dev/spillway/internal/redisx"
)

// One user's failures say nothing about the vendor while others are served; without others they do.
func TestOneUserOpensNothingForTheOthers(t *testing.T) {
	t.Parallel()
	b := newPodBreaker(t, slowBreaker(), redisx.Config{URL: redistest.Start(t).URL()})
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
	awaitState(t, Open, b)
}

// Failures of one user that come all at once make no row, also when a call of another user failed too. Failures of
// several users do.
func TestABurstOfOneUsersFailuresIsNoRow(t *testing.T) {
	t.Parallel()
	b := newPodBreaker(t, slowBreaker(), redisx.Config{URL: redistest.Start(t).URL()})
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
