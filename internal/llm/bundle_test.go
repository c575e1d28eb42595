package llm

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9/logging"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	logging.Disable() // go-redis would write to standard error what tests provoke
	goleak.VerifyTestMain(m)
}

// roundTrip is a vendor without a network, for tests in a synctest bubble.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// answer is a vendor's answer as a transport would return it.
func answer(status int, header http.Header, body string) *http.Response {
	if header == nil {
		header = http.Header{}
	}
	return &http.Response{
		StatusCode: status, Header: header, ContentLength: int64(len(body)), ProtoMajor: 1, ProtoMinor: 1,
		Body: io.NopCloser(strings.NewReader(body)),
	}
}

// hang waits until the request is given up.
func hang(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, context.Cause(r.Context())
}

// localConfig has the defaults of the settings that need no Redis.
func localConfig() Config {
	return Config{
		Slots: 2, QueueTimeout: 5 * time.Second, CallTimeout: 30 * time.Second, StreamIdle: 15 * time.Second,
		Vendor: VendorConfig{URL: "http://vendor.test/v1", APIKey: "sk-test", AuthHeader: "Authorization", AuthScheme: "Bearer", ConnectTimeout: time.Second, MaxResponse: 1 << 20},
		Retry:  RetryConfig{Max: 3, Base: 250 * time.Millisecond, MaxDelay: 10 * time.Second, Budget: 1},
	}
}

// localCaller is a Caller with the gates of this pod and whatever stands before them, without Redis, so that it can live
// in a synctest bubble.
func localCaller(t testing.TB, cfg Config, vendor roundTrip, before ...namedGate) *Caller {
	t.Helper()
	reg := prometheus.NewRegistry()
	m, err := newMetrics(reg)
	ok(t, err)
	c := &Caller{cfg: cfg, metrics: m}
	c.vendor, err = NewVendor(cfg, reg)
	ok(t, err)
	c.vendor.transport = vendor
	c.Pacer, err = NewPacer(cfg.Pacer, reg)
	ok(t, err)
	c.Slots, err = NewSlots(cfg.Slots, reg)
	ok(t, err)
	c.gates = slices.Concat(before, []namedGate{named("pacer", c.Pacer), named("slots", c.Slots)})
	c.retry = newRetry(cfg.Retry, func() conditions {
		return conditions{slotUse: float64(c.Slots.Used()) / float64(c.Slots.Size())}
	}, m)
	return c
}

// gateFunc is a gate made of a func.
type gateFunc func(context.Context, *Call) (func(Outcome), error)

func (f gateFunc) Enter(ctx context.Context, call *Call) (func(Outcome), error) { return f(ctx, call) }

func newCall() *Call {
	body := []byte(`{"model":"m","messages":[]}`)
	p, _ := ParsePayload(body)
	return &Call{ID: "req-1", Body: body, Payload: p, Priority: Normal}
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// events collects a stream as a client would.
type events struct {
	header http.Header
	raw    []string
	onRaw  func(string) error
}

func (e *events) Start(h http.Header) error { e.header = h; return nil }

func (e *events) Event(raw []byte) error {
	e.raw = append(e.raw, string(raw))
	if e.onRaw != nil {
		return e.onRaw(string(raw))
	}
	return nil
}
