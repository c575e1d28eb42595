package upstream_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/spillway-dev/spillway/internal/deadline"
	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/llm/llmtest"
	"github.com/spillway-dev/spillway/internal/llm/upstream"
)

const (
	chunkA = "data: {\"object\":\"chat.completion.chunk\",\"a\":1}\n\n"
	chunkB = "data: {\"object\":\"chat.completion.chunk\",\"b\":1}\n\n"
	done   = "data: [DONE]\n\n"
)

func TestStreamPassesEventsOnAsTheyCome(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var at []time.Duration
		sink := &llmtest.Events{OnRaw: func(string) error { at = append(at, time.Since(start)); return nil }}
		c := llmtest.Caller(t, llmtest.Config(), llmtest.EventStream(func(_ context.Context, w *io.PipeWriter) {
			for _, s := range []string{chunkA, chunkB, done} {
				time.Sleep(10 * time.Second) // below the idle limit each, over the call timeout together
				_, _ = io.WriteString(w, s)
			}
			w.Close()
		}))
		call := llmtest.NewStreamCall(sink)
		resp, err := c.Do(t.Context(), call)
		llmtest.OK(t, err)
		if !resp.Streamed || strings.Join(sink.Raw, "") != chunkA+chunkB+done || sink.Header.Get("Content-Type") == "" {
			t.Errorf("the client got %q", sink.Raw)
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
		var c llmtest.Local
		sink := &llmtest.Events{OnRaw: func(string) error {
			if c.Slots.Used() != 1 {
				t.Errorf("%d slots used within the stream", c.Slots.Used())
			}
			return nil
		}}
		c = llmtest.Caller(t, llmtest.Config(), llmtest.EventStream(func(_ context.Context, w *io.PipeWriter) {
			_, _ = io.WriteString(w, chunkA+done)
			w.Close()
		}))
		_, err := c.Do(t.Context(), llmtest.NewStreamCall(sink))
		llmtest.OK(t, err)
		if c.Slots.Used() != 0 {
			t.Error("the slot is still taken")
		}
	})
}

func TestStreamThatStallsOrIsCutFailsAndIsNotRetried(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		end  func(ctx context.Context, w *io.PipeWriter)
		kind llm.Kind
		is   error
	}{
		"stall": {func(ctx context.Context, _ *io.PipeWriter) { <-ctx.Done() }, llm.KindIdle,
			llm.ErrStreamIdle},
		"cut": {func(_ context.Context, w *io.PipeWriter) { w.CloseWithError(io.ErrUnexpectedEOF) },
			llm.KindConnection, io.ErrUnexpectedEOF},
		"end, no [DONE]": {func(_ context.Context, w *io.PipeWriter) { w.Close() }, llm.KindConnection,
			upstream.ErrCut},
	} {
		synctest.Test(t, func(t *testing.T) {
			attempts := 0
			stream := llmtest.EventStream(func(ctx context.Context, w *io.PipeWriter) {
				_, _ = io.WriteString(w, chunkA)
				tt.end(ctx, w)
			})
			c := llmtest.Caller(t, llmtest.Config(),
				func(r *http.Request) (*http.Response, error) { attempts++; return stream(r) })
			sink := &llmtest.Events{}
			_, err := c.Do(t.Context(), llmtest.NewStreamCall(sink))
			failed, isVendor := errors.AsType[*llm.VendorError](err)
			if !isVendor || failed.Kind != tt.kind || !failed.Streamed || !failed.Failure() || !errors.Is(err, tt.is) {
				t.Errorf("%s: got %v", name, err)
			}
			if attempts != 1 || len(sink.Raw) != 1 {
				t.Errorf("%s: %d attempts, client got %q", name, attempts, sink.Raw)
			}
		})
	}
}

// Until its first byte has reached the client, a stream is retried like any call.
func TestStreamIsRetriedBeforeItsFirstEvent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		attempts := 0
		c := llmtest.Caller(t, llmtest.Config(), func(r *http.Request) (*http.Response, error) {
			attempts++
			return llmtest.EventStream(func(_ context.Context, w *io.PipeWriter) {
				if attempts == 2 {
					_, _ = io.WriteString(w, chunkA+done)
				}
				w.Close()
			})(r)
		})
		sink := &llmtest.Events{}
		_, err := c.Do(t.Context(), llmtest.NewStreamCall(sink))
		llmtest.OK(t, err)
		if attempts != 2 || len(sink.Raw) != 1 { // both events in one write, as they came
			t.Errorf("%d attempts, client got %q", attempts, sink.Raw)
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
			var last llm.Result
			spy := llmtest.GateFunc(func(context.Context, *llm.Call) (func(llm.Result), error) {
				return func(o llm.Result) { last = o }, nil
			})
			c := llmtest.Caller(t, llmtest.Config(), llmtest.EventStream(func(ctx context.Context, w *io.PipeWriter) {
				_, _ = io.WriteString(w, chunkA)
				<-ctx.Done()
				close(cancelled)
			}), llm.Named("spy", spy))
			_, err := c.Do(ctx,
				llmtest.NewStreamCall(&llmtest.Events{OnRaw: func(string) error { return leave(hangUp) }}))
			<-cancelled
			if _, isVendor := errors.AsType[*llm.VendorError](err); err == nil || isVendor {
				t.Errorf("%s: got %v", name, err)
			}
			if !last.ClientGone || !last.Called || c.Slots.Used() != 0 {
				t.Errorf("%s: gates saw %+v, %d slots used", name, last, c.Slots.Used())
			}
		})
	}
}

// The idle limit bounds the vendor: it does not run while the client is slow to take an event.
func TestStreamIdleLimitDoesNotCountASlowClient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sink := &llmtest.Events{OnRaw: func(string) error { time.Sleep(time.Minute); return nil }}
		c := llmtest.Caller(t, llmtest.Config(), llmtest.EventStream(func(_ context.Context, w *io.PipeWriter) {
			_, _ = io.WriteString(w, chunkA)
			_, _ = io.WriteString(w, done)
			w.Close()
		}))
		_, err := c.Do(t.Context(), llmtest.NewStreamCall(sink))
		llmtest.OK(t, err)
	})
}

type keyOfTest struct{}

// The SLA bounds a stream up to its first event. From then on its pauses and its whole length are bounded, and the
// error names the limit that ended it.
func TestStreamLimits(t *testing.T) {
	t.Parallel()
	every := func(d time.Duration, n int, first string) llmtest.RoundTrip {
		return llmtest.EventStream(func(ctx context.Context, w *io.PipeWriter) {
			_, _ = io.WriteString(w, first)
			for range n {
				select {
				case <-time.After(d):
				case <-ctx.Done():
					return
				}
				_, _ = io.WriteString(w, chunkA)
			}
			_, _ = io.WriteString(w, done)
			w.Close()
		})
	}
	role := `data: {"choices":[{"delta":{"role":"assistant"}}]}` + "\n\n"
	for name, tt := range map[string]limitedStream{
		"longer than the SLA": {every(10*time.Second, 20, chunkA), 200 * time.Second, "", nil},
		"longer than STREAM_MAX": {
			every(10*time.Second, 100, chunkA), 300 * time.Second, llm.KindLength, llm.ErrStreamMax},
		"a pause":        {every(40*time.Second, 1, chunkA), 15 * time.Second, llm.KindIdle, llm.ErrStreamIdle},
		"no first event": {every(40*time.Second, 1, ""), 20 * time.Second, llm.KindTimeout, llm.ErrFirstEvent},
		"nothing to show": {
			every(40*time.Second, 1, role), 20 * time.Second, llm.KindTimeout, llm.ErrFirstEvent},
	} {
		for _, wrapped := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) { tt.test(t, wrapped) })
			})
		}
	}
}

// limitedStream is a stream, and how it ends.
type limitedStream struct {
	vendor llmtest.RoundTrip
	took   time.Duration
	kind   llm.Kind // empty: not the vendor's
	is     error    // nil: whole
}

// test makes the call under an SLA of a minute. With wrapped the timer of the SLA runs, and a context with a value
// stands below it.
func (tt limitedStream) test(t *testing.T, wrapped bool) {
	cfg := llmtest.Config()
	cfg.StreamMax, cfg.Retry.Max = 300*time.Second, 0
	cfg.Vendor.Wrap = func(http.RoundTripper) http.RoundTripper { return tt.vendor }
	v, err := upstream.New(cfg.Vendor, upstream.Times{
		Call: cfg.CallTimeout, FirstEvent: 20 * time.Second, StreamIdle: cfg.StreamIdle,
		StreamMax: cfg.StreamMax,
	}, cfg.Slots, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	llmtest.OK(t, err)
	start := time.Now()
	sla := deadline.New(t.Context(), start.Add(60*time.Second), errors.New("SLA"))
	defer sla.Stop()
	ctx := context.Context(sla)
	if wrapped {
		_ = sla.Done()
		ctx = context.WithValue(sla, keyOfTest{}, 1)
	}
	_, out := v.Send(ctx, llmtest.NewStreamCall(&llmtest.Events{}))
	failed, _ := errors.AsType[*llm.VendorError](out.Err)
	if took := time.Since(start); took != tt.took {
		t.Errorf("ended after %v, want %v", took, tt.took)
	}
	switch {
	case tt.kind == "" && out.Err != nil, tt.kind != "" && (failed == nil || failed.Kind != tt.kind):
		t.Errorf("got %v", out.Err)
	case tt.is != nil && !errors.Is(out.Err, tt.is):
		t.Errorf("got %v, want %v", out.Err, tt.is)
	case failed != nil && failed.Failure() != (tt.kind != llm.KindLength):
		t.Errorf("%v counts against the vendor: %v", failed, failed.Failure())
	}
}
