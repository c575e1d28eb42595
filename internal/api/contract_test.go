package api_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spillway-dev/spillway/internal/vendorsim"
)

// TestTheContractHoldsByTheVendorsCount: what the vendor counts and no client sees is in the settlement, so that
// several clients that call without pause stay within the contract in tokens, by the vendor's own log.
func TestTheContractHoldsByTheVendorsCount(t *testing.T) {
	t.Parallel()
	chat := func(more string) string {
		return `{"model":"m","messages":[{"role":"user","content":"` + strings.Repeat("word ", 800) + `"}],` + more +
			`}`
	}
	for name, tt := range map[string]struct {
		sim  vendorsim.Config
		body string
	}{
		"reasoning that only the total has": {
			vendorsim.Config{Tokens: vendorsim.Extra{Hidden: 700}}, chat(`"max_tokens":800`),
		},
		"reasoning in a stream": {
			vendorsim.Config{Tokens: vendorsim.Extra{Hidden: 700}},
			chat(`"max_tokens":800,"stream":true,"stream_options":{"include_usage":true}`),
		},
		"cache writes": {vendorsim.Config{Tokens: vendorsim.Extra{CacheWrite: 300}}, chat(`"max_tokens":400`)},
		"a stream in large chunks without usage": {
			vendorsim.Config{CompletionTokens: 500, ChunkTokens: 250, Tokens: vendorsim.Extra{Unsaid: true}},
			chat(`"max_tokens":500,"stream":true`),
		},
		"an answer without usage": {
			vendorsim.Config{CompletionTokens: 500, Tokens: vendorsim.Extra{Unsaid: true}}, chat(`"max_tokens":500`),
		},
		"eight choices": {vendorsim.Config{CompletionTokens: 100}, chat(`"max_tokens":100,"n":8`)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const tokens = 60_000
			tt.sim.Contract = vendorsim.Contract{Tokens: tokens, Window: vendorsim.Duration(2 * time.Second)}
			b, sim := realBundle(t, tt.sim, "LLM_QUOTA_REQUESTS=0", "LLM_QUOTA_TOKENS=60000", "LLM_QUOTA_WINDOW=2s",
				"LLM_QUEUE_TIMEOUT=500ms", "LLM_SLOTS=8", "LLM_JOBS_ENABLED=false",
				"LLM_TIER_RATES=free:99998,pro:99999,enterprise:100000")
			ctx, stop := context.WithTimeout(t.Context(), 4*time.Second)
			defer stop()
			var clients sync.WaitGroup
			for range 6 {
				clients.Go(func() {
					for ctx.Err() == nil {
						if got := b.send(http.MethodPost, "/llm", tt.body); got.status != http.StatusOK &&
							got.status != http.StatusTooManyRequests {
							t.Errorf("got %d %s", got.status, got.body)
							return
						}
					}
				})
			}
			clients.Wait()
			st := sim.Stats()
			if st.TokenViolations != 0 || st.MaxTokens > tokens {
				t.Errorf("%d violations, %d tokens in a window of a contract of %d", st.TokenViolations, st.MaxTokens,
					tokens)
			}
			if st.MaxTokens < tokens/10 {
				t.Errorf("at most %d tokens in a window: the contract of %d was not used", st.MaxTokens, tokens)
			}
		})
	}
}
