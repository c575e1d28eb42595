package clients

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"

	"github.com/spillway-dev/spillway/internal/vendorsim"
)

// TestTheCollectorReadsOurTraces sends the traces of one request to the decoder of the OpenTelemetry Collector.
func TestTheCollectorReadsOurTraces(t *testing.T) {
	t.Parallel()
	received := make(chan ptrace.Traces, 10)
	collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		request := ptraceotlp.NewExportRequest()
		if err == nil {
			err = request.UnmarshalProto(body)
		}
		if err != nil || r.Header.Get("Content-Type") != "application/x-protobuf" {
			t.Errorf("%v, content type %q", err, r.Header.Get("Content-Type"))
		}
		answer, err := ptraceotlp.NewExportResponse().MarshalProto()
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Type", "application/x-protobuf")
		_, _ = w.Write(answer)
		received <- request.Traces()
	}))
	t.Cleanup(collector.Close)
	s := start(t, vendorsim.Config{}, "OTEL_EXPORTER_OTLP_ENDPOINT="+collector.URL,
		"OTEL_SERVICE_NAME=shop", "OTEL_BSP_SCHEDULE_DELAY=10")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/llm",
		strings.NewReader(`{"model":"m","messages":[]}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+s.key)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%d, %v", resp.StatusCode, err)
	}
	var names []string
	for !slices.Contains(names, "POST /llm") { // the root ends last, in a batch of its own perhaps
		for resource, spans := range spansOf(<-received) {
			if resource != "shop" {
				t.Errorf("spans of the service %q", resource)
			}
			for _, span := range spans {
				if span.TraceID().String() != "0af7651916cd43dd8448eb211c80319c" {
					t.Errorf("%s belongs to trace %s", span.Name(), span.TraceID())
				}
				names = append(names, span.Name())
			}
		}
	}
	for _, name := range []string{"user_limit", "vendor"} {
		if !slices.Contains(names, name) {
			t.Errorf("no span %q in %v", name, names)
		}
	}
}

// spansOf lists the spans by the name of their service.
func spansOf(traces ptrace.Traces) map[string][]ptrace.Span {
	all := map[string][]ptrace.Span{}
	for _, resource := range traces.ResourceSpans().All() {
		name, _ := resource.Resource().Attributes().Get("service.name")
		for _, scope := range resource.ScopeSpans().All() {
			for _, span := range scope.Spans().All() {
				all[name.Str()] = append(all[name.Str()], span)
			}
		}
	}
	return all
}
