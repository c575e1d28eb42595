package telemetry

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/spillway-dev/spillway/internal/await"
)

var oneSpan = []*tracepb.ResourceSpans{{ScopeSpans: []*tracepb.ScopeSpans{{Spans: []*tracepb.Span{{Name: "request"}}}}}}

// environment looks up variables by their names without the common prefix.
func environment(vars map[string]string) func(string) string {
	return func(name string) string { return vars[strings.TrimPrefix(name, "OTEL_EXPORTER_OTLP_")] }
}

func newTestOTLP(t *testing.T, vars map[string]string) *otlp {
	t.Helper()
	o, err := newOTLP(environment(vars))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// authorityOf is a file with the certificate of a server.
func authorityOf(t *testing.T, server *httptest.Server) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ca.pem")
	block := &pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}
	if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestOTLPSendsWhatTheVariablesSay(t *testing.T) {
	t.Parallel()
	got := make(chan *http.Request, 1)
	spans := make(chan *tracepb.TracesData, 1)
	collector := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		plain, err := gzip.NewReader(r.Body)
		if err != nil {
			t.Error(err)
			return
		}
		body, err := io.ReadAll(plain)
		var data tracepb.TracesData
		if err := errors.Join(err, proto.Unmarshal(body, &data)); err != nil {
			t.Error(err)
		}
		got <- r
		spans <- &data
	}))
	t.Cleanup(collector.Close)
	o := newTestOTLP(t, map[string]string{
		"ENDPOINT": collector.URL + "/root/", "HEADERS": "x-team=a%20b, X-Key = c=d", "TRACES_COMPRESSION": "gzip",
		"COMPRESSION": "none", "CERTIFICATE": authorityOf(t, collector),
	})
	defer o.Stop(t.Context())
	if err := o.UploadTraces(t.Context(), oneSpan); err != nil {
		t.Fatal(err)
	}
	r, data := <-got, <-spans
	if r.URL.Path != "/root/v1/traces" || r.Header.Get("X-Team") != "a b" || r.Header.Get("X-Key") != "c=d" ||
		r.Header.Get("Content-Type") != "application/x-protobuf" {
		t.Errorf("got %s with %v", r.URL, r.Header)
	}
	if data.GetResourceSpans()[0].GetScopeSpans()[0].GetSpans()[0].GetName() != "request" {
		t.Errorf("got %v", data)
	}
}

// TestOTLPSendsSpansWhateverTheirTexts: bytes that are not UTF-8, in any text of one span, keep no span of the batch
// from the collector.
func TestOTLPSendsSpansWhateverTheirTexts(t *testing.T) {
	t.Parallel()
	const wrong, mended, texts = "a\xff\xc3b", "a\uFFFDb", 9
	sent := make(chan []byte, 1)
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		sent <- body
	}))
	t.Cleanup(collector.Close)
	exporter, err := otlptrace.New(t.Context(), newTestOTLP(t, map[string]string{"ENDPOINT": collector.URL}))
	if err != nil {
		t.Fatal(err)
	}
	sdk := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter),
		sdktrace.WithResource(resource.NewSchemaless(attribute.String("service.name", wrong))))
	_, span := sdk.Tracer(wrong).Start(t.Context(), wrong, trace.WithAttributes(attribute.String("model", wrong),
		attribute.StringSlice("reasons", []string{"stop", wrong}), attribute.String(wrong, "é")))
	span.AddEvent(wrong, trace.WithAttributes(attribute.String("model", wrong)))
	span.SetStatus(codes.Error, wrong)
	span.End()
	_, other := sdk.Tracer(wrong).Start(t.Context(), "other")
	other.End()
	if err := sdk.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	var data tracepb.TracesData
	body := await.Value(t, "the spans", sent)
	if err := proto.Unmarshal(body, &data); err != nil {
		t.Fatal(err)
	}
	if n := len(data.GetResourceSpans()[0].GetScopeSpans()[0].GetSpans()); n != 2 {
		t.Errorf("%d spans were sent", n)
	}
	if n := bytes.Count(body, []byte(mended)); n != texts || !bytes.Contains(body, []byte("é")) {
		t.Errorf("%d texts are mended, want %d, in %q", n, texts, body)
	}
}

func TestOTLPTracesEndpointIsTakenAsItIs(t *testing.T) {
	t.Parallel()
	o := newTestOTLP(t, map[string]string{"ENDPOINT": "http://other", "TRACES_ENDPOINT": "http://collector:4318/mine"})
	if o.url != "http://collector:4318/mine" {
		t.Errorf("traces go to %s", o.url)
	}
}

func TestOTLPRefusesWhatItCannotDo(t *testing.T) {
	t.Parallel()
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"PROTOCOL": "grpc", "ENDPOINT": "collector:4317", "HEADERS": "a", "TIMEOUT": "10s", "COMPRESSION": "zstd",
		"CERTIFICATE": empty, "CLIENT_KEY": "/nowhere",
	} {
		vars := map[string]string{"ENDPOINT": "http://collector:4318"}
		vars[name] = value
		if _, err := newOTLP(environment(vars)); err == nil || !strings.Contains(err.Error(), "OTEL_EXPORTER_OTLP_") {
			t.Errorf("%s=%s: %v", name, value, err)
		}
	}
}

// answers is a collector that gives one answer after the other, and records the times of its requests.
type answers struct {
	list []*http.Response
	at   []time.Time
}

func (a *answers) RoundTrip(*http.Request) (*http.Response, error) {
	a.at = append(a.at, time.Now())
	if len(a.list) == 0 {
		return nil, errors.New("no collector")
	}
	next := a.list[0]
	a.list = a.list[1:]
	return next, nil
}

func answer(status int, header http.Header, body string) *http.Response {
	return &http.Response{StatusCode: status, Status: http.StatusText(status), Header: header,
		Body: io.NopCloser(strings.NewReader(body))}
}

func TestOTLPComesAgainWhenTheCollectorSaysSo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := &answers{list: []*http.Response{
			answer(http.StatusServiceUnavailable, nil, ""),
			answer(http.StatusTooManyRequests, http.Header{"Retry-After": {"5"}}, ""),
			answer(http.StatusOK, nil, ""),
		}}
		o := newTestOTLP(t, map[string]string{"ENDPOINT": "http://collector"})
		o.client.Transport = a
		begin := time.Now()
		if err := o.UploadTraces(t.Context(), oneSpan); err != nil {
			t.Fatal(err)
		}
		if len(a.at) != 3 || a.at[1].Sub(begin) != time.Second || a.at[2].Sub(a.at[1]) != 5*time.Second {
			t.Errorf("asked at %v", a.at)
		}
	})
}

func TestOTLPGivesUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := newTestOTLP(t, map[string]string{"ENDPOINT": "http://collector", "TIMEOUT": "4000"})
		gone, refusing := &answers{}, &answers{list: []*http.Response{answer(http.StatusBadRequest,
			nil, "no such tenant")}}
		o.client.Transport = gone
		if err := o.UploadTraces(t.Context(), oneSpan); err == nil || len(gone.at) != 3 { // after 0, 1 and 3 s
			t.Errorf("%v after %d attempts", err, len(gone.at))
		}
		o.client.Transport = refusing
		if err := o.UploadTraces(t.Context(), oneSpan); err == nil ||
			!strings.Contains(err.Error(), "no such tenant") || len(refusing.at) != 1 {
			t.Errorf("%v after %d attempts", err, len(refusing.at))
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := o.UploadTraces(ctx, oneSpan); err == nil {
			t.Error("sent after the end")
		}
	})
}

func TestOTLPTellsOfRejectedSpans(t *testing.T) {
	t.Parallel()
	success := protowire.AppendTag(nil, 1, protowire.VarintType)
	success = protowire.AppendVarint(success, 7)
	success = protowire.AppendTag(success, 2, protowire.BytesType)
	success = protowire.AppendString(success, "too old")
	message := protowire.AppendTag(nil, 1, protowire.BytesType)
	message = protowire.AppendBytes(message, success)
	if err := partial(message); err == nil || err.Error() != "the collector rejected 7 spans: too old" {
		t.Errorf("got %v", err)
	}
	for _, harmless := range [][]byte{nil, {}, []byte("OK"), {0xff},
		protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), nil)} {
		if err := partial(harmless); err != nil {
			t.Errorf("%q: %v", harmless, err)
		}
	}
}

// mute is a connection that loses what is written and brings nothing more, once it is told to.
type mute struct {
	net.Conn

	muted *atomic.Bool
}

func (m mute) Write(b []byte) (int, error) {
	if m.muted.Load() {
		return len(b), nil
	}
	return m.Conn.Write(b)
}

// TestOTLPGivesUpADeadConnection: a network may cut a connection without a word. An upload that meets it is made again
// on a new one, long before the kernel gives the old one up.
func TestOTLPGivesUpADeadConnection(t *testing.T) {
	t.Parallel()
	collector := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	collector.EnableHTTP2 = true
	collector.StartTLS()
	t.Cleanup(collector.Close)
	o := newTestOTLP(t, map[string]string{"ENDPOINT": collector.URL, "TIMEOUT": "120000",
		"CERTIFICATE": authorityOf(t, collector)})
	defer o.Stop(t.Context())
	var last atomic.Pointer[atomic.Bool]
	transport := o.client.Transport.(*http.Transport)
	transport.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, addr)
		m := mute{conn, new(atomic.Bool)}
		last.Store(m.muted)
		return m, err
	}
	for range 2 {
		if err := o.UploadTraces(t.Context(), oneSpan); err != nil {
			t.Fatal(err)
		}
		last.Load().Store(true)
	}
}
