package api_test

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
)

// announced opens a connection that announces a body of length bytes and sends none of it yet.
func (b *bundle) announced(length int) net.Conn {
	b.tb.Helper()
	conn := b.dial()
	_, err := fmt.Fprintf(conn, "%sExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", head, length)
	check(b.tb, err)
	answer := make([]byte, len("HTTP/1.1 100 Continue\r\n\r\n")) // comes when the body is wanted, and thus has its room
	_, err = conn.Read(answer)
	check(b.tb, err)
	return conn
}

// counter returns the value of a counter whose one label has value.
func (b *bundle) counter(name, value string) float64 {
	return b.metric(name, value).GetCounter().GetValue()
}

// gauge returns the value of a gauge whose one label has value.
func (b *bundle) gauge(name, value string) float64 {
	return b.metric(name, value).GetGauge().GetValue()
}

// metric returns the metric of a family whose one label has value.
func (b *bundle) metric(name, value string) *dto.Metric {
	b.tb.Helper()
	families, err := b.reg.Gather()
	check(b.tb, err)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name && m.GetLabel()[0].GetValue() == value {
				return m
			}
		}
	}
	b.tb.Fatalf("there is no %s of %s", name, value)
	return nil
}

// TestBodyThatFindsNoMemoryIs503: a body takes its declared length from the budget before it is read. The next one
// waits for the queue timeout and is refused; when the first client leaves, its memory is back.
func TestBodyThatFindsNoMemoryIs503(t *testing.T) {
	t.Parallel()
	b := newBundle(t, answers, options{env: []string{"LLM_TIER_CONCURRENCY=enterprise:0", "LLM_MEMORY_BUDGET=1048576",
		"LLM_QUEUE_TIMEOUT=50ms"}})
	first := b.announced(600_000)
	defer first.Close()
	large := `{"a":"` + strings.Repeat("x", 300_000) + `"}`
	got := b.send(http.MethodPost, "/llm", large)
	if got.status != http.StatusServiceUnavailable || got.code() != "overloaded" ||
		got.header.Get("Retry-After") == "" {
		t.Errorf("got %d %s", got.status, got.body)
	}
	if n := b.counter("llm_memory_rejections_total", "body"); n != 1 {
		t.Errorf("%v refusals are counted", n)
	}
	check(t, first.Close())
	b.accessLine() // of the first, and then its memory is back
	if got := b.send(http.MethodPost, "/llm", large); got.status != http.StatusOK {
		t.Errorf("with the memory free: got %d %s", got.status, got.body)
	}
}

// TestChunkedBodyHasTheRoomOfADeclaredOne: a body of unknown length is copied as it grows, and still gets the room of
// the largest body when the pod has nothing else in its memory.
func TestChunkedBodyHasTheRoomOfADeclaredOne(t *testing.T) {
	t.Parallel()
	b := newBundle(t, answers, options{env: []string{"LLM_MEMORY_BUDGET=1048576", "LLM_QUEUE_TIMEOUT=50ms"}})
	for _, length := range []int{400_000, 786_432} {
		body := `{"a":"` + strings.Repeat("x", length-8) + `"}`
		got := b.raw(head + "Transfer-Encoding: chunked\r\n\r\n" + chunk(body) + chunk(""))
		if status(got) != "200" {
			t.Errorf("%d bytes: got %s", length, got)
		}
	}
}

// TestBodyThatCanNeverFitIs413: more than bodies may have of the budget is refused at once.
func TestBodyThatCanNeverFitIs413(t *testing.T) {
	t.Parallel()
	b := newBundle(t, answers, options{env: []string{"LLM_MEMORY_BUDGET=1048576"}})
	if got := b.raw(head + "Content-Length: 800000\r\n\r\n"); status(got) != "413" ||
		!strings.Contains(got, "786432 bytes") {
		t.Errorf("got %s", got)
	}
}
