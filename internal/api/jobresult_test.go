package api_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/spillway-dev/spillway/internal/await"
	"github.com/spillway-dev/spillway/internal/llm"
)

// largeAnswer is more than the buffers of a connection take.
var largeAnswer = []byte(`{"text":"` + strings.Repeat("x", 16<<20) + `"}`)

// withLargeResult is a pod with a job that has ended with largeAnswer.
func withLargeResult(t *testing.T, env ...string) (b *bundle, path string) {
	t.Helper()
	b, _ = newJobBundle(t, func(_ context.Context, call *llm.Call) (*llm.Response, error) {
		if call.Started != nil {
			call.Started()
		}
		return &llm.Response{Status: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}},
			Body: largeAnswer}, nil
	}, env...)
	id := submit(t, b).ID
	await.True(t, "the job has its answer", func() bool { // Redis may take too long on a busy machine
		v := end(t, b, id)
		return v.Response != nil && string(v.Response.Body) == string(largeAnswer)
	})
	return b, "/llm/jobs/" + id
}

// unread asks for path, and reads of the answer only that it is one.
func (b *bundle) unread(path string) (conn net.Conn) {
	b.tb.Helper()
	const good = "HTTP/1.1 200 OK"
	await.True(b.tb, "the answer begins", func() bool {
		conn = b.dial()
		_, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer key-enterprise\r\n\r\n", path)
		check(b.tb, err)
		line := make([]byte, len(good))
		_, err = io.ReadFull(conn, line)
		if begun := err == nil && string(line) == good; begun {
			return true
		}
		check(b.tb, conn.Close())
		return false
	})
	return conn
}

// TestResultsOfJobsAreInTheMemoryBudget: a result has its memory before it is read from Redis, and until its client has
// it. The next one waits for that.
func TestResultsOfJobsAreInTheMemoryBudget(t *testing.T) {
	t.Parallel()
	b, path := withLargeResult(t, "LLM_MEMORY_BUDGET=1048576", "LLM_WRITE_TIMEOUT=10m")
	used := func() float64 { return b.gauge("llm_memory_used_bytes", "answer") }
	await.True(t, "the memory is given back", func() bool { return used() == 0 })
	first := b.unread(path)
	defer first.Close()
	if n := used(); n != float64(len(largeAnswer)) {
		t.Errorf("%v bytes are taken for the result", n)
	}
	next := make(chan answer)
	go func() { next <- b.send(http.MethodGet, path, "") }()
	await.True(t, "the next one waits", func() bool { return b.gauge("llm_memory_waiting", "answer") == 1 })
	check(t, first.Close())
	got := await.Value(t, "the next result", next)
	if got.status != http.StatusOK && got.code() != "jobs_unavailable" { // Redis took too long on a busy machine
		t.Errorf("got %d %.200s", got.status, got.body)
	}
	await.True(t, "the memory is given back", func() bool { return used() == 0 })
}

// TestReaderThatStallsLosesItsResult: it must hold neither the result's memory nor a place in this pod.
func TestReaderThatStallsLosesItsResult(t *testing.T) {
	t.Parallel()
	b, path := withLargeResult(t, "LLM_WRITE_TIMEOUT=2s")
	defer b.unread(path).Close()
	await.True(t, "the log says that the client is gone", func() bool {
		line := b.accessLine()
		return line["status"] == 499.0 && line["reason"] == "client_closed"
	})
	await.True(t, "the memory is given back", func() bool { return b.gauge("llm_memory_used_bytes", "answer") == 0 })
}

// TestResultsOfJobsCountInTheirUsersShare of the pod while they are read: slow readers of one user do not fill it.
func TestResultsOfJobsCountInTheirUsersShare(t *testing.T) {
	t.Parallel()
	b, path := withLargeResult(t, "LLM_TIER_CONCURRENCY=enterprise:1", "LLM_WRITE_TIMEOUT=10m")
	first := b.unread(path)
	defer first.Close()
	for _, ask := range []struct{ method, path, body string }{
		{http.MethodGet, path, ""}, {http.MethodGet, "/llm/jobs", ""}, {http.MethodPost, "/llm", goodBody},
	} {
		await.True(t, "the user has no place left", func() bool {
			got := b.send(ask.method, ask.path, ask.body)
			return got.status == http.StatusTooManyRequests && got.code() == "too_many_calls" &&
				got.header.Get("Retry-After") == "1"
		})
	}
	check(t, first.Close())
	await.True(t, "the place is free again", func() bool {
		return b.send(http.MethodGet, path, "").status == http.StatusOK
	})
}

// TestRequestThatWaitsForItsJobHoldsNothing of its user's share, and no memory: only its place among those that wait.
func TestRequestThatWaitsForItsJobHoldsNothing(t *testing.T) {
	t.Parallel()
	vendor := newGate()
	b, _ := newJobBundle(t, vendor.call, "LLM_TIER_CONCURRENCY=enterprise:1")
	waited := make(chan answer)
	go func() { waited <- b.send(http.MethodPost, "/llm", goodBody, "Prefer", "respond-async, wait=50") }()
	<-vendor.arrived
	await.True(t, "another request finds the place", func() bool {
		return b.send(http.MethodPost, "/llm", goodBody, "Prefer", async).status == http.StatusAccepted
	})
	await.True(t, "it holds no memory", func() bool { return b.gauge("llm_memory_used_bytes", "body") == 0 })
	close(vendor.open)
	if got := await.Value(t, "the answer", waited); got.status != http.StatusOK || got.body != completion {
		t.Errorf("got %d %s", got.status, got.body)
	}
}
