package api_test

import (
	"context"
	"log/slog"
	"net/http"
	"strconv"
	"testing"

	"github.com/spillway-dev/spillway/internal/await"
	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/outcome"
)

// tokensOf is what one request of the bundle books: its body, and 50 tokens of an answer.
const (
	tokensBody = `{"model":"m","max_tokens":50,"messages":[]}`
	tokensOf   = 50 + (len(tokensBody)+3)/4
)

// spends is a vendor that uses so many tokens.
func spends(tokens int) fakeCaller {
	return func(ctx context.Context, call *llm.Call) (*llm.Response, error) {
		call.Spent = tokens
		return answers(ctx, call)
	}
}

// TestTokensAreSettledWithTheUse: what a call did not use comes back, and all of one that was never made.
func TestTokensAreSettledWithTheUse(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		call fakeCaller
		left int // in the next answer, of 1000
	}{
		"used little": {spends(10), 1000 - 10 - tokensOf},
		"never made":  {fails(&outcome.Rejected{Layer: "quota", Reason: outcome.VendorRateLimited}), 1000 - tokensOf},
		"used more":   {spends(tokensOf + 100), 1000 - (tokensOf + 100) - tokensOf},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// Unless some came back meanwhile, as time passes.
			await.True(t, strconv.Itoa(tt.left)+" left", func() bool {
				b := newBundle(t, tt.call, options{level: slog.LevelDebug,
					env: []string{"LLM_TIER_TOKENS=enterprise:1000"}})
				if got := b.send(http.MethodPost, "/llm",
					tokensBody); got.header.Get("X-RateLimit-Remaining-Tokens") != strconv.Itoa(1000-tokensOf) {
					t.Fatalf("before: %v", got.header)
				}
				b.settled()
				got := b.send(http.MethodPost, "/llm", tokensBody)
				return got.header.Get("X-RateLimit-Remaining-Tokens") == strconv.Itoa(tt.left)
			})
		})
	}
}

// TestTokensAreToldBesideRequests: one header for both limits, as the draft has it.
func TestTokensAreToldBesideRequests(t *testing.T) {
	t.Parallel()
	b := newBundle(t, answers, options{env: []string{"LLM_TIER_TOKENS=pro:1000"}})
	got := b.send(http.MethodPost, "/llm", tokensBody, "Authorization", "Bearer key-pro")
	if policy := got.header.Get(
		"RateLimit-Policy"); policy != `"user";q=100;w=60, "user-tokens";q=1000;w=60;qu="tokens"` {
		t.Errorf("the policy is %s", policy)
	}
	if got := b.send(http.MethodPost, "/llm", tokensBody); got.header.Get("X-RateLimit-Limit-Tokens") != "" {
		t.Errorf("a tier without a limit is told %v", got.header)
	}
}

// TestJobsCountAgainstTokens: a job books as a call does, and one that is not new costs nothing.
func TestJobsCountAgainstTokens(t *testing.T) {
	t.Parallel()
	b := newBundle(t, answers, options{jobs: true, env: []string{"LLM_TIER_TOKENS=enterprise:130"}})
	submit := func(key string) answer {
		return b.send(http.MethodPost, "/llm", tokensBody, "Prefer", "respond-async", "Idempotency-Key", key)
	}
	if got := submit("a"); got.status != http.StatusAccepted {
		t.Fatalf("got %d %s", got.status, got.body)
	}
	await.True(t, "the same job again, for nothing", func() bool {
		got := submit("a")
		b.settled()
		return got.status == http.StatusAccepted && submit("a").status == http.StatusAccepted
	})
	await.True(t, "the second job", func() bool { return submit("b").status == http.StatusAccepted })
	if got := submit("c"); got.status != http.StatusTooManyRequests || got.code() != "user_token_limited" {
		t.Errorf("beyond the tokens: %d %s", got.status, got.body)
	}
}
