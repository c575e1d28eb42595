package upstream

import (
	"context"
	"maps"
	"net/http"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/spillway-dev/spillway/internal/llm"
)

// exchange sends the request, which has the headers of template, and reads or relays the answer.
func (v *Vendor) exchange(w *watch, call *llm.Call, template http.Header, out *llm.Result) (*llm.Response, error) {
	req := v.request.WithContext(w.ctx)
	req.URL, req.Header = v.url(call), v.headers(w.ctx, call, template)
	body := call.Sent()
	req.Body, req.ContentLength = readingOf(body, call.Hold), lengthOf(body)
	req.GetBody = (&resend{body: body, hold: call.Hold}).open
	res, err := v.transport.RoundTrip(req)
	if err != nil {
		if rejected := notSent(err); rejected != nil {
			out.Called = false
			return nil, rejected
		}
		return nil, err
	}
	defer res.Body.Close()
	out.Limits = parseLimits(res.Header, time.Now())
	decode(res)
	switch {
	case res.StatusCode < 200 || res.StatusCode >= 300:
		return v.refused(w, res, out)
	case call.Payload.Stream:
		return v.streamed(w, call, res, out)
	}
	return v.buffered(w, call, res, out)
}

// headers builds the request's headers. The values are shared with the template: net/http only reads them.
func (v *Vendor) headers(ctx context.Context, call *llm.Call, template http.Header) http.Header {
	h := maps.Clone(template)
	for name, values := range call.Header {
		if h[name] == nil {
			h[name] = values
		}
	}
	v.pass(h, call.Client)
	h["X-Request-Id"] = []string{call.ID}
	if call.IdempotencyKey != "" {
		// In lower case, which is the same to the vendor. Under its canonical name net/http would recognise it, and
		// send the request again by itself when a kept connection breaks, although the vendor may have it already.
		h["idempotency-key"] = []string{call.IdempotencyKey}
	}
	if trace.SpanContextFromContext(ctx).IsValid() {
		v.propagator.Inject(ctx, propagation.HeaderCarrier(h))
	}
	return h
}

// visible returns the vendor's headers that clients may see. When the vendor has named no type, Content-Type is set to
// nothing, so that net/http does not guess one.
func visible(h http.Header) http.Header {
	out := make(http.Header, 2)
	out["Content-Type"] = h["Content-Type"]
	if v := h["Content-Encoding"]; v != nil {
		out["Content-Encoding"] = v
	}
	if v := identifier(requestID(h)); v != "" {
		out["X-Vendor-Request-Id"] = []string{v}
	}
	if v := h["X-Should-Retry"]; v != nil {
		out["X-Should-Retry"] = v
	}
	return out
}

// withWait is visible(h) for a refusal that is passed on, with the time to wait as this service has read it. When no
// wait can help it says so, because libraries repeat every 429 by themselves.
func withWait(h http.Header, d *errorDocument, limits *llm.Limits) http.Header {
	seen := visible(h)
	if limits.RetryAfter > 0 {
		seen["Retry-After"] = []string{strconv.Itoa(int((limits.RetryAfter + time.Second - 1) / time.Second))}
	}
	if d.tooLarge && seen["X-Should-Retry"] == nil {
		seen["X-Should-Retry"] = []string{string(llm.AdviceNoRetry)}
	}
	return seen
}
