package api_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/spillway-dev/spillway/internal/llm"
)

// impatient gives clients very little time to take what they asked for.
var impatient = []string{"LLM_WRITE_TIMEOUT=100ms"}

// TestReaderThatStallsLosesItsStream: a client that does not read must not hold a vendor slot.
func TestReaderThatStallsLosesItsStream(t *testing.T) {
	t.Parallel()
	large := []byte("data: " + string(bytes.Repeat([]byte("x"), 64<<10)) + "\n\n")
	b := newBundle(t, streams(func(ctx context.Context, client llm.Sink) error {
		for ctx.Err() == nil {
			if err := client.Event(large); err != nil {
				return err
			}
		}
		return context.Cause(ctx)
	}), options{env: impatient})
	conn := b.dial() // and nothing is ever read from it
	defer conn.Close()
	_, err := fmt.Fprintf(conn, "%sContent-Length: %d\r\n\r\n%s", head, len(streamBody), streamBody)
	check(t, err)
	if line := b.accessLine(); line["status"] != 499.0 || line["reason"] != "client_closed" {
		t.Errorf("the log says %v", line)
	}
}

// TestReaderThatStallsLosesItsAnswer: nor must it hold a place in this pod.
func TestReaderThatStallsLosesItsAnswer(t *testing.T) {
	t.Parallel()
	b := newBundle(t, func(context.Context, *llm.Call) (*llm.Response, error) {
		return &llm.Response{Status: http.StatusOK, Header: http.Header{}, Body: make([]byte, 64<<20)}, nil
	}, options{env: impatient})
	conn := b.dial()
	defer conn.Close()
	_, err := fmt.Fprintf(conn, "%sContent-Length: %d\r\n\r\n%s", head, len(goodBody), goodBody)
	check(t, err)
	if line := b.accessLine(); line["status"] != 499.0 || line["reason"] != "client_closed" {
		t.Errorf("the log says %v", line)
	}
}

// TestSlowReaderGetsItsAnswer: a client that takes longer than the limit for all of an answer, and not for any step of
// it, gets it whole.
func TestSlowReaderGetsItsAnswer(t *testing.T) {
	t.Parallel()
	const size, limit = 32 << 20, 4 * time.Second // the step of a busy machine
	b := newBundle(t, func(context.Context, *llm.Call) (*llm.Response, error) {
		return &llm.Response{Status: http.StatusOK, Header: http.Header{}, Body: make([]byte, size)}, nil
	}, options{env: []string{"LLM_WRITE_TIMEOUT=" + limit.String()}})
	conn := b.dial()
	defer conn.Close()
	_, err := fmt.Fprintf(conn, "%sContent-Length: %d\r\n\r\n%s", head, len(goodBody), goodBody)
	check(t, err)
	read, start := int64(0), time.Now()
	for err == nil {
		var n int64
		n, err = io.CopyN(io.Discard, conn, size/10)
		read += n
		longer(limit / 8)
	}
	if read < size || time.Since(start) < limit {
		t.Errorf("%d bytes came in %v: %v", read, time.Since(start), err)
	}
}

// TestConnectionOutlivesItsStreams: the deadline of an event must harm neither the end of its stream, which may come
// much later, nor the next request on the connection.
func TestConnectionOutlivesItsStreams(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]error{
		"a good end": nil,
		"a bad end":  &llm.VendorError{Kind: llm.KindTimeout, Attempts: 1, Streamed: true, Err: llm.ErrStreamIdle},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBundle(t, func(ctx context.Context, call *llm.Call) (*llm.Response, error) {
				if !call.Payload.Stream {
					longer(3 * 100 * time.Millisecond)
					return answers(ctx, call)
				}
				return streams(func(_ context.Context, client llm.Sink) error {
					if err := client.Event([]byte(event(0))); err != nil {
						return err
					}
					longer(3 * 100 * time.Millisecond)
					return end
				})(ctx, call)
			}, options{env: impatient})
			for range 2 {
				_, events := b.open("/llm")
				if all, err := io.ReadAll(events); (err == nil) != (end == nil) {
					t.Fatalf("after %q: %v", all, err)
				}
				if got := b.post("/llm"); got.status != http.StatusOK {
					t.Errorf("got %d %s", got.status, got.body)
				}
			}
		})
	}
}

// longer lets time pass on a real connection: what is tested is a deadline of the kernel's.
func longer(d time.Duration) { <-time.After(d) }
