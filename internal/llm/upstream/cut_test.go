package upstream_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/llm/chain"
	"github.com/spillway-dev/spillway/internal/llm/llmtest"
)

// The headers have the status: when the body does not come, the failure is that of the status and not a timeout, and
// the call does not wait long.
func TestVendorStatusWithABodyThatStalls(t *testing.T) {
	t.Parallel()
	for code, kind := range map[int]llm.Kind{401: llm.KindAuth, 429: llm.KindRateLimit, 503: llm.KindStatus} {
		url := serve(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "100")
			w.WriteHeader(code)
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		})
		v := vendorAt(t, url, func(c *chain.Config) { c.CallTimeout = time.Hour })
		_, out := v.Send(t.Context(), llmtest.NewCall())
		if failed, isVendor := errors.AsType[*llm.VendorError](out.Err); !isVendor || failed.Kind != kind ||
			failed.Status != code {
			t.Errorf("%d: got %v", code, out.Err)
		}
	}
}

// When an answer ends with its connection, only the answer itself shows whether it is whole.
func TestVendorAnswerCutWithItsConnection(t *testing.T) {
	t.Parallel()
	for body, kind := range map[string]llm.Kind{`{"a":1}`: "", `{"a":`: llm.KindConnection} {
		url := serve(t, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = io.WriteString(conn, "HTTP/1.0 200 OK\r\nContent-Type: application/json; charset=utf-8\r\n\r\n"+body)
			_ = conn.Close()
		})
		resp, out := vendorAt(t, url, nil).Send(t.Context(), llmtest.NewCall())
		failed, _ := errors.AsType[*llm.VendorError](out.Err)
		if kind == "" && (failed != nil || string(resp.Body) != body) || kind != "" &&
			(failed == nil || failed.Kind != kind) {
			t.Errorf("%s: got %v", body, out.Err)
		}
		resp.Close()
	}
}

// The body of a failure is read, so that the next call uses the same connection.
func TestVendorKeepsTheConnectionAfterAnError(t *testing.T) {
	t.Parallel()
	var connections atomic.Int32
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = w.Write(make([]byte, 8<<10))
	}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	v := vendorAt(t, s.URL, nil)
	for range 5 {
		if _, out := v.Send(t.Context(), llmtest.NewCall()); out.Err == nil {
			t.Error("no error")
		}
	}
	if n := connections.Load(); n != 1 {
		t.Errorf("%d connections for 5 calls", n)
	}
}
