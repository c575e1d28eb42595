package upstream_test

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/llm/chain"
	"github.com/spillway-dev/spillway/internal/llm/llmtest"
	"github.com/spillway-dev/spillway/internal/memory"
	"github.com/spillway-dev/spillway/internal/outcome"
)

// full is a budget of one mebibyte that is used up, an answer beyond it included, until free is called.
func full(t *testing.T) (budget *memory.Budget, free func()) {
	t.Helper()
	budget, err := memory.New(memory.Config{Budget: 1 << 20}, 0, time.Second, slog.New(slog.DiscardHandler),
		prometheus.NewRegistry())
	llmtest.OK(t, err)
	all, over := budget.Share(memory.Answer), budget.Share(memory.Answer)
	llmtest.OK(t, all.Grow(t.Context(), 1<<20))
	llmtest.OK(t, over.Grow(t.Context(), 1<<20))
	return budget, func() { all.Free(); over.Free() }
}

// large is an answer that needs memory of its own.
func large(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"a":"`+strings.Repeat("x", 300_000)+`"}`)
}

// TestAnswerWaitsForMemory: it is read when there is room, and its memory is back when the response is closed.
func TestAnswerWaitsForMemory(t *testing.T) {
	t.Parallel()
	budget, free := full(t)
	asked := make(chan struct{})
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		close(asked)
		large(w, r)
	})
	v := vendorAt(t, url, func(c *chain.Config) { c.Vendor.Memory = budget })
	got := make(chan *llm.Response)
	go func() {
		resp, out := v.Send(t.Context(), llmtest.NewCall())
		if out.Err != nil {
			t.Error(out.Err)
		}
		got <- resp
	}()
	<-asked
	free()
	resp := <-got
	if resp == nil || len(resp.Body) < 300_000 {
		t.Fatal("the answer is not whole")
	}
	resp.Close()
	all := budget.Share(memory.Body)
	llmtest.OK(t, all.Grow(t.Context(), budget.Largest()))
}

// TestAnswerThatFindsNoMemory: that is a failure of this pod and not of the vendor, buffered or streamed.
func TestAnswerThatFindsNoMemory(t *testing.T) {
	t.Parallel()
	for name, stream := range map[string]bool{"buffered": false, "streamed": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			budget, free := full(t)
			defer free()
			url := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if !stream {
					large(w, r)
					return
				}
				w.Header().Set("Content-Type", "text/event-stream")
				_, _ = io.WriteString(w, `data: {"a":"`+strings.Repeat("x", 300_000)+"\"}\n\n")
			})
			v := vendorAt(t, url, func(c *chain.Config) {
				c.Vendor.Memory, c.CallTimeout = budget, 300*time.Millisecond
			})
			call := llmtest.NewCall()
			if call.Payload.Stream = stream; stream {
				call.Stream = discard{}
			}
			_, out := v.Send(t.Context(), call)
			r, ok := errors.AsType[*outcome.Rejected](out.Err)
			if !ok || r.Reason != outcome.Overloaded || r.Layer != "memory" || !out.Called {
				t.Errorf("got %+v", out)
			}
		})
	}
}

// discard is a client that takes everything.
type discard struct{}

func (discard) Start(http.Header) error { return nil }
func (discard) Event([]byte) error      { return nil }
