//go:build linux

package main_test

import (
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/spillway-dev/spillway/internal/await"
	"github.com/spillway-dev/spillway/internal/proctest"
	"github.com/spillway-dev/spillway/internal/redistest"
)

// podMemory is the memory limit of the chart's pods in MiB, and goMemLimit the GOMEMLIMIT that the chart derives from
// it.
const (
	podMemory  = 256
	goMemLimit = "204MiB"
)

// TestMemoryStaysWithinThePod attacks the pod's memory: clients do not read their answers of 3 MB, and then others send
// two gigabytes of bodies at once. What fits is served, the other requests are refused, and the largest resident memory
// stays below the pod's limit.
func TestMemoryStaysWithinThePod(t *testing.T) {
	t.Parallel()
	answer := `{"choices":[{"message":{"content":"` + strings.Repeat("x", 3<<20) + `"}}]}`
	vendor := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if n, _ := io.Copy(io.Discard, r.Body); n > 1<<20 {
			_, _ = io.WriteString(w, `{}`)
			return
		}
		_, _ = io.WriteString(w, answer) // chunked: without a Content-Length
	}))
	t.Cleanup(func() { vendor.CloseClientConnections(); vendor.Close() })
	p := memoryBound(t, production(t, redistest.Start(t), vendor.URL, "LLM_QUOTA_TOKENS=0",
		"LLM_WRITE_TIMEOUT=2s", "LLM_READ_TIMEOUT=2m"))

	const readers = 150
	for range readers {
		conn, err := net.Dial("tcp", strings.TrimPrefix(p.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.(*net.TCPConn).SetReadBuffer(4 << 10)
		fmt.Fprintf(conn, "POST /llm HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n"+
			"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", testKey, len(question), question)
	}
	await.True(t, "the end of the readers", func() bool { // all have been cut or refused: none holds a place any more
		sum, err := p.Metric("llm_http_in_flight")
		done, _ := p.Metric("llm_http_requests_total")
		return err == nil && sum == 0 && done >= readers
	})
	if got := call(p.URL, question); got != "200" {
		t.Errorf("after the slow readers: %s", got)
	}

	got := bodies(p.URL, 200, `{"model":"m","messages":[{"content":"`+strings.Repeat("word ", 2<<20)+`"}]}`)
	t.Logf("200 bodies of 10 MB: %v; the most memory was %d MiB", got, peak(t, p))
	// The last possibility: no slot in time.
	if got["200"] == 0 || got["200"]+got["503 overloaded"]+got["429 queue_timeout"] != 200 {
		t.Errorf("want 200, 503 overloaded and 429 queue_timeout only, got %v", got)
	}
	if most := peak(t, p); most >= podMemory {
		t.Errorf("the process had %d MiB, its pod has %d", most, podMemory)
	}
	if got := call(p.URL, question); got != "200" {
		t.Errorf("at the end: %s", got)
	}
	if used, err := p.Metric("llm_memory_used_bytes"); err != nil || used != 0 {
		t.Errorf("%v bytes are not given back, %v", used, err)
	}
}

// memoryBound runs the server with the limits of the chart's pod, and without the race detector, which needs memory.
func memoryBound(t *testing.T, settings []string) *proctest.Process {
	t.Helper()
	path := filepath.Join(t.TempDir(), "server")
	if out, err := proctest.Command(t, "go", "build", "-pgo=off", "-o", path, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	p := proctest.Launch(t, proctest.Program{Path: path, Env: append([]string{
		"GOMEMLIMIT=" + goMemLimit, "LLM_ADDR=127.0.0.1:0", "LLM_ADMIN_ADDR=127.0.0.1:0", "TMPDIR=" + t.TempDir(),
	}, settings...)})
	if err := p.Serving(); err != nil {
		t.Fatal(err)
	}
	return p
}

// bodies posts body from n clients at once, and counts the answers.
func bodies(url string, n int, body string) map[string]int {
	var mu sync.Mutex
	got := map[string]int{}
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			answer := call(url, body)
			mu.Lock()
			defer mu.Unlock()
			got[answer]++
		})
	}
	all.Wait()
	return maps.Clone(got)
}

// call returns the status of one call, with the code of a problem.
func call(url, body string) string {
	req, err := http.NewRequest(http.MethodPost, url+"/llm", strings.NewReader(body))
	if err != nil {
		return err.Error()
	}
	req.Header.Set("Authorization", "Bearer "+testKey)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Expect", "100-continue") // so that a refused body is not sent
	transport := &http.Transport{ExpectContinueTimeout: await.Limit}
	defer transport.CloseIdleConnections()
	res, err := transport.RoundTrip(req)
	if err != nil {
		return err.Error()
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(res.Body)
	return strings.TrimSpace(strconv.Itoa(res.StatusCode) + " " + problemCode(string(text)))
}

// peak is the largest resident memory that the process has had, in MiB.
func peak(t *testing.T, p *proctest.Process) int64 {
	t.Helper()
	most, err := p.Memory("VmHWM")
	if err != nil {
		t.Fatal(err)
	}
	return most >> 20
}
