package openapi

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/spillway-dev/spillway/internal/vendorsim"
	"github.com/spillway-dev/spillway/internal/vendorsim/script"
)

// slow asks for calls that the vendor does not answer in time. The time of a request begins before that of its call.
func slow(t *testing.T, got *seen) {
	p := start(t, "LLM_SLA=500ms", "LLM_CALL_TIMEOUT=500ms", "LLM_QUEUE_TIMEOUT=200ms", "LLM_BREAKER_LEASE=1m")
	if err := p.AddFault(vendorsim.Fault{Kind: "hang"}); err != nil {
		t.Fatal(err)
	}
	for path, body := range p.bodies(t) {
		p.check(t, got, call(path, body), http.StatusGatewayTimeout)
	}
}

// slowClients send a part of their bodies and then nothing.
func slowClients(t *testing.T, got *seen) {
	p := start(t, "LLM_READ_TIMEOUT=500ms")
	for path, body := range p.bodies(t) {
		q := call(path, body)
		q.unsent = make(chan struct{})
		p.check(t, got, q, http.StatusRequestTimeout)
		close(q.unsent)
	}
}

// late is a body of which a part is never sent.
type late struct {
	sent   io.Reader
	unsent chan struct{} // closed when the answer is there
}

func (l *late) Read(b []byte) (int, error) {
	n, err := l.sent.Read(b)
	if err == io.EOF {
		<-l.unsent
	}
	return n, err
}

// dropped asks for a job whose result finds no room, and waits for it.
func dropped(t *testing.T, got *seen) {
	p := start(t, "LLM_JOBS_MEMORY=8000", "LLM_JOBS_USER_MEMORY=8000")
	long := script.Answer{Status: http.StatusOK, Headers: map[string]string{"Content-Type": "application/json"},
		Body: []script.Piece{{Text: `{"long":"` + strings.Repeat("x", 20_000) + `"}`}}}
	if err := p.AddFault(vendorsim.Fault{Kind: "answer", Answer: &long}); err != nil {
		t.Fatal(err)
	}
	q := call("/llm", p.bodies(t)["/llm"])
	q.headers = []string{"Prefer", "respond-async, wait=60"}
	p.check(t, got, q, http.StatusInsufficientStorage)
}
