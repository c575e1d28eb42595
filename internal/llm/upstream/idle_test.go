package upstream_test

import (
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/spillway-dev/spillway/internal/await"
	"github.com/spillway-dev/spillway/internal/llm/chain"
	"github.com/spillway-dev/spillway/internal/llm/llmtest"
	"github.com/spillway-dev/spillway/internal/memory"
)

// TestIdleStreamHoldsNoMemory: what a large event took is back as soon as the client has it, while the stream goes on.
func TestIdleStreamHoldsNoMemory(t *testing.T) {
	t.Parallel()
	budget, err := memory.New(memory.Config{Budget: 1 << 20}, 0, await.Limit, slog.New(slog.DiscardHandler),
		prometheus.NewRegistry())
	llmtest.OK(t, err)
	goOn := make(chan struct{})
	url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, `data: {"a":"`+strings.Repeat("x", 300_000)+"\"}\n\n")
		_ = http.NewResponseController(w).Flush()
		<-goOn
		_, _ = io.WriteString(w, "data: {\"b\":1}\n\ndata: [DONE]\n\n")
	})
	v := vendorAt(t, url, func(c *chain.Config) { c.Vendor.Memory = budget })
	came := make(chan struct{})
	client := &llmtest.Events{OnRaw: func(raw string) error {
		if len(raw) > 300_000 {
			close(came)
		}
		return nil
	}}
	done := make(chan error)
	go func() {
		_, out := v.Send(t.Context(), llmtest.NewStreamCall(client))
		done <- out.Err
	}()
	<-came
	// The event took half of the budget, so that this waits until the stream has given it back.
	all := budget.Share(memory.Body)
	llmtest.OK(t, all.Grow(t.Context(), budget.Largest()))
	close(goOn)
	llmtest.OK(t, <-done)
}
