package upstream_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/llm/chain"
	"github.com/spillway-dev/spillway/internal/llm/llmtest"
	"github.com/spillway-dev/spillway/internal/llm/upstream"
)

// secure is a vendor with TLS, and HTTP/2 for clients that ask for it. Connections to it go through wires.
func secure(t *testing.T, change func(*chain.Config), h http.HandlerFunc) (*upstream.Vendor, *wires) {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.EnableHTTP2 = true
	return trusted(t, s, change)
}

func trusted(t *testing.T, s *httptest.Server, change func(*chain.Config)) (*upstream.Vendor, *wires) {
	t.Helper()
	s.StartTLS()
	t.Cleanup(s.Close)
	w := &wires{to: s.Listener.Addr().String()}
	t.Cleanup(w.cut)
	v := vendorAt(t, s.URL, change)
	trust(v, s)
	v.Pool().DialContext = w.dial
	return v, w
}

// trust makes v accept the certificates of servers.
func trust(v *upstream.Vendor, servers ...*httptest.Server) {
	authorities := x509.NewCertPool()
	for _, s := range servers {
		authorities.AddCert(s.Certificate())
	}
	v.Pool().TLSClientConfig.RootCAs = authorities
}

// wires are connections that a test can make silent. Neither end is informed, as when a router loses its state.
type wires struct {
	to string

	mu   sync.Mutex
	made []*wire
}

func (w *wires) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, w.to)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	made := &wire{Conn: conn}
	made.silence, made.nowhere = net.Pipe()
	w.made = append(w.made, made)
	return made, nil
}

// silence makes the connections that there are silent. What is written is lost on the way, or stuck.
func (w *wires) silence(stuck bool) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, made := range w.made {
		made.silent.Store(true)
		if !stuck {
			go func() { _, _ = io.Copy(io.Discard, made.nowhere) }()
		}
	}
	return len(w.made)
}

func (w *wires) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, made := range w.made {
		_ = made.Close()
	}
}

// wire is a connection whose other end is gone once it is silent.
type wire struct {
	net.Conn

	silent           atomic.Bool
	silence, nowhere net.Conn // the two ends of a pipe
}

func (w *wire) Read(b []byte) (int, error) {
	if n, err := w.Conn.Read(b); !w.silent.Load() {
		return n, err
	}
	return w.silence.Read(b)
}

func (w *wire) Write(b []byte) (int, error) {
	if w.silent.Load() {
		return w.silence.Write(b)
	}
	return w.Conn.Write(b)
}

func (w *wire) SetWriteDeadline(t time.Time) error {
	return errors.Join(w.Conn.SetWriteDeadline(t), w.silence.SetWriteDeadline(t))
}

func (w *wire) Close() error { return errors.Join(w.silence.Close(), w.Conn.Close()) }

func TestVendorSpeaksHTTP2(t *testing.T) {
	t.Parallel()
	left := make(chan struct{})
	v, _ := secure(t, nil, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.ProtoMajor != 2 || len(body) == 0 || r.Header.Get("X-Request-Id") != "req-1" {
			t.Errorf("%s, %d bytes, %v", r.Proto, len(body), r.Header)
		}
		switch {
		case bytes.Contains(body, []byte("hang up")):
			close(left)
			<-r.Context().Done()
		case bytes.Contains(body, []byte("stream")):
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = io.WriteString(w, chunkA)
			_ = http.NewResponseController(w).Flush()
			_, _ = io.WriteString(w, done)
		default:
			_, _ = io.WriteString(w, `{"usage":{"prompt_tokens":3,"completion_tokens":4}}`)
		}
	})
	resp, out := v.Send(t.Context(), llmtest.NewCall())
	llmtest.OK(t, out.Err)
	resp.Close()
	if out.Usage != (llm.Usage{Prompt: 3, Completion: 4}) {
		t.Errorf("usage %+v", out.Usage)
	}

	sink := &llmtest.Events{}
	call := llmtest.NewStreamCall(sink)
	call.Body = []byte(`{"stream":true}`)
	_, out = v.Send(t.Context(), call)
	llmtest.OK(t, out.Err)
	if strings.Join(sink.Raw, "") != chunkA+done {
		t.Errorf("the client got %q", sink.Raw)
	}

	ctx, hangUp := context.WithCancel(t.Context())
	go func() { <-left; hangUp() }()
	call = llmtest.NewCall()
	call.Body = []byte(`{"hang up":true}`)
	if _, out = v.Send(ctx, call); !out.ClientGone {
		t.Errorf("outcome %+v", out)
	}
}

// With HTTP/2 all calls of a pod share a connection. When it goes silent, one call may be lost with it. If the pod kept
// the connection, every call would be lost until the kernel closes it after a quarter of an hour, and the breaker would
// open for all pods.
func TestVendorGivesUpADeadConnection(t *testing.T) {
	t.Parallel()
	for name, stuck := range map[string]bool{"what is written is lost": false, "what is written is stuck": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v, wires := secure(t, func(c *chain.Config) { c.CallTimeout = 3 * time.Second },
				func(w http.ResponseWriter, r *http.Request) {
					_, _ = io.Copy(io.Discard, r.Body)
					_, _ = io.WriteString(w, `{}`)
				})
			call := llmtest.NewCall()
			call.Body = []byte(`{"long":"` + strings.Repeat("x", 1<<20) + `"}`)
			resp, out := v.Send(t.Context(), call)
			llmtest.OK(t, out.Err)
			resp.Close()
			if n := wires.silence(stuck); n != 1 {
				t.Fatalf("%d connections, want 1", n)
			}
			_, out = v.Send(t.Context(), call)
			if failed, isVendor := errors.AsType[*llm.VendorError](out.Err); !isVendor || !failed.Retryable() {
				t.Errorf("the call on the dead connection: %v", out.Err)
			}
			resp, out = v.Send(t.Context(), call)
			llmtest.OK(t, out.Err)
			resp.Close()
		})
	}
}
