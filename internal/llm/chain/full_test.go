package chain_test

import (
	"errors"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/spillway-dev/spillway/internal/await"
	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/llm/chain"
	"github.com/spillway-dev/spillway/internal/llm/llmtest"
	"github.com/spillway-dev/spillway/internal/outcome"
)

// newBusyLanes returns a pod whose lane "default" has a call under way until the test ends.
func newBusyLanes(t *testing.T, change func(*chain.Config)) lanes {
	t.Helper()
	answer := make(chan struct{})
	l := newLanes(t, func(r *http.Request) (*http.Response, error) {
		select {
		case <-answer:
		case <-r.Context().Done():
		}
		return answers(http.StatusOK)(r)
	}, answers(http.StatusOK), func(c *chain.Config) {
		c.Quota.Requests, c.Further[0].Quota.Requests = 0, 0 // no round trip, which on a busy machine takes long
		change(c)
	})
	var busy sync.WaitGroup
	busy.Go(func() {
		if lane, err := l.ask(t.Context()); lane != chain.Default || err != nil {
			t.Errorf("the call under way: from lane %s, %v", lane, err)
		}
	})
	t.Cleanup(busy.Wait)
	t.Cleanup(func() { close(answer) })
	await.True(t, "a call is under way", func() bool { return l.Slots.Used() > 0 })
	return l
}

// TestAFullLaneSendsCallsElsewhere, when its share of the slots is in use or its pacer allows no start soon. A
// background call waits in its lane.
func TestAFullLaneSendsCallsElsewhere(t *testing.T) {
	t.Parallel()
	for gate, change := range map[string]func(*chain.Config){
		"share": func(c *chain.Config) { c.SlotsMax = 1 },
		"pacer": func(c *chain.Config) { c.Pacer = llm.PacerConfig{Rate: 0.01, Burst: 1} },
	} {
		t.Run(gate, func(t *testing.T) {
			t.Parallel()
			l := newBusyLanes(t, func(c *chain.Config) {
				c.QueueTimeout = time.Second
				change(c)
			})
			if lane, err := l.ask(t.Context()); lane != "second" || err != nil {
				t.Errorf("from lane %s, %v", lane, err)
			}
			if got := l.labelled("llm_failovers_total", "reason"); !slices.Equal(got, []string{"queue_timeout"}) {
				t.Errorf("went elsewhere for the reasons %q", got)
			}
			call := llmtest.NewCall()
			call.Background = true
			resp, err := l.Do(t.Context(), call)
			resp.Close()
			if rejected, ok := errors.AsType[*outcome.Rejected](err); !ok || rejected.Layer != gate ||
				rejected.Reason != outcome.QueueTimeout || call.Lane != chain.Default {
				t.Errorf("a background call: lane %s, %v", call.Lane, err)
			}
		})
	}
}

// TestAFullPodSendsNoCallElsewhere: the other lane would need a slot too.
func TestAFullPodSendsNoCallElsewhere(t *testing.T) {
	t.Parallel()
	l := newBusyLanes(t, func(c *chain.Config) { c.Slots, c.QueueTimeout = 1, 200*time.Millisecond })
	lane, err := l.ask(t.Context())
	if rejected, ok := errors.AsType[*outcome.Rejected](err); !ok || rejected.Layer != "slots" ||
		lane != chain.Default {
		t.Errorf("from lane %s, %v", lane, err)
	}
	if got := l.labelled("llm_failovers_total", "reason"); len(got) != 0 {
		t.Errorf("went elsewhere for the reasons %q", got)
	}
}
