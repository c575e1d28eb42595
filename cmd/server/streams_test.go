package main_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/spillway-dev/spillway/internal/redistest"
)

// TestStreamsArriveAsTheyAreSent: the client has the first event before the vendor sends the second.
func TestStreamsArriveAsTheyAreSent(t *testing.T) {
	t.Parallel()
	vendor := newGatedVendor(t)
	p := start(t, production(t, redistest.Start(t), vendor.URL))
	res, err := openCall(t.Context(), http.DefaultClient, p.URL, payload(1))
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

// TestAStreamOutlivesTheReadTimeout: READ_TIMEOUT is for requests. A stream goes on after it, also while its pod
// drains, and the pod logs that it waits for the stream.
func TestAStreamOutlivesTheReadTimeout(t *testing.T) {
	t.Parallel()
	vendor := newGatedVendor(t)
	p := start(t, production(t, redistest.Start(t), vendor.URL, "LLM_READ_TIMEOUT=1s", "LLM_DRAIN_DELAY=0s"))
	res, err := openCall(t.Context(), http.DefaultClient, p.URL, payload(1))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	vendor.called()

	// A later request does not end. When the server ends it, READ_TIMEOUT has passed for the stream too.
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
