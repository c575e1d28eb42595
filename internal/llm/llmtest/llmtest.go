// Package llmtest has what the tests of the way to the vendor share: a vendor without a network, and a Caller with the
// gates of one pod that needs no Redis, so that both can live in a synctest bubble.
package llmtest

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/llm/chain"
	"github.com/spillway-dev/spillway/internal/llm/upstream"
)

// RoundTrip is a vendor without a network.
type RoundTrip func(*http.Request) (*http.Response, error)

// RoundTrip answers the request.
func (f RoundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// Answer is a vendor's answer as a transport would return it.
func Answer(status int, header http.Header, body string) *http.Response {
	if header == nil {
		header = http.Header{}
	}
	return &http.Response{
		StatusCode: status, Header: header, ContentLength: int64(len(body)), ProtoMajor: 1, ProtoMinor: 1,
		Body: io.NopCloser(strings.NewReader(body)),
	}
}

// Always is a vendor that answers every request alike.
func Always(status int, header http.Header, body string) RoundTrip {
	return func(*http.Request) (*http.Response, error) { return Answer(status, header.Clone(), body), nil }
}

// Hang waits until the request is given up.
func Hang(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, context.Cause(r.Context())
}

// Config has the defaults of the settings that need no Redis.
func Config() chain.Config {
	return chain.Config{
		Slots: 2, QueueTimeout: 5 * time.Second, CallTimeout: 30 * time.Second, StreamIdle: 15 * time.Second,
		LaneConfig: chain.LaneConfig{Vendor: upstream.Config{
			URL: "http://vendor.test/v1", APIKey: "sk-test", AuthHeader: "Authorization", AuthScheme: "Bearer",
			ConnectTimeout: time.Second, MaxResponse: 1 << 20,
		}},
		Retry: llm.RetryConfig{Max: 3, Base: 250 * time.Millisecond, MaxDelay: 10 * time.Second, Budget: 1},
	}
}

// Local is a Caller with the gates of one pod.
type Local struct {
	*llm.Caller
	Slots *llm.Slots
	Reg   *prometheus.Registry // with the metrics of all of it
}

// Caller returns a Caller with the gates of one pod, and with those of before in front of them.
func Caller(t testing.TB, cfg chain.Config, vendor RoundTrip, before ...llm.NamedGate) Local {
	t.Helper()
	reg := prometheus.NewRegistry()
	cfg.Vendor.Wrap = func(http.RoundTripper) http.RoundTripper { return vendor }
	exchanger, err := upstream.New(cfg.Vendor, upstream.Times{Call: cfg.CallTimeout, StreamIdle: cfg.StreamIdle,
		StreamMax: cfg.StreamMax}, cfg.Slots, slog.New(slog.DiscardHandler), reg)
	OK(t, err)
	t.Cleanup(exchanger.Close)
	pacer, err := llm.NewPacer(cfg.Pacer, reg)
	OK(t, err)
	slots, err := llm.NewSlots(cfg.Slots, 0, reg)
	OK(t, err)
	gates := slices.Concat(before, []llm.NamedGate{llm.Named("pacer", pacer), llm.Named("slots", slots)})
	pod := func() llm.Conditions {
		return llm.Conditions{SlotUse: slots.Use()}
	}
	caller, err := llm.NewCaller(llm.CallerConfig{QueueTimeout: cfg.QueueTimeout, Retry: cfg.Retry}, gates, exchanger,
		pod, reg)
	OK(t, err)
	return Local{caller, slots, reg}
}

// GateFunc is a gate made of a func.
type GateFunc func(context.Context, *llm.Call) (func(llm.Result), error)

// Enter calls the func.
func (f GateFunc) Enter(ctx context.Context, call *llm.Call) (func(llm.Result), error) {
	return f(ctx, call)
}

// NewCall returns a small call that is not streamed.
func NewCall() *llm.Call {
	body := []byte(`{"model":"m","messages":[]}`)
	p, _ := llm.ParsePayload(nil, body, llm.EstimateConfig{})
	return &llm.Call{ID: "req-1", Body: body, Payload: p, Priority: llm.Normal}
}

// NewStreamCall returns a small call that is streamed to sink.
func NewStreamCall(sink llm.Sink) *llm.Call {
	call := NewCall()
	call.Payload.Stream, call.Stream = true, sink
	return call
}

// EventStream is a vendor that plays script: it runs in a goroutine of its own and writes to the answer's body.
func EventStream(script func(ctx context.Context, w *io.PipeWriter)) RoundTrip {
	return func(r *http.Request) (*http.Response, error) {
		pr, pw := io.Pipe()
		context.AfterFunc(r.Context(), func() { pw.CloseWithError(context.Cause(r.Context())) })
		go script(r.Context(), pw)
		res := Answer(http.StatusOK, http.Header{"Content-Type": {"text/event-stream; charset=utf-8"}}, "")
		res.Body, res.ContentLength, res.TransferEncoding = pr, -1, []string{"chunked"}
		return res, nil
	}
}

// OK ends the test when err is not nil.
func OK(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Events collects a stream as a client would.
type Events struct {
	Header http.Header
	Raw    []string
	OnRaw  func(string) error // called for each event; may be nil
}

// Start takes the headers.
func (e *Events) Start(h http.Header) error { e.Header = h; return nil }

// Event takes one event.
func (e *Events) Event(raw []byte) error {
	e.Raw = append(e.Raw, string(raw))
	if e.OnRaw != nil {
		return e.OnRaw(string(raw))
	}
	return nil
}
