package upstream_test

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/spillway-dev/spillway/internal/llm/llmtest"
	"github.com/spillway-dev/spillway/internal/llm/upstream"
	"github.com/spillway-dev/spillway/internal/memory"
)

// TestBodiesThatAreUsedAgainAreNotMixed: a vendor answers before it has read the body, or closes the connection in the
// middle of it, and net/http still sends when the next request uses the same memory. Each request that the vendor gets
// has the bytes of one body only.
func TestBodiesThatAreUsedAgainAreNotMixed(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	vendor := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		part := make([]byte, 32<<10)
		switch asked.Add(1) % 3 {
		case 0:
			w.WriteHeader(http.StatusBadRequest)
		case 1:
			n, _ := io.ReadFull(r.Body, part)
			ofOneBody(t, part[:n])
			panic(http.ErrAbortHandler)
		default:
			body, _ := io.ReadAll(r.Body)
			ofOneBody(t, body)
			_, _ = io.WriteString(w, `{}`)
		}
	})
	for name, v := range map[string]func(*testing.T) *upstream.Vendor{
		"HTTP/1": func(t *testing.T) *upstream.Vendor { return vendorAt(t, serve(t, vendor), nil) },
		"HTTP/2": func(t *testing.T) *upstream.Vendor {
			s := httptest.NewUnstartedServer(vendor)
			s.EnableHTTP2 = true
			v, _ := trusted(t, s, nil)
			return v
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sendBodies(t, v(t))
		})
	}
}

// sendBodies sends bodies of one letter each, again and again in the same few bytes of memory.
func sendBodies(t *testing.T, v *upstream.Vendor) {
	t.Helper()
	budget, err := memory.New(memory.Config{Budget: 64 << 20}, 0, time.Second, slog.New(slog.DiscardHandler),
		prometheus.NewRegistry())
	llmtest.OK(t, err)
	var senders sync.WaitGroup
	for i := range 4 {
		senders.Go(func() {
			for n := range 30 {
				block := budget.Block(memory.Body)
				text := strings.Repeat(string(rune('a'+(7*n+i)%26)), 300_000)
				body, err := block.ReadAll(t.Context(), strings.NewReader(text), int64(len(text)), 1<<20)
				if err != nil || !block.Reused() {
					t.Errorf("%v, used again: %v", err, block.Reused())
					return
				}
				call := llmtest.NewCall()
				call.Body, call.Hold = body, block
				resp, _ := v.Send(t.Context(), call)
				resp.Close()
				block.Release()
			}
		})
	}
	senders.Wait()
	v.Close()
}

// ofOneBody fails the test when body has bytes of two.
func ofOneBody(t *testing.T, body []byte) {
	if len(body) > 0 && bytes.Count(body, body[:1]) != len(body) {
		t.Errorf("a request with bytes of two bodies: it begins with %q", body[0])
	}
}
