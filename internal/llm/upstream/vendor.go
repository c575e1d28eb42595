// Package upstream makes one HTTP exchange with the vendor for one attempt, and reads what the vendor answers.
//
//	Vendor.Send      call timeout, one exchange, a verdict on how it ended      vendor.go
//	  watch          ends the exchange when a limit on its progress runs out    watch.go
//	  key            the key that is in force                                   key.go
//	  pool           connections, and how old they may become                   pool.go
//	  resend         a request that the vendor has handed back unread           resend.go
//	  limits         what the headers say about the vendor's limits             limits.go
//	  buffer         an answer in one piece                                     buffer.go
//	  relay          an answer in server-sent events                            stream.go, events.go
//	  usage          tokens by the vendor's own account                         usage.go
//
// It knows what a call is (package llm) and nothing of gates, retries and Redis.
package upstream

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"

	"github.com/spillway-dev/spillway/internal/follow"
	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/memory"
)

// Vendor makes one HTTP exchange for one attempt: no SDK, no redirects, no hidden retry.
type Vendor struct {
	transport   http.RoundTripper // bare: an http.Client would add redirects and cookies, which are not wanted here
	pool        *pool             // what transport sends through
	request     http.Request      // what every request has in common, but for the headers
	header      atomic.Pointer[http.Header]
	keyFile     *follow.File
	at          address
	passed      []string // names of the client's headers that go on
	name        string
	maxResponse int64
	memory      *memory.Budget
	callTimeout time.Duration
	firstEvent  time.Duration
	streamIdle  time.Duration
	streamMax   time.Duration
	propagator  propagation.TextMapPropagator
	metrics     *metrics
}

// Times are the limits on one exchange.
type Times struct {
	Call time.Duration // one attempt with a buffered answer
	// Until a stream has something to show; zero means ten seconds while another lane can take the call, else Call.
	FirstEvent time.Duration
	StreamIdle time.Duration // between two events of a stream
	StreamMax  time.Duration // for a whole stream; zero means no limit
}

// New returns a Vendor whose connection pool is never smaller than slots, the calls in flight at most.
func New(cfg Config, times Times, slots int, log *slog.Logger, reg prometheus.Registerer) (*Vendor, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	at, err := cfg.address()
	if err != nil {
		return nil, err
	}
	u := at.urls[at.own]
	m, err := newMetrics(reg)
	if err != nil {
		return nil, err
	}
	pool := newPool(cfg, times, max(cfg.Pool, slots), m)
	var transport http.RoundTripper = pool
	if cfg.Wrap != nil {
		transport = cfg.Wrap(pool)
	}
	v := &Vendor{
		transport:   transport,
		pool:        pool,
		at:          at,
		passed:      cfg.passed(),
		name:        cmp.Or(cfg.Name, u.Host),
		maxResponse: cfg.MaxResponse,
		memory:      cfg.Memory,
		metrics:     m,
		callTimeout: times.Call,
		firstEvent:  times.FirstEvent,
		streamIdle:  times.StreamIdle,
		streamMax:   times.StreamMax,
		propagator:  otel.GetTextMapPropagator(),
		request: http.Request{
			Method:     http.MethodPost,
			URL:        u,
			Host:       u.Host,
			Proto:      "HTTP/1.1",
			ProtoMajor: 1,
			ProtoMinor: 1,
		},
	}
	if err := v.authenticate(cfg, log, reg); err != nil {
		return nil, err
	}
	return v, nil
}

// Name is the vendor's name in Redis keys and spans.
func (v *Vendor) Name() string { return v.name }

// Close closes idle connections, and follows the key no longer.
func (v *Vendor) Close() {
	_ = v.keyFile.Close() // which has no error
	v.pool.close()
}

// Send makes one attempt under the call timeout. A nil Result.Err means that the response is to be given to the
// client: a success, or the vendor's own 4xx. When ctx ended first, Result.Err is its cause.
func (v *Vendor) Send(ctx context.Context, call *llm.Call) (*llm.Response, llm.Result) {
	start := time.Now()
	ctx, span := v.startSpan(ctx, call)
	watch := newWatch(v.begin(ctx, call))
	defer watch.stop()
	out := llm.Result{Called: true}
	key := v.header.Load()
	resp, err := v.exchange(watch, call, *key, &out)
	if err != nil {
		out.Err, out.ClientGone = verdict(watch, call, err)
		v.lookForKey(ctx, key, out.Err)
	}
	out.Duration = time.Since(start)
	v.metrics.observe(&out, resp)
	v.endSpan(span, resp, &out)
	return resp, out
}

// begin returns the first limit on an exchange, and the cause of its end.
func (v *Vendor) begin(ctx context.Context, call *llm.Call) (context.Context, time.Duration, error) {
	if !call.Payload.Stream {
		return ctx, v.callTimeout, llm.ErrCallTimeout
	}
	first := cmp.Or(v.firstEvent, v.callTimeout)
	if v.firstEvent == 0 && call.FallbackReady {
		first = min(v.callTimeout, elsewhereFirstEvent)
	}
	return ctx, first, llm.ErrFirstEvent
}

// elsewhereFirstEvent is the time until a stream that another lane can take over has something to show.
const elsewhereFirstEvent = 10 * time.Second
