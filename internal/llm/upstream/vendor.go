// Package upstream makes one HTTP exchange with the vendor for one attempt, and reads what the vendor answers.
//
//	Vendor.Send      call timeout, one exchange, a verdict on how it ended      vendor.go
//	  watch          ends the exchange when a limit on its progress runs out    watch.go
//	  resend         a request that the vendor has handed back unread           resend.go
//	  limits         what the headers say about the vendor's limits             limits.go
//	  buffer         an answer in one piece                                     buffer.go
//	  relay          an answer in server-sent events                            stream.go, events.go
//	  usage          tokens by the vendor's own account                         usage.go
//
// It knows what a call is (package llm) and nothing of gates, retries and Redis.
package upstream

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/tidwall/gjson"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/spillway-dev/spillway/internal/llm"
)

// Config says where the vendor is and how to speak to it.
type Config struct {
	URL            string        `split_words:"true" desc:"Full URL that calls are POSTed to, e.g. https://api.openai.com/v1/chat/completions. Required."`
	APIKey         string        `split_words:"true" desc:"The vendor's API key. Empty sends no authentication header." secret:"true"`
	Name           string        `split_words:"true" desc:"Name of the vendor in Redis keys; services that share a contract share it. Empty means the URL's host."`
	AuthHeader     string        `split_words:"true" default:"Authorization" desc:"Header that carries the API key."`
	AuthScheme     string        `split_words:"true" default:"Bearer" desc:"Word before the key in the header; \"none\" sends the key alone."`
	Headers        Headers       `split_words:"true" desc:"Further headers for every call, as name:value,name:value." secret:"true"`
	Pool           int           `split_words:"true" default:"0" desc:"Connections to the vendor at most. 0 means as many as SLOTS; fewer than SLOTS is refused."`
	ConnectTimeout time.Duration `split_words:"true" default:"5s" desc:"Time to connect, and again for the TLS handshake."`
	MaxResponse    int64         `split_words:"true" default:"16777216" desc:"Largest buffered answer, or event of a stream, in bytes; a larger one is a vendor error."`

	// Wrap puts a RoundTripper around the connection pool, for a vendor that asks for more than headers: a signature over
	// each request, say. It runs once for each attempt. nil means none.
	Wrap func(http.RoundTripper) http.RoundTripper `ignored:"true"`
}

// Validate reports every value that makes no sense.
func (c Config) Validate() error {
	var errs []error
	if u, err := url.Parse(c.URL); c.URL == "" || err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		errs = append(errs, errors.New("VENDOR_URL must be the full http(s) URL that calls are POSTed to, e.g. https://api.openai.com/v1/chat/completions"))
	}
	if c.ConnectTimeout <= 0 {
		errs = append(errs, fmt.Errorf("VENDOR_CONNECT_TIMEOUT is %v: use a positive duration", c.ConnectTimeout))
	}
	if c.MaxResponse < 1 {
		errs = append(errs, fmt.Errorf("VENDOR_MAX_RESPONSE is %d: use at least 1 byte", c.MaxResponse))
	}
	if c.Pool < 0 {
		errs = append(errs, fmt.Errorf("VENDOR_POOL is %d: use 0 or more", c.Pool))
	}
	if strings.ContainsAny(c.Name, "{} \t\r\n") {
		errs = append(errs, fmt.Errorf("VENDOR_NAME %q must not hold braces or white space: it is part of Redis keys", c.Name))
	}
	if strings.ContainsAny(c.APIKey, "\r\n") {
		errs = append(errs, errors.New("VENDOR_API_KEY holds a line break: remove it, a trailing newline in a Secret is the usual reason"))
	}
	if c.APIKey != "" && !validHeaderName(c.AuthHeader) {
		errs = append(errs, fmt.Errorf("VENDOR_AUTH_HEADER is %q: use the name of a header, such as x-api-key", c.AuthHeader))
	}
	errs = append(errs, c.Headers.validate())
	return errors.Join(errs...)
}

// Vendor makes one HTTP exchange for one attempt: no SDK, no redirects, no hidden retry.
type Vendor struct {
	transport   http.RoundTripper // bare: an http.Client would add redirects and cookies, which nobody wants here
	pool        *http.Transport   // what transport sends through
	request     http.Request      // what every request has in common
	name        string
	maxResponse int64
	callTimeout time.Duration
	streamIdle  time.Duration
	propagator  propagation.TextMapPropagator
	metrics     *metrics
}

// Times are the limits on one exchange.
type Times struct {
	Call       time.Duration // one attempt; for a stream, the time to its first event
	StreamIdle time.Duration // between two events of a stream
}

// New returns a Vendor whose connection pool is never smaller than slots, the calls in flight at most.
func New(cfg Config, times Times, slots int, reg prometheus.Registerer) (*Vendor, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	u, err := url.Parse(cfg.URL)
	if err != nil {
		return nil, err
	}
	header := http.Header{"Content-Type": {"application/json"}, "Accept-Encoding": {"identity"}, "User-Agent": {"spillway"}}
	for name, value := range cfg.Headers {
		header.Set(name, value)
	}
	if cfg.APIKey != "" {
		key := cfg.APIKey
		if cfg.AuthScheme != "" && cfg.AuthScheme != "none" {
			key = cfg.AuthScheme + " " + key
		}
		header.Set(cfg.AuthHeader, key)
	}
	connections := max(cfg.Pool, slots)
	pool := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: cfg.ConnectTimeout, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout: cfg.ConnectTimeout,
		TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12},
		// No ResponseHeaderTimeout: the call timeout bounds the headers too, and a second timer costs every call.
		IdleConnTimeout:     90 * time.Second,
		MaxConnsPerHost:     connections,
		MaxIdleConns:        connections,
		MaxIdleConnsPerHost: connections,
		ForceAttemptHTTP2:   true,
		HTTP2:               deadAfter(times.Call),
		DisableCompression:  true, // answers pass through as they are; unpacking them would only cost
	}
	m, err := newMetrics(reg)
	if err != nil {
		return nil, err
	}
	var transport http.RoundTripper = pool
	if cfg.Wrap != nil {
		transport = cfg.Wrap(pool)
	}
	return &Vendor{
		transport: transport, pool: pool, name: cmp.Or(cfg.Name, u.Host), maxResponse: cfg.MaxResponse, metrics: m,
		callTimeout: times.Call, streamIdle: times.StreamIdle, propagator: otel.GetTextMapPropagator(),
		request: http.Request{Method: http.MethodPost, URL: u, Host: u.Host, Header: header, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1},
	}, nil
}

// deadAfter says when a connection that all calls share over HTTP/2 is given up: when it has been silent for a while and then
// does not answer a ping. That is within half a call timeout, 15 s at most, so that it costs the calls that are on it one
// attempt and not one attempt after the other, which would open the breaker.
func deadAfter(callTimeout time.Duration) *http.HTTP2Config {
	return &http.HTTP2Config{SendPingTimeout: min(callTimeout/3, 10*time.Second), PingTimeout: min(callTimeout/6, 5*time.Second)}
}

// Name is the vendor's name in Redis keys and spans.
func (v *Vendor) Name() string { return v.name }

// Close closes idle connections.
func (v *Vendor) Close() { v.pool.CloseIdleConnections() }

// Send makes one attempt under the call timeout. A nil Outcome.Err means that the response is to be given to the client:
// a success, or the vendor's own 4xx. When ctx ended first, Outcome.Err is its cause.
func (v *Vendor) Send(ctx context.Context, call *llm.Call) (*llm.Response, llm.Outcome) {
	start := time.Now()
	ctx, span := v.startSpan(ctx, call)
	watch := newWatch(ctx, v.callTimeout, llm.ErrCallTimeout)
	defer watch.stop()
	out := llm.Outcome{Called: true}
	resp, err := v.exchange(watch, call, &out)
	if err != nil {
		out.Err, out.ClientGone = classify(ctx, watch, call, err)
	}
	out.Duration = time.Since(start)
	v.metrics.observe(&out, resp)
	v.endSpan(span, resp, &out)
	return resp, out
}

// exchange does the request and reads or relays the answer.
func (v *Vendor) exchange(w *watch, call *llm.Call, out *llm.Outcome) (*llm.Response, error) {
	req := v.request.WithContext(w.ctx)
	req.Header = v.headers(w.ctx, call)
	// net/http knows a bytes.Reader and sends it in one piece with the headers.
	req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(call.Body)), int64(len(call.Body))
	req.GetBody = (&resend{body: call.Body}).open
	res, err := v.transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	out.Limits = parseLimits(res.Header, time.Now())
	if err := statusError(res, out.Limits); err != nil {
		if res.StatusCode >= 200 { // or else the body is a connection that has changed its protocol
			w.limit(drainTime, llm.ErrCallTimeout)
			_, _ = io.CopyN(io.Discard, res.Body, drainSize)
		}
		return nil, err
	}
	if call.Payload.Stream && res.StatusCode < 300 && isEventStream(res.Header) {
		return v.relay(w, call, res, out)
	}
	buf := newBuffer()
	whole, err := buf.readFrom(res.Body, res.ContentLength, v.maxResponse)
	if err == nil && whole && isCloseDelimited(res) && isJSON(res.Header) && !gjson.ValidBytes(buf.b) {
		err = errCut // the end of the connection was all that could tell
	}
	if err == nil && !whole {
		err = &llm.VendorError{Kind: llm.KindTooLarge, Status: res.StatusCode, Err: fmt.Errorf("answer over %d bytes", v.maxResponse)}
	}
	if err != nil {
		buf.Free()
		return nil, err
	}
	out.Usage = parseUsage(buf.b)
	return &llm.Response{Status: res.StatusCode, Header: visible(res.Header), Body: buf.b, Memory: buf}, nil
}

// A short error body is read, so that the connection can be kept, if it comes soon: what it belongs to is known already.
const (
	drainSize = 16 << 10
	drainTime = time.Second
)

// headers builds the request's headers. The values are shared with the template: net/http only reads them.
func (v *Vendor) headers(ctx context.Context, call *llm.Call) http.Header {
	h := maps.Clone(v.request.Header)
	for name, values := range call.Header {
		if h[name] == nil {
			h[name] = values
		}
	}
	h["X-Request-Id"] = []string{call.ID}
	if call.IdempotencyKey != "" {
		// In lower case, which is the same to the vendor. Under its canonical name net/http would see it too, and send the request
		// again behind our back when a kept connection breaks, whether or not the vendor has it already.
		h["idempotency-key"] = []string{call.IdempotencyKey}
	}
	if trace.SpanContextFromContext(ctx).IsValid() {
		v.propagator.Inject(ctx, propagation.HeaderCarrier(h))
	}
	return h
}

// classify turns the error of an exchange into what the layers above act on. It must see w before it is stopped.
func classify(ctx context.Context, w *watch, call *llm.Call, err error) (_ error, clientGone bool) {
	if w.over() {
		<-ctx.Done() // which ends at this very moment, by a timer of its own
	}
	if ctx.Err() != nil { // the request itself ended: no verdict on the vendor
		cause := context.Cause(ctx)
		return cause, !errors.Is(cause, context.DeadlineExceeded)
	}
	if gone, ok := errors.AsType[*sinkError](err); ok {
		return gone.err, true
	}
	failed, ok := errors.AsType[*llm.VendorError](err)
	if !ok {
		failed = &llm.VendorError{Kind: llm.KindConnection, Err: err}
		if isTimeout(err) {
			failed.Kind = llm.KindTimeout
		}
		if cause := context.Cause(w.ctx); cause != nil {
			failed.Kind, failed.Err = llm.KindTimeout, cause
		}
	}
	failed.Attempts, failed.Streamed = call.Attempts, w.streamed
	return failed, false
}

// statusError is nil for what is passed through to the client.
func statusError(res *http.Response, limits llm.Limits) error {
	switch code := res.StatusCode; {
	case code == http.StatusUnauthorized || code == http.StatusForbidden:
		return &llm.VendorError{Kind: llm.KindAuth, Status: code}
	case code == http.StatusTooManyRequests:
		return &llm.VendorError{Kind: llm.KindRateLimit, Status: code, RetryAfter: limits.RetryAfter}
	case code >= 500 || code == http.StatusRequestTimeout || code >= 300 && code < 400 || code < 200:
		return &llm.VendorError{Kind: llm.KindStatus, Status: code, RetryAfter: limits.RetryAfter}
	}
	return nil
}

// visible picks the vendor's headers that clients may see. Where it has named no type there is none, not one that net/http guesses.
func visible(h http.Header) http.Header {
	out := make(http.Header, 2)
	out["Content-Type"] = h["Content-Type"]
	if v := h["Content-Encoding"]; v != nil {
		out["Content-Encoding"] = v
	}
	if v := h["X-Request-Id"]; v != nil {
		out["X-Vendor-Request-Id"] = v
	}
	return out
}

func isEventStream(h http.Header) bool {
	kind, _, _ := mime.ParseMediaType(h.Get("Content-Type"))
	return kind == "text/event-stream"
}

func isJSON(h http.Header) bool {
	kind, _, _ := mime.ParseMediaType(h.Get("Content-Type"))
	return kind == "application/json" && h["Content-Encoding"] == nil
}

// isTimeout reports whether err is a timeout of the network: a dial, TLS or response-header limit.
func isTimeout(err error) bool {
	t, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](err)
	return ok && t.Timeout()
}
