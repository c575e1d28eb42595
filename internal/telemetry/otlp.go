package telemetry

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// otlp sends spans to a collector by OTLP over HTTP, in protobuf. The library encodes the spans. The library's clients
// are not used, because both add gRPC to the binary: docs/decisions/traces.md.
type otlp struct {
	otlpConfig

	client http.Client
}

var _ otlptrace.Client = (*otlp)(nil)

// The first and the longest pause before a batch is sent again. A longer Retry-After of the collector is used instead.
const (
	otlpPause    = time.Second
	otlpMaxPause = 10 * time.Second
)

// Start does nothing: a connection is opened when there are spans to send.
func (*otlp) Start(context.Context) error { return nil }

// Stop waits for nothing: the SDK stops a client after its last upload.
func (o *otlp) Stop(context.Context) error {
	o.client.CloseIdleConnections()
	return nil
}

// UploadTraces sends spans. It repeats this while the collector allows it, until the timeout or the end of ctx.
func (o *otlp) UploadTraces(ctx context.Context, spans []*tracepb.ResourceSpans) error {
	// The request has the same single member as TracesData. The type of the request itself would add gRPC.
	data := &tracepb.TracesData{ResourceSpans: spans}
	body, err := proto.Marshal(data)
	if err != nil { // a text that is not UTF-8: without a repair every span of the batch would be lost
		repair(data.ProtoReflect())
		body, err = proto.Marshal(data)
	}
	if err != nil {
		return fmt.Errorf("encoding spans: %w", err)
	}
	if o.gzip {
		body = compressed(body)
	}
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	for pause := otlpPause; ; pause = min(2*pause, otlpMaxPause) {
		wait, err := o.send(ctx, body)
		if err == nil || wait < 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("giving up: %w", err)
		case <-time.After(max(pause, wait)):
		}
	}
}

// send makes one exchange. With an error, wait is the pause that the collector asks for; it is negative when a repeat
// cannot succeed.
func (o *otlp) send(ctx context.Context, body []byte) (wait time.Duration, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, o.url, bytes.NewReader(body))
	if err != nil {
		return -1, err
	}
	req.Header = o.headers.Clone()
	req.Header.Set("Content-Type", "application/x-protobuf")
	if o.gzip {
		req.Header.Set("Content-Encoding", "gzip")
	}
	resp, err := o.client.Do(req)
	if err != nil {
		return 0, fmt.Errorf("sending spans: %w", err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	switch resp.StatusCode {
	case http.StatusOK, http.StatusAccepted, http.StatusNoContent:
		if err == nil && strings.HasPrefix(resp.Header.Get("Content-Type"), "application/x-protobuf") {
			err = partial(answer)
		}
		return -1, err
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		wait = retryAfter(resp.Header.Get("Retry-After"), time.Now())
	default:
		wait = -1
	}
	return wait, fmt.Errorf("%s answered %s: %s", req.URL.Redacted(), resp.Status,
		cmp.Or(strings.TrimSpace(string(answer)), "no body"))
}

// retryAfter reads the pause in a Retry-After header, in seconds or as a date; 0 when there is none.
func retryAfter(text string, now time.Time) time.Duration {
	if seconds, err := strconv.Atoi(text); err == nil && seconds >= 0 {
		return time.Duration(min(seconds, 3600)) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(at.Sub(now), 0)
	}
	return 0
}

// partial reads the answer to accepted spans. When some were rejected, field 1 has their number (1) and the reason (2).
func partial(answer []byte) error {
	success := lastField(answer, 1)
	rejected, _ := protowire.ConsumeVarint(lastField(success, 1))
	why := string(lastField(success, 2))
	if rejected == 0 && why == "" {
		return nil
	}
	return fmt.Errorf("the collector rejected %d spans: %s", rejected, cmp.Or(why, "no reason given"))
}

// lastField returns the value of a field: the bytes of a message or a text, or a number in its encoding. It is nil when
// the field is absent or message is not protobuf.
func lastField(message []byte, number protowire.Number) (value []byte) {
	for len(message) > 0 {
		n, kind, tag := protowire.ConsumeTag(message)
		if tag < 0 {
			return nil
		}
		size := protowire.ConsumeFieldValue(n, kind, message[tag:])
		if size < 0 {
			return nil
		}
		if n == number {
			value = message[tag : tag+size]
			if kind == protowire.BytesType {
				value, _ = protowire.ConsumeBytes(value)
			}
		}
		message = message[tag+size:]
	}
	return value
}

func compressed(body []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write(body)
	if err = errors.Join(err, w.Close()); err != nil {
		panic(err) // cannot happen: a buffer accepts everything
	}
	return b.Bytes()
}
