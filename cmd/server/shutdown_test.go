package main_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/spillway-dev/spillway/internal/redistest"
)

// TestSIGTERMLosesNothing stops one of two pods under load, plain and streamed, behind a balancer that sends requests
// to the ready pods, as a Service does. Every request must get a whole answer.
func TestSIGTERMLosesNothing(t *testing.T) {
	t.Parallel()
	vendor := newGatedVendor(t)
	settings := production(t, redistest.Start(t), vendor.URL, "LLM_DRAIN_DELAY=6s",
		"LLM_SHUTDOWN_GRACE=80s", "LLM_SLOTS=64")
	old, young := start(t, settings), start(t, settings)

	ready := &balancer{pods: []*process{old, young}}
	ready.look()
	watch, unwatch := context.WithCancel(t.Context())
	var watching sync.WaitGroup
	watching.Go(func() { ready.watch(watch) })
	defer func() { unwatch(); watching.Wait() }()

	// Some calls are in flight when the signal comes.
	var inFlight sync.WaitGroup
	for i := range 8 {
		inFlight.Go(func() {
			code, body, err := post(t.Context(), http.DefaultClient, old.URL, payload(i))
			checkWhole(t, i, code, body, err)
		})
	}
	for range 8 {
		vendor.called()
	}
	old.terminate()
	old.says(`"msg":"draining"`)
	if code, _ := get(t, old.Admin+"/readyz"); code != http.StatusServiceUnavailable {
		t.Errorf("readyz while draining: %d", code)
	}
	close(vendor.open)
	inFlight.Wait()

	// Others come until the process ends, also over kept connections.
	var answered atomic.Int64
	var clients sync.WaitGroup
	for i := range 8 {
		clients.Go(func() {
			client := &http.Client{Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			for n := 0; ; n++ {
				select {
				case <-old.Exited():
					return
				default:
				}
				code, body, err := post(t.Context(), client, ready.pick(n), payload(i+n))
				checkWhole(t, i+n, code, body, err)
				answered.Add(1)
			}
		})
	}
	clients.Wait()
	if code := old.exit(); code != 0 {
		t.Errorf("exit status %d", code)
	}
	if answered.Load() == 0 {
		t.Error("nothing was sent while the pod stopped")
	}
	t.Logf("%d requests answered while the pod stopped", answered.Load())
}

// TestADrainingPodStillServes opens new connections to a pod that is already unready, as a balancer does that has not
// noticed yet.
func TestADrainingPodStillServes(t *testing.T) {
	t.Parallel()
	vendor := newGatedVendor(t)
	close(vendor.open)
	p := start(t, production(t, redistest.Start(t), vendor.URL, "LLM_DRAIN_DELAY=1h", "LLM_SHUTDOWN_GRACE=2h"))
	p.terminate()
	p.says(`"msg":"draining"`)
	res, err := openCall(t.Context(), http.DefaultClient, p.URL, payload(0))
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("a draining pod refused: %v", err)
	}
	defer res.Body.Close()
	if !res.Close {
		t.Error("the connection is kept: the client's next request could meet the pod's end")
	}
	// A second signal ends the pod at once, before its delay of an hour.
	p.terminate()
	if code := p.exit(); code == 0 {
		t.Error("an end by a second signal counts as a clean one")
	}
}

// TestInFlightIsFinished: requests that are in flight when the pod stops accepting get a whole answer, streams too.
func TestInFlightIsFinished(t *testing.T) {
	t.Parallel()
	vendor := newGatedVendor(t)
	p := start(t, production(t, redistest.Start(t), vendor.URL, "LLM_DRAIN_DELAY=0s"))
	var inFlight sync.WaitGroup
	for i := range 4 {
		inFlight.Go(func() {
			code, body, err := post(t.Context(), http.DefaultClient, p.URL, payload(i))
			checkWhole(t, i, code, body, err)
		})
	}
	for range 4 {
		vendor.called()
	}
	p.terminate()
	for dialer := new(net.Dialer); ; { // until the port is closed
		conn, err := dialer.DialContext(t.Context(), "tcp", strings.TrimPrefix(p.URL, "http://"))
		if err != nil {
			break
		}
		conn.Close()
	}
	close(vendor.open)
	inFlight.Wait()
	if code := p.exit(); code != 0 {
		t.Errorf("exit status %d", code)
	}
}

// TestNothingOutlivesTheGracePeriod: a vendor that never answers does not keep a pod from ending. The clients get an
// error, and no cut answer looks whole.
func TestNothingOutlivesTheGracePeriod(t *testing.T) {
	t.Parallel()
	vendor := newGatedVendor(t) // never opens
	p := start(t, production(t, redistest.Start(t), vendor.URL, "LLM_DRAIN_DELAY=0s",
		"LLM_SLA=10s", "LLM_SHUTDOWN_GRACE=10s", "LLM_QUEUE_TIMEOUT=5s", "LLM_CALL_TIMEOUT=10s", "LLM_RETRY_MAX=0"))
	type answer struct {
		code int
		body string
		err  error
	}
	answers := make(chan answer, 2)
	for i := range 2 {
		go func() {
			code, body, err := post(t.Context(), http.DefaultClient, p.URL, payload(i))
			answers <- answer{code, body, err}
		}()
	}
	vendor.called()
	vendor.called()
	p.terminate()
	for range 2 {
		a := <-answers
		if a.err != nil && !errors.Is(a.err, io.ErrUnexpectedEOF) && !errors.Is(a.err, syscall.ECONNRESET) {
			t.Errorf("got %v", a.err)
		}
		if strings.Contains(a.body, "[DONE]") || a.code == http.StatusOK && !strings.Contains(a.body, "error") {
			t.Errorf("a cut answer looks whole: %d %q", a.code, a.body)
		}
	}
	if code := p.exit(); code != 0 {
		t.Errorf("exit status %d", code)
	}
}

// TestACollectorThatHangsCostsALine: traces that cannot be sent at the end are lost, and the exit status is 0.
func TestACollectorThatHangsCostsALine(t *testing.T) {
	t.Parallel()
	hang := make(chan struct{})
	collector := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hang }))
	defer collector.Close()
	defer close(hang)
	vendor := newGatedVendor(t)
	close(vendor.open)
	p := start(t, production(t, redistest.Start(t), vendor.URL,
		"OTEL_EXPORTER_OTLP_ENDPOINT="+collector.URL, "LLM_DRAIN_DELAY=0s"))
	if status, _, err := post(t.Context(), http.DefaultClient, p.URL, `{"model":"m"}`); err != nil ||
		status != http.StatusOK {
		t.Fatalf("%d, %v", status, err)
	}
	p.terminate()
	if code := p.exit(); code != 0 {
		t.Errorf("exit status %d", code)
	}
	p.says(`"what":"traces"`)
}
