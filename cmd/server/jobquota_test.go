package main_test

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/spillway-dev/spillway/internal/await"
	"github.com/spillway-dev/spillway/internal/redistest"
	"github.com/spillway-dev/spillway/internal/vendorsim"
)

// TestJobsGoOnBesideCalls: with a queue timeout longer than the contract's window, jobs are called between calls that
// use a part of the contract.
func TestJobsGoOnBesideCalls(t *testing.T) {
	t.Parallel()
	contract := vendorsim.Contract{Requests: 100, Tokens: 40_000,
		Window: vendorsim.Duration(2 * time.Second), Enforce: true}
	_, url := judge(t, vendorsim.Config{Contract: contract})
	p := start(t, production(t, redistest.Start(t), url, "LLM_QUOTA_REQUESTS=100", "LLM_QUOTA_TOKENS=40000",
		"LLM_QUOTA_WINDOW=2s", "LLM_QUEUE_TIMEOUT=5s", "LLM_JOBS_USER_MAX=1000"))
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var callers sync.WaitGroup
	callers.Go(func() {
		for ctx.Err() == nil {
			_, _, _ = post(ctx, http.DefaultClient, p.URL, question)
			select {
			case <-ctx.Done():
			case <-time.After(200 * time.Millisecond):
			}
		}
	})
	var ids []string
	for range 40 {
		ids = append(ids, submitJob(t, p, "low"))
	}
	for _, id := range ids {
		await.True(t, "the job is done", succeeded(t, p, id))
	}
	stop()
	callers.Wait()
}
