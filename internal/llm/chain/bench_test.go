package chain_test

import (
	"context"
	"math"
	"net/http"
	"testing"

	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/llm/chain"
	"github.com/spillway-dev/spillway/internal/llm/llmtest"
)

// unlimited removes the contracts, whose bookings cost round trips to Redis.
func unlimited(c *chain.Config) {
	c.Quota.Requests, c.Further[0].Quota.Requests = 0, 0
}

// alone also removes the second lane.
func alone(c *chain.Config) {
	unlimited(c)
	c.Lanes, c.Further, c.Fallback = nil, nil, ""
}

// BenchmarkLanes is a call through the gates of one pod, to a vendor without a network, with and without a second lane
// and a fallback that are not used.
func BenchmarkLanes(b *testing.B) {
	for name, change := range map[string]func(*chain.Config){"one": alone, "a fallback more": unlimited} {
		b.Run(name, func(b *testing.B) {
			l := newLanes(b, answers(http.StatusOK), answers(http.StatusOK), change)
			call := llmtest.NewCall()
			b.ReportAllocs()
			for b.Loop() {
				l.once(b.Context(), call)
			}
		})
	}
}

// TestALaneThatIsNotUsedAllocatesNothing more than a service without it does.
//
//nolint:paralleltest // it counts allocations of the whole process
func TestALaneThatIsNotUsedAllocatesNothing(t *testing.T) {
	measure := func(change func(*chain.Config)) float64 {
		l := newLanes(t, answers(http.StatusOK), answers(http.StatusOK), change)
		call := llmtest.NewCall()
		least := math.Inf(1) // of many calls: pools are emptied now and then, and other goroutines allocate too
		for range 1000 {
			least = min(least, testing.AllocsPerRun(1, func() { l.once(t.Context(), call) }))
		}
		return least
	}
	if one, two := measure(alone), measure(unlimited); two > one {
		t.Errorf("%v allocations a call with one lane, %v with a second one that is not used", one, two)
	}
}

// once makes a call that the first lane has to serve.
func (l lanes) once(ctx context.Context, call *llm.Call) {
	resp, err := l.Do(ctx, call)
	resp.Close()
	if err != nil || call.Lane != chain.Default {
		l.tb.Fatalf("lane %q, %v", call.Lane, err)
	}
}
