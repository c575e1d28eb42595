// Package upstream makes one HTTP exchange with the vendor for one attempt, and reads what the vendor answers.
//
//	Vendor.Send    call timeout, one exchange, a verdict on how it ended   vendor.go, verdict.go
//	  watch        ends the exchange when a limit on its progress ends     watch.go
//	  exchange     sends the request, and chooses how to read the answer   exchange.go
//	    request    its address, headers, key and body                      address.go, pass.go, key.go, body.go
//	    pool       connections, and how old they may become                pool.go
//	    resend     a request that the vendor has handed back unread        resend.go
//	    limits     what the headers say about the vendor's limits          limits.go
//	    refused    an answer whose status is not 2xx                       refused.go
//	    buffered   an answer in one piece                                  answer.go, buffer.go
//	    streamed   an answer in server-sent events                         stream.go, events.go, meter.go, chunk.go
//	               in lines of JSON, or in a coding that is not known      raw.go
//	  failureOf    whether an error is the client's, or the vendor's       failure.go, errordocument.go
//	  usage        tokens by the vendor's own account                      usage.go
//
// It knows what a call is (package llm). It does not know gates, retries and Redis.
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
	transport   http.RoundTripper // an http.Client around it would add redirects and cookies, which are not wanted here
	pool        *pool             // the connections of transport
	request     http.Request      // what all requests have in common, without their headers
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
	// Until a stream has something to show. Zero means ten seconds while another lane would take the call, else Call.
	FirstEvent time.Duration
	StreamIdle time.Duration // between two events of a stream
	StreamMax  time.Duration // for a whole stream; zero means no limit
}

// New returns a Vendor. slots is how many calls are in flight at most; the connection pool is never smaller.
func New(cfg Config, times Times, slots int, log *slog.Logger, reg prometheus.Registerer) (*Vendor, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	at, err := cfg.address()
	if err != nil {
		return nil, err
	}
	u := at.urls[at.own]
	m, err := newMetrics(at.own, reg)
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

// Close closes idle connections, and no longer follows the file of the key.
func (v *Vendor) Close() {
	_ = v.keyFile.Close() // which has no error
	v.pool.close()
}

// Send makes one attempt under the call timeout. A nil Result.Err means that the response is to be given to the
// client: a success, or the vendor's own 4xx. When ctx ended first, Result.Err is its cause.
func (v *Vendor) Send(ctx context.Context, call *llm.Call) (*llm.Response, llm.Result) {
	start := time.Now()
	ctx, span := v.startSpan(ctx, call)
	limit, cause := v.firstLimit(call)
	watch := newWatch(ctx, limit, cause)
	defer watch.stop()
	out := llm.Result{Called: true}
	key := v.header.Load()
	resp, err := v.exchange(watch, call, *key, &out)
	if err != nil {
		out.Err, out.ClientGone = verdict(watch, call, err)
		v.lookForKey(ctx, key, out.Err)
	}
	out.Duration = time.Since(start)
	v.metrics.observe(v.asked(call), &out, resp)
	v.endSpan(span, resp, &out)
	return resp, out
}

// firstLimit returns the limit with which an exchange begins, and the cause of an end by it.
func (v *Vendor) firstLimit(call *llm.Call) (limit time.Duration, cause error) {
	if !call.Payload.Stream {
		return v.callTimeout, llm.ErrCallTimeout
	}
	first := cmp.Or(v.firstEvent, v.callTimeout)
	if v.firstEvent == 0 && call.FallbackReady {
		first = min(v.callTimeout, firstEventBeforeFallback)
	}
	return first, llm.ErrFirstEvent
}

// firstEventBeforeFallback is the time until a stream has something to show while another lane would take the call.
const firstEventBeforeFallback = 10 * time.Second
