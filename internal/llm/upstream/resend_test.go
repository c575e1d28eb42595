package upstream_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"golang.org/x/net/http2"

	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/llm/llmtest"
	"github.com/spillway-dev/spillway/internal/llm/upstream"
)

// A vendor may close its connections in an orderly way at any time. A call that it hands back is sent again, and is one
// attempt.
func TestVendorMayCloseItsConnections(t *testing.T) {
	t.Parallel()
	v, seen := handingBack(t, 1, func(fr *http2.Framer, _ uint32) { _ = fr.WriteGoAway(0, http2.ErrCodeNo, nil) })
	resp, out := v.Send(t.Context(), llmtest.NewCall())
	llmtest.OK(t, out.Err)
	resp.Close()
	if n := seen.Load(); n != 2 {
		t.Errorf("the vendor saw %d requests, want 2", n)
	}
}

// A request that is handed back again is not sent a third time within the attempt: the retry decides, and waits without
// a slot.
func TestVendorThatHandsBackIsAskedTwice(t *testing.T) {
	t.Parallel()
	v, seen := handingBack(t, 1000, func(fr *http2.Framer,
		stream uint32) {
		_ = fr.WriteRSTStream(stream, http2.ErrCodeRefusedStream)
	})
	_, out := v.Send(t.Context(), llmtest.NewCall())
	if failed, isVendor := errors.AsType[*llm.VendorError](out.Err); !isVendor || !failed.Retryable() ||
		!errors.Is(out.Err, upstream.ErrHandedBack) {
		t.Errorf("outcome %v", out.Err)
	}
	if n := seen.Load(); n != 2 {
		t.Errorf("the vendor saw %d requests, want 2", n)
	}
}

// handingBack is a vendor whose first connections hand back each request, and how many requests it has seen.
func handingBack(t *testing.T, connections int32, how func(fr *http2.Framer, stream uint32)) (*upstream.Vendor,
	*atomic.Int32) {
	t.Helper()
	var made, seen atomic.Int32
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen.Add(1)
		if body, _ := io.ReadAll(r.Body); len(body) == 0 {
			t.Error("a request without its body")
		}
		_, _ = io.WriteString(w, `{}`)
	}))
	s.EnableHTTP2 = true
	v, wires := trusted(t, s, nil)
	l, err := tls.Listen("tcp", "127.0.0.1:0", s.TLS)
	llmtest.OK(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go handBack(conn, &seen, how)
		}
	}()
	v.Pool().DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if made.Add(1) > connections {
			return wires.dial(ctx, network, addr)
		}
		return new(net.Dialer).DialContext(ctx, network, l.Addr().String())
	}
	return v, &seen
}

func handBack(conn net.Conn, seen *atomic.Int32, how func(fr *http2.Framer, stream uint32)) {
	defer conn.Close()
	if _, err := io.CopyN(io.Discard, conn, int64(len(http2.ClientPreface))); err != nil {
		return
	}
	fr := http2.NewFramer(conn, conn)
	_ = fr.WriteSettings()
	for {
		f, err := fr.ReadFrame()
		if err != nil {
			return
		}
		if data, isData := f.(*http2.DataFrame); isData && data.StreamEnded() {
			seen.Add(1)
			how(fr, data.StreamID)
		}
	}
}
