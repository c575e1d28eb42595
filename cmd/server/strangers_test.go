package main_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/spillway-dev/spillway/internal/await"
	"github.com/spillway-dev/spillway/internal/redistest"
)

// These tests are about what clients without an API key can do to others.

// dial opens a connection to url's port, with a deadline for all reads and writes.
func dial(tb testing.TB, url string) net.Conn {
	tb.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(await.Limit)); err != nil {
		tb.Fatal(err)
	}
	return conn
}

// TestConnectionsAreBounded: a client that sends nothing holds a connection for the header timeout at most, and there
// are never more open connections than the limit.
func TestConnectionsAreBounded(t *testing.T) {
	t.Parallel()
	vendor := newGatedVendor(t)
	close(vendor.open)
	p := start(t, production(t, redistest.Start(t), vendor.URL, "LLM_MAX_CONNECTIONS=8"))
	for range 50 {
		conn := dial(t, p.URL)
		if _, err := io.WriteString(conn, "POST /llm HTTP/1.1\r\nHost: x\r\nX-Slow: "); err != nil {
			t.Fatal(err)
		}
	}
	awaitMetric(t, p, "llm_connections{port=\"main\"} 8")
	if status, _, err := post(t.Context(), http.DefaultClient, p.URL, `{"model":"m"}`); err != nil ||
		status != http.StatusOK {
		t.Errorf("a client with a key gets %d, %v", status, err)
	}
}

// awaitMetric waits until the admin port shows line.
func awaitMetric(tb testing.TB, p *process, line string) {
	tb.Helper()
	await.True(tb, line, func() bool { return strings.Contains(scrape(tb, p), line+"\n") })
}

func scrape(tb testing.TB, p *process) string {
	tb.Helper()
	_, text := get(tb, p.Admin+"/metrics")
	return text
}

// TestIdleConnectionsAreClosedWhenThereAreMany: kept connections do not use up the limit of a port.
func TestIdleConnectionsAreClosedWhenThereAreMany(t *testing.T) {
	t.Parallel()
	p := start(t, production(t, redistest.Start(t), "http://127.0.0.1:1", "LLM_MAX_CONNECTIONS=8"))
	kept := 0
	for range 20 {
		conn := dial(t, p.URL)
		fmt.Fprint(conn, "GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n")
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		if !res.Close {
			kept++
		}
	}
	if kept > 6 {
		t.Errorf("%d of 8 places are kept by idle connections", kept)
	}
}

// TestLargeHeadersAreRefused: headers above 16 KB are refused. Refusals of net/http itself are counted.
func TestLargeHeadersAreRefused(t *testing.T) {
	t.Parallel()
	p := start(t, production(t, redistest.Start(t), "http://127.0.0.1:1"))
	for _, url := range []string{p.URL + "/llm", p.Admin + "/metrics"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Large", strings.Repeat("x", 24<<10))
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("%s: %d", url, res.StatusCode)
		}
	}
	for _, text := range []string{"nonsense\r\n\r\n", "GET / HTTP/1.1\r\n\r\n"} { // no HTTP, and no Host
		conn := dial(t, p.URL)
		fmt.Fprint(conn, text)
		if answer, err := io.ReadAll(conn); err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 400 ") {
			t.Errorf("%q: %s %v", text, answer, err)
		}
	}
	for _, want := range []string{`port="main",status="431"} 1`,
		`port="admin",status="431"} 1`, `port="main",status="400"} 2`} {
		awaitMetric(t, p, "llm_malformed_requests_total{"+want)
	}
}

// TestUnfinishedHeadersAreNotWaitedFor as long as for a body: a connection whose headers do not come is closed.
func TestUnfinishedHeadersAreNotWaitedFor(t *testing.T) {
	t.Parallel()
	p := start(t, production(t, redistest.Start(t), "http://127.0.0.1:1", "LLM_READ_TIMEOUT=1h"))
	for _, url := range []string{p.URL, p.Admin} {
		conn := dial(t, url)
		fmt.Fprint(conn, "POST /llm HTTP/1.1\r\nHost: x\r\nX-Unfinished: ")
		if answer, err := io.ReadAll(conn); err != nil {
			t.Errorf("%s: %q, %v", url, answer, err)
		}
	}
}

// TestStrangersWriteNoLog: refusals of all kinds are counted and not logged.
func TestStrangersWriteNoLog(t *testing.T) {
	t.Parallel()
	p := start(t, production(t, redistest.Start(t), "http://127.0.0.1:1", "LLM_MAX_BODY=10"))
	before := len(p.records())
	for _, request := range []string{"GET /nowhere", "GET /llm", "POST /llm", "BREW /x",
		"GET /health", "GET /docs", "GET /v1/models"} {
		method, path, _ := strings.Cut(request, " ")
		req, err := http.NewRequestWithContext(t.Context(), method, p.URL+path,
			strings.NewReader("a body that is too large"))
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
	}
	metrics := scrape(t, p)
	for _, want := range []string{`status="401"} 1`, `status="404"}`, `status="405"} 1`} {
		if !strings.Contains(metrics, want) {
			t.Errorf("not counted: %s", want)
		}
	}
	p.terminate()
	p.exit()
	for _, line := range p.records()[before:] {
		if line["msg"] == "request" {
			t.Errorf("logged: %v", line)
		}
	}
}

// TestAnUnknownKeyIsRefusedBeforeTheBody: the answer comes although the body is never sent.
func TestAnUnknownKeyIsRefusedBeforeTheBody(t *testing.T) {
	t.Parallel()
	p := start(t, production(t, redistest.Start(t), "http://127.0.0.1:1"))
	conn := dial(t, p.URL)
	fmt.Fprint(conn, "POST /llm HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: "+
		"1000000\r\n\r\n")
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != http.StatusUnauthorized {
		t.Errorf("got %d", res.StatusCode)
	}
}

// TestTwoLengthsCloseTheConnection: bytes after such a request on the same connection are not answered, because a proxy
// in between may take them for a part of the body.
func TestTwoLengthsCloseTheConnection(t *testing.T) {
	t.Parallel()
	p := start(t, production(t, redistest.Start(t), "http://127.0.0.1:1"))
	conn := dial(t, p.URL)
	fmt.Fprint(conn, "POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: "+
		"chunked\r\n\r\n0\r\n\r\n"+
		"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
	all, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(all), "HTTP/1.1 "); n != 1 {
		t.Errorf("%d answers:\n%s", n, all)
	}
}

// TestAnswersAreNotSniffed is about every answer, also one of the vendor.
func TestAnswersAreNotSniffed(t *testing.T) {
	t.Parallel()
	vendor := newGatedVendor(t)
	close(vendor.open)
	p := start(t, production(t, redistest.Start(t), vendor.URL))
	for _, body := range []string{`{"model":"m"}`, `{"model":"m","stream":true}`, "nonsense"} {
		res, err := openCall(t.Context(), http.DefaultClient, p.URL, body)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if got := res.Header["X-Content-Type-Options"]; len(got) != 1 || got[0] != "nosniff" {
			t.Errorf("%s: %q", body, got)
		}
	}
}
