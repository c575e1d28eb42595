package vendorsim_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/spillway-dev/spillway/internal/vendorsim"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// hello is a request, and helloStream the same as a stream.
const (
	hello       = `{"model":"m","messages":[{"role":"user","content":"hello \"there\""}],"max_tokens":8}`
	helloStream = `{"model":"m","messages":[{"role":"user","content":"hello \"there\""}],"max_tokens":8,"stream":true}`
)

// bundle is one simulator with its own client.
type bundle struct {
	*vendorsim.Server
	t      testing.TB
	client *http.Client
}

func start(t testing.TB, cfg vendorsim.Config) *bundle {
	t.Helper()
	server, err := vendorsim.Start(t.Context(), "", cfg)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	t.Cleanup(func() { transport.CloseIdleConnections(); server.Close() })
	return &bundle{server, t, &http.Client{Transport: transport}}
}

// answer is a client's answer. err is the error of the exchange, or of reading the body.
type answer struct {
	status int
	header http.Header
	body   string
	err    error
}

func (b *bundle) do(ctx context.Context, method, path, body string, header ...string) answer {
	req, err := http.NewRequestWithContext(
		ctx,
		method,
		strings.TrimSuffix(b.URL, "/v1/chat/completions")+path,
		strings.NewReader(body),
	)
	if err != nil {
		b.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := b.client.Do(req)
	if err != nil {
		return answer{err: err}
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	return answer{res.StatusCode, res.Header, string(got), err}
}

func (b *bundle) post(body string, header ...string) answer {
	return b.do(b.t.Context(), http.MethodPost, "/v1/chat/completions", body, header...)
}

// fail adds a fault.
func (b *bundle) fail(f vendorsim.Fault) {
	b.t.Helper()
	if err := b.AddFault(f); err != nil {
		b.t.Fatal(err)
	}
}
