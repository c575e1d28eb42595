package api_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/spillway-dev/spillway/internal/llm"
)

// TestOverloadedWhenThePodIsFull is the row that takes two requests at once.
func TestOverloadedWhenThePodIsFull(t *testing.T) {
	t.Parallel()
	inside, leave := make(chan struct{}), make(chan struct{})
	b := newBundle(t, func(ctx context.Context, call *llm.Call) (*llm.Response, error) {
		close(inside)
		<-leave
		return answers(ctx, call)
	}, options{env: []string{"LLM_ADMISSION_MAX=1"}})
	first := make(chan answer, 1)
	go func() { first <- b.post("/llm") }()
	<-inside
	if got := b.post("/llm"); got.status != http.StatusServiceUnavailable || got.code() != "overloaded" ||
		got.header.Get("Retry-After") != "1" {
		t.Errorf("got %d %s", got.status, got.body)
	}
	close(leave)
	if got := <-first; got.status != http.StatusOK {
		t.Errorf("the one inside got %d %s", got.status, got.body)
	}
}

// One user with as many requests inside the pod as the tier allows is refused, and other users are served.
func TestOneUserWithTooManyRequests(t *testing.T) {
	t.Parallel()
	inside, leave := make(chan bool, 1), make(chan bool)
	b := newBundle(t, func(ctx context.Context, call *llm.Call) (*llm.Response, error) {
		if call.User == "pro" {
			inside <- true
			<-leave
		}
		return answers(ctx, call)
	}, options{env: []string{"LLM_TIER_CONCURRENCY=pro:1"}, level: slog.LevelDebug})
	first := make(chan answer, 1)
	go func() { first <- b.post("/llm", "Authorization", "Bearer key-pro") }()
	<-inside
	got := b.post("/llm", "Authorization", "Bearer key-pro")
	if got.status != http.StatusTooManyRequests || got.code() != "too_many_calls" ||
		got.header.Get("Retry-After") != "1" || got.header.Get("RateLimit") != "" {
		t.Errorf("got %d %v %s", got.status, got.header, got.body)
	}
	if line := b.accessLine(); line["layer"] != "user_concurrency" || line["reason"] != "too_many_calls" {
		t.Errorf("the log says %v", line)
	}
	if got := b.post("/llm", "Authorization", "Bearer key-free"); got.status != http.StatusOK {
		t.Errorf("another user got %d %s", got.status, got.body)
	}
	close(leave)
	if got := <-first; got.status != http.StatusOK {
		t.Errorf("the one inside got %d %s", got.status, got.body)
	}
}

// TestShedForLatency: when answers come near the SLA it is the service that is slow, so shedding is a 503.
func TestShedForLatency(t *testing.T) {
	t.Parallel()
	b := newBundle(t, untilTheEnd, options{env: shortSLA})
	for range 100 {
		switch got := b.post("/llm", "Authorization", "Bearer key-pro"); got.code() {
		case "deadline_exceeded":
		case "shed":
			if got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "" {
				t.Errorf("got %d, Retry-After %q", got.status, got.header.Get("Retry-After"))
			}
			return
		default:
			t.Fatalf("got %d %s", got.status, got.body)
		}
	}
	t.Error("a hundred requests in a row ran into the SLA and none was shed")
}

// TestClientThatHangsUp: no client reads the answer, but the log has it.
func TestClientThatHangsUp(t *testing.T) {
	t.Parallel()
	inside := make(chan struct{})
	b := newBundle(t, func(ctx context.Context, call *llm.Call) (*llm.Response, error) {
		close(inside)
		return untilTheEnd(ctx, call)
	}, options{})
	ctx, hangUp := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		res, err := b.server.Client().Do(b.request(http.MethodPost, "/llm", goodBody).WithContext(ctx))
		if err == nil {
			_ = res.Body.Close()
		}
		done <- err
	}()
	<-inside
	hangUp()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("the client got %v", err)
	}
	if line := b.accessLine(); line["status"] != 499.0 || line["reason"] != "client_closed" {
		t.Errorf("the log says %v", line)
	}
}

// TestARefusedBodyIsReadOn, so that a client that writes first can read the answer.
func TestARefusedBodyIsReadOn(t *testing.T) {
	t.Parallel()
	b := newBundle(t, answers, options{env: []string{"LLM_MAX_BODY=1048576"}})
	conn := b.dial()
	defer conn.Close()
	const size = 8 << 20
	fmt.Fprintf(conn, "POST /llm HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer key-pro\r\n"+
		"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n", size)
	if _, err := io.Copy(conn, strings.NewReader(strings.Repeat("x", size))); err != nil {
		t.Fatalf("the client cannot write its body: %v", err)
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil || !strings.Contains(line, "413") {
		t.Errorf("the client reads %q, %v", line, err)
	}
}
