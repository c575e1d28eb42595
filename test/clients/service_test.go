package clients

import (
	"context"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spillway-dev/spillway/internal/await"
	"github.com/spillway-dev/spillway/internal/proctest"
	"github.com/spillway-dev/spillway/internal/vendorsim"
)

// binary is the server; TestMain builds it.
var binary string

func TestMain(m *testing.M) {
	os.Exit(proctest.WithBinary("../..", "./cmd/server", func(path string) int {
		binary = path
		return m.Run()
	}))
}

// service is one server process with a vendor of its own.
type service struct {
	*vendorsim.Server        // the vendor
	url               string // of the service, without a path
	key               string
	direct            bool // there is no service: url is the vendor's
}

// start starts a vendor and a service that calls it. The settings ("NAME=value") come on top of those of --dev.
func start(t *testing.T, vendor vendorsim.Config, settings ...string) *service {
	t.Helper()
	s := alone(t, vendor)
	s.direct = false
	pod := proctest.Launch(t, proctest.Program{Path: binary, Args: []string{"--dev"}, Env: append([]string{
		"LLM_ADDR=127.0.0.1:0", "LLM_ADMIN_ADDR=127.0.0.1:0", "LLM_VENDOR_URL=" +
			strings.TrimSuffix(s.URL, "/chat/completions"),
	}, settings...)})
	if err := pod.Serving(); err != nil {
		t.Fatal(err)
	}
	s.url = pod.URL
	return s
}

// alone starts a vendor and no service.
func alone(t *testing.T, vendor vendorsim.Config) *service {
	t.Helper()
	sim, err := vendorsim.Start(t.Context(), "", vendor)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sim.Close)
	return &service{Server: sim, url: strings.TrimSuffix(sim.URL, "/v1/chat/completions"), key: "dev-pro", direct: true}
}

// await waits until is holds for what the vendor has seen.
func (s *service) await(t *testing.T, is func(vendorsim.Stats) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), await.Limit)
	defer cancel()
	if err := s.WaitFor(ctx, is); err != nil {
		t.Fatalf("%v; the vendor has seen %+v", err, s.Stats())
	}
}

// counter is a transport that counts the requests that go through it, and remembers when they did.
type counter struct {
	mu sync.Mutex
	at []time.Time
}

func (c *counter) RoundTrip(r *http.Request) (*http.Response, error) {
	c.mu.Lock()
	c.at = append(c.at, time.Now())
	c.mu.Unlock()
	return http.DefaultTransport.RoundTrip(r)
}

// requests are the times of the requests so far.
func (c *counter) requests() []time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]time.Time(nil), c.at...)
}
