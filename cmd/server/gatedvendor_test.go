package main_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/spillway-dev/spillway/internal/await"
)

// post sends one call and reads the whole answer.
func post(ctx context.Context, client *http.Client, url, body string) (int, string, error) {
	res, err := openCall(ctx, client, url, body)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	all, err := io.ReadAll(res.Body)
	return res.StatusCode, string(all), err
}

func openCall(ctx context.Context, client *http.Client, url, body string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/llm", strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+testKey)
	req.Header.Set("Content-Type", "application/json")
	return client.Do(req)
}

// gatedVendor answers when open is closed. A stream sends one event at once, and the rest then.
type gatedVendor struct {
	*httptest.Server
	tb      testing.TB
	calls   atomic.Int64
	arrived chan struct{} // a value for each call, while the buffer has room
	open    chan struct{} // closed: answers are sent
}

func newGatedVendor(tb testing.TB) *gatedVendor {
	tb.Helper()
	v := &gatedVendor{tb: tb, arrived: make(chan struct{}, 1024), open: make(chan struct{})}
	v.Server = httptest.NewServer(http.HandlerFunc(v.serve))
	tb.Cleanup(func() { v.CloseClientConnections(); v.Close() })
	return v
}

// called waits for a call.
func (v *gatedVendor) called() { v.tb.Helper(); await.Value(v.tb, "a vendor call", v.arrived) }

func (v *gatedVendor) serve(w http.ResponseWriter, r *http.Request) {
	v.calls.Add(1)
	body, _ := io.ReadAll(r.Body)
	streamed := strings.Contains(string(body), `"stream":true`)
	if streamed {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "data: {\"n\":1}\n\n")
		_ = http.NewResponseController(w).Flush()
	}
	select {
	case v.arrived <- struct{}{}:
	default:
	}
	select {
	case <-v.open:
	case <-r.Context().Done():
		return
	}
	if streamed {
		_, _ = io.WriteString(w, "data: {\"n\":2}\n\ndata: [DONE]\n\n")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"ok":true}`)
}

func payload(i int) string {
	return fmt.Sprintf(`{"model":"m","stream":%v}`, i%2 == 1)
}

func checkWhole(t *testing.T, i, code int, body string, err error) {
	t.Helper()
	want := `{"ok":true}`
	if i%2 == 1 {
		want = "data: {\"n\":1}\n\ndata: {\"n\":2}\n\ndata: [DONE]\n\n"
	}
	if err != nil || code != http.StatusOK || body != want {
		t.Errorf("request lost: %d %q %v", code, body, err)
	}
}
