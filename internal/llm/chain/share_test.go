package chain_test

import (
	"errors"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/spillway-dev/spillway/internal/await"
	"github.com/spillway-dev/spillway/internal/llm/chain"
	"github.com/spillway-dev/spillway/internal/llm/llmtest"
	"github.com/spillway-dev/spillway/internal/outcome"
)

// TestASlowLaneLeavesSlotsToTheOthers: it holds its share of the slots and no more. Its further calls wait as they do
// for a slot, and end by the queue timeout.
func TestASlowLaneLeavesSlotsToTheOthers(t *testing.T) {
	t.Parallel()
	answer := make(chan struct{})
	slow := func(r *http.Request) (*http.Response, error) {
		select {
		case <-answer:
		case <-r.Context().Done():
		}
		return answers(http.StatusOK)(r)
	}
	l := newLanes(t, slow, answers(http.StatusOK), func(c *chain.Config) {
		c.Slots, c.SlotsMax, c.QueueTimeout, c.Fallback = 3, 2, 50*time.Millisecond, ""
		c.Further[0].Models = []string{"other"}
		c.Quota.Requests, c.Further[0].Quota.Requests = 0, 0 // no round trip, which on a busy machine takes long
	})
	if got, want := l.Order(), []string{"breaker", "quota", "pacer", "share", "slots"}; !slices.Equal(got, want) {
		t.Errorf("the gates are %q, want %q", got, want)
	}
	var slowOnes sync.WaitGroup
	for range 2 {
		slowOnes.Go(func() {
			if _, err := l.ask(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	await.True(t, "the slow lane holds its share", func() bool { return l.Slots.Used() == 2 })
	_, err := l.ask(t.Context())
	if rejected, ok := errors.AsType[*outcome.Rejected](err); !ok || rejected.Layer != "share" ||
		rejected.Reason != outcome.QueueTimeout {
		t.Errorf("the third call of the slow lane: %v", err)
	}
	call := llmtest.NewCall()
	call.Payload.Model = "other"
	resp, err := l.Do(t.Context(), call)
	if resp.Close(); err != nil || call.Lane != "second" {
		t.Errorf("a call of the other lane: lane %s, %v", call.Lane, err)
	}
	close(answer)
	slowOnes.Wait()
	if l.Slots.Used() != 0 {
		t.Errorf("%d slots are in use after all calls", l.Slots.Used())
	}
}
