package upstream_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/spillway-dev/spillway/internal/deadline"
	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/llm/chain"
	"github.com/spillway-dev/spillway/internal/llm/llmtest"
)

// A vendor that is too slow in any way is a timeout of the vendor, whichever part of net/http notices it first.
func TestVendorTimeoutsAreAllTimeouts(t *testing.T) {
	t.Parallel()
	until := func(r *http.Request) { <-r.Context().Done() }
	for name, handler := range map[string]http.HandlerFunc{
		"headers": func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body); until(r) },
		"body": func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			_, _ = io.WriteString(w, `{"half":`)
			_ = http.NewResponseController(w).Flush()
			until(r)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := vendorAt(t, serve(t, handler), func(c *chain.Config) { c.CallTimeout = 50 * time.Millisecond })
			_, out := v.Send(t.Context(), llmtest.NewCall())
			failed, isVendor := errors.AsType[*llm.VendorError](out.Err)
			if !isVendor || failed.Kind != llm.KindTimeout || out.ClientGone ||
				!errors.Is(out.Err, llm.ErrCallTimeout) || errors.Is(out.Err, llm.ErrQueueTimeout) {
				t.Errorf("got %v", out.Err)
			}
		})
	}
}

// When the client hangs up, the call to the vendor is cancelled, and does not count as a failure of the vendor.
func TestVendorCallIsCancelledWhenTheClientLeaves(t *testing.T) {
	t.Parallel()
	arrived, cancelled := make(chan struct{}), make(chan struct{})
	url := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		close(arrived)
		<-r.Context().Done()
		close(cancelled)
	})
	ctx, hangUp := context.WithCancel(t.Context())
	go func() { <-arrived; hangUp() }()
	_, out := vendorAt(t, url, nil).Send(ctx, llmtest.NewCall())
	if !out.ClientGone || !errors.Is(out.Err, context.Canceled) || !out.Called {
		t.Errorf("outcome %+v", out)
	}
	<-cancelled
}

// When code has waited with the request's context, the request's timer and the watch's end at the same moment.
// Whichever is first, the request has ended, and the vendor was not slow: the breaker must not count it.
func TestTheEndOfTheRequestIsNoVendorTimeout(t *testing.T) {
	t.Parallel()
	cfg := llmtest.Config()
	cfg.Slots = 500
	c := llmtest.Caller(t, cfg, llmtest.Hang)
	errSLA := errors.New("SLA")
	var wg sync.WaitGroup
	for range 300 {
		wg.Go(func() {
			ctx := deadline.New(t.Context(), time.Now().Add(50*time.Millisecond), errSLA)
			defer ctx.Stop()
			_ = ctx.Done() // as a gate does that makes a call wait
			if _, err := c.Do(ctx, llmtest.NewCall()); !errors.Is(err, errSLA) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}
