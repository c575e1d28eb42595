package chain_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/spillway-dev/spillway/internal/await"
	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/llm/chain"
	"github.com/spillway-dev/spillway/internal/llm/llmtest"
	"github.com/spillway-dev/spillway/internal/outcome"
)

// bothOpen is a pod whose breakers are open: that of its own lane for an hour, that of the fallback for the given time.
func bothOpen(t *testing.T, fallback time.Duration, change func(*chain.Config)) lanes {
	t.Helper()
	dead := answers(http.StatusInternalServerError)
	l := newLanes(t, dead, dead, func(c *chain.Config) {
		c.Retry.Max = 0
		c.Breaker.Failures, c.Breaker.Open, c.Breaker.OpenMax = 1, time.Hour, time.Hour
		other := &c.Further[0].Breaker
		other.Failures, other.Open, other.OpenMax = 1, fallback, fallback
		change(c)
	})
	await.True(t, "both breakers open", func() bool { _, _ = l.ask(t.Context()); return l.Down() > 0 })
	return l
}

// TestARefusalNamesTheSoonestLane: with all breakers open a client gets the time at which the first of them lets a call
// pass, also when that of its own lane comes later.
func TestARefusalNamesTheSoonestLane(t *testing.T) {
	t.Parallel()
	l := bothOpen(t, 30*time.Minute, func(*chain.Config) {})
	_, err := l.ask(t.Context())
	rejected, ok := errors.AsType[*outcome.Rejected](err)
	if !ok || rejected.Reason != outcome.VendorUnavailable || rejected.RetryAfter > 30*time.Minute ||
		rejected.RetryAfter == 0 {
		t.Errorf("%v, %+v", err, rejected)
	}
}

// TestARefusalNamesNoLaneWithoutTheEndpoint: the fallback is back sooner, and has no embeddings.
func TestARefusalNamesNoLaneWithoutTheEndpoint(t *testing.T) {
	t.Parallel()
	l := bothOpen(t, time.Minute, func(c *chain.Config) {
		c.Vendor.Endpoints, c.Further[0].Vendor.Endpoints = []string{"chat", "embeddings"}, []string{"chat"}
	})
	call := llmtest.NewCall()
	call.Endpoint = llm.EndpointNamed("embeddings")
	_, err := l.Do(t.Context(), call)
	if rejected, ok := errors.AsType[*outcome.Rejected](err); !ok || rejected.RetryAfter < 30*time.Minute {
		t.Errorf("%v, %+v", err, rejected)
	}
}
