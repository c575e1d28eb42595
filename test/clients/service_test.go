package clients

import (
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

// binary is the path of the server program. TestMain builds it.
var binary string

func TestMain(m *testing.M) {
	os.Exit(proctest.WithBinary("../..", "./cmd/server", func(path string) int {
		binary = path
		return m.Run()
	}))
}

// service is one server process with its own vendor.
type service struct {
	*vendorsim.Server        // the vendor
	url               string // of the service, without a path
	key               string
	direct            bool // url is that of the vendor; there is no service
}

// start starts a vendor and a service that calls it. The settings ("NAME=value") are added to those of --dev.
func start(t *testing.T, vendor vendorsim.Config, settings ...string) *service {
	t.Helper()
	s := alone(t, vendor)
	s.direct = false
	pod := proctest.Launch(t, proctest.Program{Path: binary, Args: []string{"--dev"}, Env: append([]string{
		"LLM_ADDR=127.0.0.1:0", "LLM_ADMIN_ADDR=127.0.0.1:0",
		"LLM_VENDOR_URL=" + strings.TrimSuffix(s.URL, "/chat/completions"),
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

// cancelled waits until the vendor has seen so many cancelled calls, and none is in flight.
func (s *service) cancelled(t *testing.T, calls int) {
	t.Helper()
	await.True(t, "vendor calls are cancelled", func() bool {
		seen := s.Stats()
		return seen.Cancelled == calls && seen.InFlight == 0
	})
}

// inFlight waits until the vendor has one call in flight.
func (s *service) inFlight(t *testing.T) {
	t.Helper()
	await.True(t, "a call is in flight", func() bool { return s.Stats().InFlight == 1 })
}

// counter is a transport that remembers the times of its requests.
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

// requests returns the times of the requests so far.
func (c *counter) requests() []time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]time.Time(nil), c.at...)
}
