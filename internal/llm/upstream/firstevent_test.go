package upstream_test

import (
	"errors"
	"log/slog"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/llm/llmtest"
	"github.com/spillway-dev/spillway/internal/llm/upstream"
)

// TestHowLongASilentVendorIsWaitedFor: the setting, when there is one; else ten seconds for a stream that another lane
// would take, and the call timeout for others. An answer in one piece has no first event.
func TestHowLongASilentVendorIsWaitedFor(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		set, callTimeout  time.Duration
		stream, elsewhere bool
		want              time.Duration
	}{
		"another lane":                     {0, 30 * time.Second, true, true, 10 * time.Second},
		"another lane, a short call":       {0, 5 * time.Second, true, true, 5 * time.Second},
		"no other lane":                    {0, 30 * time.Second, true, false, 30 * time.Second},
		"set, another lane":                {20 * time.Second, 30 * time.Second, true, true, 20 * time.Second},
		"set, no other lane":               {20 * time.Second, 30 * time.Second, true, false, 20 * time.Second},
		"in one piece, another lane":       {0, 30 * time.Second, false, true, 30 * time.Second},
		"in one piece, set for the stream": {20 * time.Second, 30 * time.Second, false, true, 30 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				cfg := llmtest.Config()
				cfg.Vendor.Wrap = func(http.RoundTripper) http.RoundTripper { return llmtest.RoundTrip(llmtest.Hang) }
				times := upstream.Times{Call: c.callTimeout, FirstEvent: c.set, StreamIdle: time.Second}
				v, err := upstream.New(cfg.Vendor, times, 1, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
				llmtest.OK(t, err)
				call := llmtest.NewCall()
				if c.stream {
					call = llmtest.NewStreamCall(&llmtest.Events{})
				}
				call.FallbackReady = c.elsewhere
				began := time.Now()
				_, out := v.Send(t.Context(), call)
				failed, _ := errors.AsType[*llm.VendorError](out.Err)
				if took := time.Since(began); took != c.want || failed == nil || failed.Kind != llm.KindTimeout {
					t.Errorf("given up after %v, want %v: %v", took, c.want, out.Err)
				}
			})
		})
	}
}
