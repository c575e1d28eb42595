package llm_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/llm/llmtest"
)

// A call that cannot start in time takes no start from the others: under overload the pacer keeps its rate.
func TestPacerKeepsItsRateUnderOverload(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, err := llm.NewPacer(llm.PacerConfig{Rate: 100, Burst: 1}, prometheus.NewRegistry())
		llmtest.OK(t, err)
		begin, passed := time.Now(), 0
		var mu sync.Mutex
		var wg sync.WaitGroup
		for range 64 {
			wg.Go(func() {
				for time.Since(begin) < 10*time.Second {
					ctx, cancel := context.WithTimeoutCause(t.Context(), 200*time.Millisecond, llm.ErrQueueTimeout)
					if _, err := p.Enter(ctx, llmtest.NewCall()); err == nil {
						mu.Lock()
						passed++
						mu.Unlock()
					} else {
						time.Sleep(time.Millisecond)
					}
					cancel()
				}
			})
		}
		wg.Wait()
		if passed < 990 || passed > 1025 {
			t.Errorf("%d of 1000 turns were taken", passed)
		}
	})
}
