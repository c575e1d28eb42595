package upstream_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/spillway-dev/spillway/internal/llm/llmtest"
	"github.com/spillway-dev/spillway/internal/llm/upstream"
	"github.com/spillway-dev/spillway/internal/outcome"
)

// TestWhatCannotBeSentIsNotTheVendorsDoing: the error names this pod, and the attempt counts as not made: the vendor
// has not failed, and nothing is retried.
func TestWhatCannotBeSentIsNotTheVendorsDoing(t *testing.T) {
	t.Parallel()
	answer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "{}") })
	long := http.Header{"Traceparent": {strings.Repeat("x", 8<<10)}}
	for name, tt := range map[string]struct {
		header http.Header
		dial   error
		reason outcome.Reason
	}{
		"headers over the vendor's limit": {long, nil, outcome.HeaderTooLong},
		"a header that is none":           {http.Header{"Traceparent": {"a\nb"}}, nil, outcome.HeaderTooLong},
		"no more open files":              {nil, os.NewSyscallError("socket", syscall.EMFILE), outcome.Overloaded},
		"no more ports": {nil, os.NewSyscallError("connect", syscall.EADDRNOTAVAIL),
			outcome.Overloaded},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := httptest.NewUnstartedServer(answer)
			s.EnableHTTP2, s.Config.MaxHeaderBytes = true, 2<<10
			v, wires := trusted(t, s, nil)
			send := func(h http.Header) error {
				call := llmtest.NewCall()
				call.Header = h
				resp, out := v.Send(t.Context(), call)
				resp.Close()
				if out.Called != (out.Err == nil) {
					t.Errorf("called %v with %v", out.Called, out.Err)
				}
				return out.Err
			}
			if tt.dial == nil {
				llmtest.OK(t, send(nil)) // from here on the vendor's limits are known
			} else {
				noConnection(v, tt.dial)
			}
			rejected, ok := errors.AsType[*outcome.Rejected](send(tt.header))
			if !ok || rejected.Reason != tt.reason || rejected.Layer != "vendor" || rejected.Err == nil {
				t.Errorf("got %+v", rejected)
			}
			v.Pool().DialContext = wires.dial
			llmtest.OK(t, send(nil))
		})
	}
}

// noConnection makes every dial fail.
func noConnection(v *upstream.Vendor, err error) {
	v.Pool().DialContext = func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: err}
	}
}
