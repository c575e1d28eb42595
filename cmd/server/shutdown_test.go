package main_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/spillway-dev/spillway/internal/await"
	"github.com/spillway-dev/spillway/internal/redistest"
)

func hashOf(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:])
}

// post sends one call and reads the whole answer.
func post(ctx context.Context, client *http.Client, url, body string) (int, string, error) {
	res, err := open(ctx, client, url, body)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	all, err := io.ReadAll(res.Body)
	return res.StatusCode, string(all), err
}

func open(ctx context.Context, client *http.Client, url, body string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/llm", strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+testKey)
	req.Header.Set("Content-Type", "application/json")
	return client.Do(req)
}

// gatedVendor answers when it is told to. A stream sends one event at once and the rest when it is told to.
type gatedVendor struct {
	*httptest.Server
	tb      testing.TB
	calls   atomic.Int64
	arrived chan struct{} // one for each call, while there is room
	open    chan struct{} // closed: answer
}

func newGatedVendor(tb testing.TB) *gatedVendor {
	tb.Helper()
	v := &gatedVendor{tb: tb, arrived: make(chan struct{}, 1024), open: make(chan struct{})}
	v.Server = httptest.NewServer(http.HandlerFunc(v.serve))
	tb.Cleanup(func() { v.CloseClientConnections(); v.Close() })
	return v
}

// called waits for a call.
func (v *gatedVendor) called() { v.tb.Helper(); await.Value(v.tb, "a vendor call", v.arrived) }

func (v *gatedVendor) serve(w http.ResponseWriter, r *http.Request) {
	v.calls.Add(1)
	body, _ := io.ReadAll(r.Body)
	streamed := strings.Contains(string(body), `"stream":true`)
	if streamed {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "data: {\"n\":1}\n\n")
		_ = http.NewResponseController(w).Flush()
	}
	select {
	case v.arrived <- struct{}{}:
	default:
	}
	select {
	case <-v.open:
	case <-r.Context().Done():
		return
	}
	if streamed {
		_, _ = io.WriteString(w, "data: {\"n\":2}\n\ndata: [DONE]\n\n")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"ok":true}`)
}

// TestSIGTERMLosesNothing takes one of two pods away under load, plain and streamed, behind a balancer that does what a
// Service does: it sends to the pods that are ready. Every request that was sent must be answered whole.
func TestSIGTERMLosesNothing(t *testing.T) {
	t.Parallel()
	vendor := newGatedVendor(t)
	settings := production(t, redistest.Start(t), vendor.URL, "LLM_DRAIN_DELAY=6s", "LLM_SHUTDOWN_GRACE=80s",
		"LLM_SLOTS=64")
	old, young := start(t, settings), start(t, settings)

	ready := &balancer{pods: []*process{old, young}}
	ready.look()
	watch, unwatch := context.WithCancel(t.Context())
	var watching sync.WaitGroup
	watching.Go(func() { ready.watch(watch) })
	defer func() { unwatch(); watching.Wait() }()

	// Some calls are in the middle of their answer when the signal comes.
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

	// Others come until the pod is gone, over kept connections too.
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
		t.Error("nothing was sent while the pod went away")
	}
	t.Logf("%d requests answered while the pod went away", answered.Load())
}

func payload(i int) string {
	return fmt.Sprintf(`{"model":"m","stream":%v}`, i%2 == 1)
}

func checkWhole(t *testing.T, i, code int, body string, err error) {
	t.Helper()
	want := `{"ok":true}`
	if i%2 == 1 {
		want = "data: {\"n\":1}\n\ndata: {\"n\":2}\n\ndata: [DONE]\n\n"
	}
	if err != nil || code != http.StatusOK || body != want {
		t.Errorf("request lost: %d %q %v", code, body, err)
	}
}

// balancer sends to the pods that said they were ready when it last asked.
type balancer struct {
	pods []*process
	mu   sync.Mutex
	urls []string
}

func (b *balancer) look() {
	var urls []string
	for _, p := range b.pods {
		res, err := http.Get(p.Admin + "/readyz")
		if err != nil {
			continue
		}
		res.Body.Close()
		if res.StatusCode == http.StatusOK {
			urls = append(urls, p.URL)
		}
	}
	b.mu.Lock()
	b.urls = urls
	b.mu.Unlock()
}

// watch asks as often as a probe in a hurry would.
func (b *balancer) watch(ctx context.Context) {
	for tick := time.NewTicker(50 * time.Millisecond); ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			b.look()
		}
	}
}

func (b *balancer) pick(n int) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.urls[n%len(b.urls)]
}

// TestADrainingPodStillServes sends new connections to a pod that is already unready: a balancer that has not noticed
// yet.
func TestADrainingPodStillServes(t *testing.T) {
	t.Parallel()
	vendor := newGatedVendor(t)
	close(vendor.open)
	p := start(t, production(t, redistest.Start(t), vendor.URL, "LLM_DRAIN_DELAY=1h", "LLM_SHUTDOWN_GRACE=2h"))
	p.terminate()
	p.says(`"msg":"draining"`)
	res, err := open(t.Context(), http.DefaultClient, p.URL, payload(0))
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("a draining pod refused: %v", err)
	}
	defer res.Body.Close()
	if !res.Close {
		t.Error("the connection is kept: the client's next request could meet the pod's end")
	}
	// Only a second signal ends this pod before its delay of an hour: it does so at once.
	p.terminate()
	if code := p.exit(); code == 0 {
		t.Error("an end by a second signal counts as a clean one")
	}
}

// TestInFlightIsFinished: what was in the middle of its answer when the pod stopped accepting is answered whole,
// streams too.
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

// TestNothingOutlivesTheGracePeriod: a vendor that never answers cannot keep a pod from ending. The callers are told;
// no cut answer looks whole.
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

// TestTwoProcessesShareTheUserLimit proves that the binary wires shared state to the shared Redis.
func TestTwoProcessesShareTheUserLimit(t *testing.T) {
	t.Parallel()
	vendor := newGatedVendor(t)
	close(vendor.open)
	settings := production(t, redistest.Start(t), vendor.URL, "LLM_TIER_RATES=enterprise:6")
	a, b := start(t, settings), start(t, settings)
	allowed := 0
	for i := range 12 {
		p := []*process{a, b}[i%2]
		code, body, err := post(t.Context(), http.DefaultClient, p.URL, payload(0))
		switch {
		case err == nil && code == http.StatusOK:
			allowed++
		case err != nil || code != http.StatusTooManyRequests || !strings.Contains(body, "user_rate_limited"):
			t.Errorf("got %d %s %v", code, body, err)
		}
	}
	if allowed < 6 || allowed > 7 { // one comes back every ten seconds
		t.Errorf("%d of 12 allowed over two pods, want 6", allowed)
	}
}

// TestAddressInUse: the second server on a port says which setting is to be changed.
func TestAddressInUse(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	p := launch(t, []string{"LLM_ADDR=127.0.0.1:0", "LLM_ADMIN_ADDR=" + l.Addr().String()}, "--dev")
	if code := p.exit(); code != 1 || !strings.Contains(p.Stderr.String(), "LLM_ADMIN_ADDR") {
		t.Errorf("exit status %d, said %s", code, p.Stderr)
	}
}

// TestStreamsArriveAsTheyAreSent: the first event is with the client while the vendor still holds the second.
func TestStreamsArriveAsTheyAreSent(t *testing.T) {
	t.Parallel()
	vendor := newGatedVendor(t)
	p := start(t, production(t, redistest.Start(t), vendor.URL))
	res, err := open(t.Context(), http.DefaultClient, p.URL, payload(1))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	events := bufio.NewReader(res.Body)
	if line, err := events.ReadString('\n'); err != nil || line != "data: {\"n\":1}\n" {
		t.Fatalf("got %q, %v", line, err)
	}
	close(vendor.open)
	rest, err := io.ReadAll(events)
	if err != nil || !strings.HasSuffix(string(rest), "data: [DONE]\n\n") {
		t.Errorf("got %q, %v", rest, err)
	}
}

// TestAStreamOutlivesTheReadTimeout: READ_TIMEOUT is for requests. A stream that is open when it runs out goes on, also
// while its pod drains, which says that it waits for it.
func TestAStreamOutlivesTheReadTimeout(t *testing.T) {
	t.Parallel()
	vendor := newGatedVendor(t)
	p := start(t, production(t, redistest.Start(t), vendor.URL, "LLM_READ_TIMEOUT=1s", "LLM_DRAIN_DELAY=0s"))
	res, err := open(t.Context(), http.DefaultClient, p.URL, payload(1))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	vendor.called()

	// A request that never ends has begun later. When the server ends it, the time has run out for the stream as well.
	conn, err := net.Dial("tcp", strings.TrimPrefix(p.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST /llm HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: "+
		"application/json\r\nContent-Length: 9\r\n\r\n{", testKey)
	if _, err := io.Copy(io.Discard, conn); err != nil {
		t.Logf("the unfinished request: %v", err)
	}
	if open, err := p.Metric("llm_streams_open"); err != nil || open != 1 {
		t.Errorf("%v streams are open, %v", open, err)
	}
	p.terminate()
	p.says(`"msg":"draining","requests":1,"streams":1,"oldest_stream":"`)
	close(vendor.open)
	rest, err := io.ReadAll(res.Body)
	if err != nil || !strings.HasSuffix(string(rest), "data: [DONE]\n\n") {
		t.Errorf("got %q, %v", rest, err)
	}
	p.says("every request is finished")
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
	p := start(t, production(t, redistest.Start(t), vendor.URL, "OTEL_EXPORTER_OTLP_ENDPOINT="+collector.URL,
		"LLM_DRAIN_DELAY=0s"))
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
