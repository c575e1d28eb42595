package upstream_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spillway-dev/spillway/internal/await"
	"github.com/spillway-dev/spillway/internal/llm/chain"
	"github.com/spillway-dev/spillway/internal/llm/llmtest"
	"github.com/spillway-dev/spillway/internal/llm/upstream"
)

// movingVendor is a vendor whose DNS name leads to one machine and later to another.
type movingVendor struct {
	machines [2]*httptest.Server
	calls    [2]atomic.Int64
	held     chan struct{} // an answer with Idempotency-Key "held" waits for its end
	at       atomic.Int64  // where the name leads
}

func newMovingVendor(t *testing.T, http2 bool) *movingVendor {
	t.Helper()
	m := &movingVendor{held: make(chan struct{})}
	for i := range m.machines {
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			if r.Header.Get("Idempotency-Key") == "held" {
				w.WriteHeader(http.StatusOK)
				_ = http.NewResponseController(w).Flush()
				<-m.held
			}
			_, _ = io.WriteString(w, "{}")
			m.calls[i].Add(1)
		}))
		if http2 {
			s.EnableHTTP2 = true
			s.StartTLS()
		} else {
			s.Start()
		}
		t.Cleanup(s.Close)
		m.machines[i] = s
	}
	return m
}

func (m *movingVendor) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, network, m.machines[m.at.Load()].Listener.Addr().String())
}

// load calls v from several clients until stop, and counts the calls that failed.
func load(t *testing.T, v *upstream.Vendor) (stop func() (failed int64)) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var lost atomic.Int64
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			for ctx.Err() == nil {
				resp, out := v.Send(t.Context(), llmtest.NewCall())
				if out.Err != nil {
					t.Logf("lost: %v", out.Err)
					lost.Add(1)
					continue
				}
				resp.Close()
			}
		})
	}
	return func() int64 {
		cancel()
		clients.Wait()
		return lost.Load()
	}
}

// TestConnectionsGrowOldAndAreReplaced: under constant load a change of the vendor's address is followed when
// connections reach their greatest age. No call is lost, and one that was under way ends where it began.
func TestConnectionsGrowOldAndAreReplaced(t *testing.T) {
	t.Parallel()
	for name, http2 := range map[string]bool{"HTTP/1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			vendor := newMovingVendor(t, http2)
			v := vendorAt(t, vendor.machines[0].URL,
				func(c *chain.Config) { c.Vendor.ConnMaxAge = 100 * time.Millisecond })
			if http2 {
				trust(v, vendor.machines[0], vendor.machines[1])
			}
			v.Pool().DialContext = vendor.dial
			stop := load(t, v)
			await.True(t, "calls to the first machine", func() bool { return vendor.calls[0].Load() > 100 })
			held := make(chan error, 1)
			go func() {
				call := llmtest.NewCall()
				call.IdempotencyKey = "held"
				resp, out := v.Send(t.Context(), call)
				if out.Err == nil {
					resp.Close()
				}
				held <- out.Err
			}()
			vendor.at.Store(1)
			await.True(t, "calls to the second machine", func() bool { return vendor.calls[1].Load() > 100 })
			before := vendor.calls[0].Load()
			await.True(t, "more calls", func() bool { return vendor.calls[1].Load() > 300 })
			if failed := stop(); failed > 0 {
				t.Errorf("%d calls were lost", failed)
			}
			if late := vendor.calls[0].Load() - before; late > 4 { // each client may have begun one
				t.Errorf("%d calls went on to the first machine", late)
			}
			close(vendor.held)
			if err := await.Value(t, "the end of the call that was under way", held); err != nil {
				t.Errorf("the call that was under way: %v", err)
			}
		})
	}
}

// TestConnectionsWithoutAGreatestAge: they stay open.
func TestConnectionsWithoutAGreatestAge(t *testing.T) {
	t.Parallel()
	vendor := newMovingVendor(t, false)
	v := vendorAt(t, vendor.machines[0].URL, func(c *chain.Config) { c.Vendor.ConnMaxAge = 0 })
	v.Pool().DialContext = vendor.dial
	for range 20 {
		resp, out := v.Send(t.Context(), llmtest.NewCall())
		llmtest.OK(t, out.Err)
		resp.Close()
		vendor.at.Store(1)
	}
	if n := vendor.calls[1].Load(); n > 0 {
		t.Errorf("%d calls to the second machine", n)
	}
}

// TestConnectionsAreNoMoreThanThePool: however many calls come at once, also when no slot holds them back. There is one
// connection more, for the list of models.
func TestConnectionsAreNoMoreThanThePool(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v := vendorAt(t, "http://vendor.example/v1", func(c *chain.Config) { c.Vendor.Pool = 5 })
		var opened atomic.Int64
		v.Pool().DialContext = func(context.Context, string, string) (net.Conn, error) {
			opened.Add(1)
			ours, vendors := net.Pipe()
			go func() { _, _ = io.Copy(io.Discard, vendors) }() // the vendor never answers
			return ours, nil
		}
		ctx, hangUp := context.WithCancel(t.Context())
		var calls sync.WaitGroup
		for range 50 {
			calls.Go(func() { _, _ = v.Send(ctx, llmtest.NewCall()) })
		}
		synctest.Wait()
		if n := opened.Load(); n != 6 {
			t.Errorf("%d connections for 50 calls", n)
		}
		hangUp()
		calls.Wait()
	})
}
