package api_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/expfmt"

	"github.com/spillway-dev/spillway/internal/llm"
)

// TestAHalfClosedStreamHasNoEnd: a client that closes its own direction, and still reads, sees that its stream was cut.
// Nothing in a stream of lines says where it ends, so the body itself must not end well.
func TestAHalfClosedStreamHasNoEnd(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"application/x-ndjson", "text/event-stream"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			const line = "data: {}\n"
			b := newBundle(t, func(ctx context.Context, call *llm.Call) (*llm.Response, error) {
				check(t, call.Stream.Start(http.Header{"Content-Type": {kind}}))
				check(t, call.Stream.Event([]byte(line)))
				return untilTheEnd(ctx, call)
			}, options{})
			conn, answer := b.ask(streamBody)
			for text := ""; text != line; {
				var err error
				text, err = answer.ReadString('\n')
				check(t, err)
			}
			check(t, conn.CloseWrite())
			rest, _ := io.ReadAll(answer) // a reset is an end too
			if strings.TrimSpace(string(rest)) != "" {
				t.Errorf("after its last line the client got %q", rest)
			}
			if line := b.accessLine(); line["status"] != 499.0 || line["reason"] != "client_closed" {
				t.Errorf("the log says %v", line)
			}
		})
	}
}

// TestAHalfClosedCallHasNoAnswer: 499 stands in the log and in the metrics, and is no status that a client reads.
func TestAHalfClosedCallHasNoAnswer(t *testing.T) {
	t.Parallel()
	inside := make(chan struct{})
	b := newBundle(t, func(ctx context.Context, call *llm.Call) (*llm.Response, error) {
		close(inside)
		return untilTheEnd(ctx, call)
	}, options{})
	conn, answer := b.ask(goodBody)
	<-inside
	check(t, conn.CloseWrite())
	if all, _ := io.ReadAll(answer); len(all) > 0 {
		t.Errorf("the client got %q", all)
	}
	if line := b.accessLine(); line["status"] != 499.0 || line["reason"] != "client_closed" {
		t.Errorf("the log says %v", line)
	}
	const counted = `{method="POST",reason="client_closed",route="/llm",status="499"} 1`
	got, err := testutil.GatherAndFormat(b.reg, expfmt.TypeTextPlain, "llm_http_requests_total")
	if err != nil || !strings.Contains(string(got), counted) {
		t.Errorf("%v, counted: %s", err, got)
	}
}

// ask sends a call on a connection of its own, and returns it with what comes back.
func (b *bundle) ask(body string) (*net.TCPConn, *bufio.Reader) {
	b.tb.Helper()
	conn := b.dial()
	b.tb.Cleanup(func() { _ = conn.Close() })
	_, err := fmt.Fprintf(conn, "%sContent-Length: %d\r\n\r\n%s", head, len(body), body)
	check(b.tb, err)
	return conn.(*net.TCPConn), bufio.NewReader(conn)
}
