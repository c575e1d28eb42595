package llm

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const (
	chunkA = "data: {\"object\":\"chat.completion.chunk\",\"a\":1}\n\n"
	chunkB = "data: {\"object\":\"chat.completion.chunk\",\"b\":1}\n\n"
	done   = "data: [DONE]\n\n"
)

func newStreamCall(sink Sink) *Call {
	call := newCall()
	call.Payload.Stream, call.Stream = true, sink
	return call
}

// eventStream is a vendor that plays script: it runs in a goroutine of its own and writes to the answer's body.
func eventStream(script func(ctx context.Context, w *io.PipeWriter)) roundTrip {
	return func(r *http.Request) (*http.Response, error) {
		pr, pw := io.Pipe()
		context.AfterFunc(r.Context(), func() { pw.CloseWithError(context.Cause(r.Context())) })
		go script(r.Context(), pw)
		res := answer(http.StatusOK, http.Header{"Content-Type": {"text/event-stream; charset=utf-8"}}, "")
		res.Body, res.ContentLength, res.TransferEncoding = pr, -1, []string{"chunked"}
		return res, nil
	}
}

func TestStreamPassesEventsOnAsTheyCome(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var at []time.Duration
		sink := &events{onRaw: func(string) error { at = append(at, time.Since(start)); return nil }}
		c := localCaller(t, localConfig(), eventStream(func(_ context.Context, w *io.PipeWriter) {
			for _, s := range []string{chunkA, chunkB, done} {
				time.Sleep(10 * time.Second) // below the idle limit each, over the call timeout together
				_, _ = io.WriteString(w, s)
			}
			w.Close()
		}))
		call := newStreamCall(sink)
		resp, err := c.Do(t.Context(), call)
		ok(t, err)
		if !resp.Streamed || strings.Join(sink.raw, "") != chunkA+chunkB+done || sink.header.Get("Content-Type") == "" {
			t.Errorf("the client got %q", sink.raw)
		}
		if len(at) != 3 || at[0] != 10*time.Second || at[2] != 30*time.Second {
			t.Errorf("events came at %v", at)
		}
		if call.Usage.Completion != 2 {
			t.Errorf("usage %+v", call.Usage)
		}
	})
}

func TestStreamHoldsItsSlotUntilTheLastByte(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var c *Caller
		sink := &events{onRaw: func(string) error {
			if c.Slots.Used() != 1 {
				t.Errorf("%d slots used within the stream", c.Slots.Used())
			}
			return nil
		}}
		c = localCaller(t, localConfig(), eventStream(func(_ context.Context, w *io.PipeWriter) {
			_, _ = io.WriteString(w, chunkA+done)
			w.Close()
		}))
		_, err := c.Do(t.Context(), newStreamCall(sink))
		ok(t, err)
		if c.Slots.Used() != 0 {
			t.Error("the slot is still taken")
		}
	})
}

func TestStreamThatStallsOrIsCutFailsAndIsNotRetried(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		end  func(ctx context.Context, w *io.PipeWriter)
		kind Kind
		is   error
	}{
		"stall":          {func(ctx context.Context, _ *io.PipeWriter) { <-ctx.Done() }, KindTimeout, ErrStreamIdle},
		"cut":            {func(_ context.Context, w *io.PipeWriter) { w.CloseWithError(io.ErrUnexpectedEOF) }, KindConnection, io.ErrUnexpectedEOF},
		"end, no [DONE]": {func(_ context.Context, w *io.PipeWriter) { w.Close() }, KindConnection, errCut},
	} {
		synctest.Test(t, func(t *testing.T) {
			attempts := 0
			stream := eventStream(func(ctx context.Context, w *io.PipeWriter) {
				_, _ = io.WriteString(w, chunkA)
				tt.end(ctx, w)
			})
			c := localCaller(t, localConfig(), func(r *http.Request) (*http.Response, error) { attempts++; return stream(r) })
			sink := &events{}
			_, err := c.Do(t.Context(), newStreamCall(sink))
			failed, isVendor := errors.AsType[*VendorError](err)
			if !isVendor || failed.Kind != tt.kind || !failed.Streamed || !failed.Failure() || !errors.Is(err, tt.is) {
				t.Errorf("%s: got %v", name, err)
			}
			if attempts != 1 || len(sink.raw) != 1 {
				t.Errorf("%s: %d attempts, client got %q", name, attempts, sink.raw)
			}
		})
	}
}

// Before the first byte has reached the client a stream is as good as any call: it is retried.
func TestStreamIsRetriedBeforeItsFirstEvent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		attempts := 0
		c := localCaller(t, localConfig(), func(r *http.Request) (*http.Response, error) {
			attempts++
			return eventStream(func(_ context.Context, w *io.PipeWriter) {
				if attempts == 2 {
					_, _ = io.WriteString(w, chunkA+done)
				}
				w.Close()
			})(r)
		})
		sink := &events{}
		_, err := c.Do(t.Context(), newStreamCall(sink))
		ok(t, err)
		if attempts != 2 || len(sink.raw) != 2 {
			t.Errorf("%d attempts, client got %q", attempts, sink.raw)
		}
	})
}

func TestStreamIsCancelledUpstreamWhenTheClientLeaves(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken pipe")
	for name, leave := range map[string]func(hangUp func()) error{
		"connection closed": func(hangUp func()) error { hangUp(); return nil },
		"write fails":       func(func()) error { return broken },
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, hangUp := context.WithCancel(t.Context())
			defer hangUp()
			cancelled := make(chan struct{})
			c := localCaller(t, localConfig(), eventStream(func(ctx context.Context, w *io.PipeWriter) {
				_, _ = io.WriteString(w, chunkA)
				<-ctx.Done()
				close(cancelled)
			}))
			var last Outcome
			c.gates = append([]namedGate{named("spy", gateFunc(func(context.Context, *Call) (func(Outcome), error) {
				return func(o Outcome) { last = o }, nil
			}))}, c.gates...)
			_, err := c.Do(ctx, newStreamCall(&events{onRaw: func(string) error { return leave(hangUp) }}))
			<-cancelled
			if _, isVendor := errors.AsType[*VendorError](err); err == nil || isVendor {
				t.Errorf("%s: got %v", name, err)
			}
			if !last.ClientGone || !last.Called || c.Slots.Used() != 0 {
				t.Errorf("%s: gates saw %+v, %d slots used", name, last, c.Slots.Used())
			}
		})
	}
}

// The idle limit is the vendor's: while the client is slow to take an event, the clock stands.
func TestStreamIdleLimitDoesNotCountASlowClient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sink := &events{onRaw: func(string) error { time.Sleep(time.Minute); return nil }}
		c := localCaller(t, localConfig(), eventStream(func(_ context.Context, w *io.PipeWriter) {
			_, _ = io.WriteString(w, chunkA)
			_, _ = io.WriteString(w, done)
			w.Close()
		}))
		_, err := c.Do(t.Context(), newStreamCall(sink))
		ok(t, err)
	})
}
