package api_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/middleware"
	"github.com/spillway-dev/spillway/internal/outcome"
)

const streamBody = `{"model":"m","stream":true}`

// streams is a vendor whose stream f writes. It ends well when f returns nil.
func streams(f func(ctx context.Context, client llm.Sink) error) fakeCaller {
	return func(ctx context.Context, call *llm.Call) (*llm.Response, error) {
		if err := call.Stream.Start(http.Header{"Content-Type": {"text/event-stream"},
			"X-Vendor-Request-Id": {"v1"}}); err != nil {
			return nil, err
		}
		if err := f(ctx, call.Stream); err != nil {
			return nil, err
		}
		return &llm.Response{Status: http.StatusOK, Streamed: true}, nil
	}
}

func event(i int) string { return fmt.Sprintf("data: {\"n\":%d}\n\n", i) }

// open begins a stream and returns it with the means to read its events.
func (b *bundle) open(path string) (*http.Response, *bufio.Reader) {
	b.tb.Helper()
	res, err := b.server.Client().Do(b.request(http.MethodPost, path, streamBody))
	check(b.tb, err)
	b.tb.Cleanup(func() { _ = res.Body.Close() })
	return res, bufio.NewReader(res.Body)
}

// TestEventsComeAsTheyAre: each event reaches the client before the vendor sends the next one.
func TestEventsComeAsTheyAre(t *testing.T) {
	t.Parallel()
	next := make(chan struct{})
	b := newBundle(t, streams(func(_ context.Context, client llm.Sink) error {
		for i := range 3 {
			if err := client.Event([]byte(event(i))); err != nil {
				return err
			}
			<-next
		}
		return nil
	}), options{})
	res, events := b.open("/llm")
	for name, want := range map[string]string{
		"Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-store", "X-Accel-Buffering": "no",
		"X-Vendor-Request-Id": "v1",
	} {
		if got := res.Header.Get(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	for i := range 3 {
		got := make([]byte, len(event(i)))
		_, err := io.ReadFull(events, got)
		check(t, err)
		if string(got) != event(i) {
			t.Errorf("got %q, want %q", got, event(i))
		}
		next <- struct{}{}
	}
	if rest, err := io.ReadAll(events); err != nil || len(rest) != 0 {
		t.Errorf("after the last event came %q, %v", rest, err)
	}
	if line := b.accessLine(); line["status"] != 200.0 || line["stream"] != true {
		t.Errorf("the log says %v", line)
	}
}

// TestVendorsOwnErrorEventIsTheOnlyOne: the vendor's error event is passed on, none of ours follows, and the connection
// breaks off.
func TestVendorsOwnErrorEventIsTheOnlyOne(t *testing.T) {
	t.Parallel()
	b := newBundle(t, streams(func(_ context.Context, client llm.Sink) error {
		return errors.Join(client.Event([]byte(event(0))),
			&llm.VendorError{Kind: llm.KindStatus, Status: 500, Streamed: true, Told: true})
	}), options{})
	_, events := b.open("/v1/chat/completions")
	all, err := io.ReadAll(events)
	if string(all) != event(0) || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %q, %v", all, err)
	}
	if line := b.accessLine(); line["reason"] != "vendor_error" {
		t.Errorf("the log says %v", line)
	}
}

// TestOtherStreamsKeepTheirType: no event is put into a stream that is none of events.
func TestOtherStreamsKeepTheirType(t *testing.T) {
	t.Parallel()
	b := newBundle(t, func(_ context.Context, call *llm.Call) (*llm.Response, error) {
		if err := call.Stream.Start(http.Header{"Content-Type": {"application/x-ndjson"}}); err != nil {
			return nil, err
		}
		return nil, errors.Join(call.Stream.Event([]byte("{}\n")),
			&llm.VendorError{Kind: llm.KindConnection, Streamed: true})
	}, options{})
	res, lines := b.open("/llm")
	all, err := io.ReadAll(lines)
	if string(all) != "{}\n" || !errors.Is(err, io.ErrUnexpectedEOF) ||
		res.Header.Get("Content-Type") != "application/x-ndjson" {
		t.Errorf("got %q of type %q, %v", all, res.Header.Get("Content-Type"), err)
	}
}

// TestBrokenStreamEndsWithAnError: a stream that breaks never looks like one that ended, neither in its events nor in
// how its body ends.
func TestBrokenStreamEndsWithAnError(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err  error
		code string
	}{
		"cut": {&llm.VendorError{Kind: llm.KindConnection, Attempts: 1, Streamed: true, Err: io.ErrUnexpectedEOF},
			"vendor_error"},
		"stalled": {&llm.VendorError{Kind: llm.KindIdle, Attempts: 1, Streamed: true, Err: llm.ErrStreamIdle},
			"stream_idle"},
		"long": {&llm.VendorError{Kind: llm.KindLength, Attempts: 1, Streamed: true, Err: llm.ErrStreamMax},
			"stream_too_long"},
		"SLA":     {middleware.ErrDeadline, "deadline_exceeded"},
		"closing": {&outcome.Rejected{Layer: "server", Reason: outcome.ShuttingDown}, "shutting_down"},
		"defect":  {errors.New("hunter2"), "internal"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBundle(t, streams(func(_ context.Context, client llm.Sink) error {
				return errors.Join(client.Event([]byte(event(0))), c.err)
			}), options{})
			for path, lead := range map[string]string{"/llm": "event: error\ndata: {\"type\":",
				"/v1/chat/completions": "data: {\"type\":"} {
				res, events := b.open(path)
				all, err := io.ReadAll(events)
				if !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Errorf("%s: the body ended cleanly: %v", path, err)
				}
				last, ok := strings.CutPrefix(string(all), event(0))
				if !ok || !strings.HasPrefix(last, lead) || !strings.HasSuffix(last, "}\n\n") ||
					strings.Count(last, "\n\n") != 1 {
					t.Errorf("%s: want one event and the error, got %q", path, all)
				}
				if !strings.Contains(last, `"code":"`+c.code+`"`) || strings.Contains(last, "[DONE]") ||
					strings.Contains(last, "hunter2") {
					t.Errorf("%s: the error is %q", path, last)
				}
				if line := b.accessLine(); line["reason"] != c.code || line["status"] == 200.0 ||
					line["request_id"] != res.Header.Get("X-Request-ID") {
					t.Errorf("%s: the log says %v", path, line)
				}
			}
		})
	}
}

// TestPanicInAStreamBreaksTheConnection: the client must not take half an answer for a whole one.
func TestPanicInAStreamBreaksTheConnection(t *testing.T) {
	t.Parallel()
	b := newBundle(t, streams(func(_ context.Context, client llm.Sink) error {
		check(t, client.Event([]byte(event(0))))
		panic("defect")
	}), options{})
	_, events := b.open("/llm")
	if all, err := io.ReadAll(events); err == nil {
		t.Errorf("a clean end after %q", all)
	}
	if line := b.accessLine(); line["status"] != 500.0 || line["reason"] != "internal" {
		t.Errorf("the log says %v", line)
	}
}

// TestStreamOfAClientThatLeaves: it is cancelled, and counts as closed by the client.
func TestStreamOfAClientThatLeaves(t *testing.T) {
	t.Parallel()
	cause := make(chan error, 1)
	b := newBundle(t, streams(func(ctx context.Context, client llm.Sink) error {
		if err := client.Event([]byte(event(0))); err != nil {
			return err
		}
		<-ctx.Done()
		cause <- context.Cause(ctx)
		return context.Cause(ctx)
	}), options{})
	res, events := b.open("/llm")
	_, err := events.Peek(1)
	check(t, err)
	check(t, res.Body.Close())
	if err := <-cause; !errors.Is(err, context.Canceled) {
		t.Errorf("the call ended with %v", err)
	}
	if line := b.accessLine(); line["status"] != 499.0 || line["reason"] != "client_closed" {
		t.Errorf("the log says %v", line)
	}
}

// TestEventThatCannotBeFlushedIsNotDelivered: the call ends because its client is gone.
func TestEventThatCannotBeFlushedIsNotDelivered(t *testing.T) {
	t.Parallel()
	told := make(chan error, 1)
	b := newBundle(t, streams(func(_ context.Context, client llm.Sink) error {
		err := client.Event([]byte(event(0)))
		told <- err
		return err
	}), options{})
	func() {
		defer func() {
			if p := recover(); p != http.ErrAbortHandler { //nolint:errorlint // net/http compares it like this too
				t.Errorf("the connection is not closed, but %v", p)
			}
		}()
		b.handler.ServeHTTP(&broken{httptest.NewRecorder()}, b.request(http.MethodPost, "/llm", streamBody))
	}()
	if err := <-told; !errors.Is(err, errBroken) {
		t.Errorf("the call was told %v", err)
	}
	if line := b.accessLine(); line["status"] != 499.0 {
		t.Errorf("the log says %v", line)
	}
}

// broken is a connection that takes bytes and can deliver none.
type broken struct{ *httptest.ResponseRecorder }

var errBroken = errors.New("broken pipe")

func (broken) FlushError() error                { return errBroken }
func (broken) SetWriteDeadline(time.Time) error { return nil }
