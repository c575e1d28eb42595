package chain_test

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spillway-dev/spillway/internal/await"
	"github.com/spillway-dev/spillway/internal/llm/chain"
	"github.com/spillway-dev/spillway/internal/llm/llmtest"
)

// TestAHalfOpenFallbackIsNotReady: calls do not leave their lane earlier for a fallback that lets only its probe pass.
// Those that fail still go there, and so its breaker closes.
func TestAHalfOpenFallbackIsNotReady(t *testing.T) {
	t.Parallel()
	var asked, status atomic.Int64
	status.Store(http.StatusInternalServerError)
	second := func(r *http.Request) (*http.Response, error) {
		asked.Add(1)
		return answers(int(status.Load()))(r)
	}
	l := newLanes(t, answers(http.StatusInternalServerError), second, func(c *chain.Config) {
		c.Retry.Max = 0
		breaker := &c.Further[0].Breaker
		breaker.Failures, breaker.Open, breaker.OpenMax = 1, 10*time.Millisecond, 0
	})
	// ask makes a call. It reports whether the fallback was ready when the call was in its own lane.
	ask := func() (ready, wentOn bool, err error) {
		before := asked.Load()
		call := llmtest.NewCall()
		call.Started = func() { ready = ready || call.Lane == chain.Default && call.FallbackReady }
		resp, err := l.Do(t.Context(), call)
		resp.Close()
		return ready, asked.Load() > before, err
	}
	await.True(t, "the breaker of the fallback opens", func() bool { ready, _, _ := ask(); return !ready })
	await.True(t, "a probe", func() bool {
		ready, wentOn, _ := ask()
		if ready {
			t.Fatal("ready, though its breaker is not closed")
		}
		return wentOn
	})
	status.Store(http.StatusOK)
	await.True(t, "a probe succeeds", func() bool { _, _, err := ask(); return err == nil })
	await.True(t, "ready again", func() bool { ready, _, _ := ask(); return ready })
}
