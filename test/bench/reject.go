//go:build linux

package main

import (
	"bufio"
	"bytes"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httputil"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// refuser is a server that refuses a request.
type refuser struct {
	*target

	by      string // the layer that refuses
	request []byte
	status  int
}

// refusals measures the cost of a refusal, beside that of a 404 of the bare forwarder, and beside that of the same
// answer written by a server that makes no decision.
func (b *bench) refusals() error {
	refusing, err := b.startRefusing()
	if err != nil {
		return err
	}
	bare, err := b.startBare(bareName)
	if err != nil {
		return err
	}
	all := append(slices.Clone(refusing),
		refuser{bare, bareName, bytes.Replace(chatRequest, []byte("/llm"), []byte("/nil"), 1), 404})
	for _, r := range refusing {
		same, err := b.startSame(r)
		if err != nil {
			return err
		}
		all = append(all, same)
	}
	cpu := map[string][]float64{}
	for range b.rounds {
		for _, r := range all {
			s, err := b.take(r.target, r.request, 0, b.length/2, r.status)
			if err != nil {
				return err
			}
			cpu[r.by] = append(cpu[r.by], s.cpu)
		}
	}
	for _, r := range all {
		r.process.stop()
	}
	for _, r := range refusing {
		b.add(row{
			what:    fmt.Sprintf("a refusal by %s (%d): CPU, µs; bare: a 404", r.by, r.status),
			figures: figures{ownName: cpu[r.by], bareName: cpu[bareName], sameName: cpu[sameAs(r.by)]}, ratio: 1.25,
		})
	}
	return nil
}

// startSame starts a server that writes what r answers and makes no decision.
func (b *bench) startSame(r refuser) (refuser, error) {
	conn, err := net.Dial("tcp", r.addr)
	if err != nil {
		return refuser{}, err
	}
	defer conn.Close()
	if _, err := conn.Write(r.request); err != nil {
		return refuser{}, err
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return refuser{}, err
	}
	defer res.Body.Close()
	answer, err := httputil.DumpResponse(res, true)
	if err != nil {
		return refuser{}, err
	}
	path := filepath.Join(b.dir, "answer "+r.by)
	if err := os.WriteFile(path, answer, 0o600); err != nil {
		return refuser{}, err
	}
	t, err := b.startBare(sameAs(r.by), "-refuse", path)
	return refuser{t, sameAs(r.by), r.request, r.status}, err
}

func sameAs(by string) string { return sameName + ", " + by }

// startRefusing starts a server for each measured kind of refusal.
func (b *bench) startRefusing() (all []refuser, err error) {
	limited, served := post("limited-key", chatBody), chatRequest
	for _, c := range []struct {
		name     string
		settings map[string]string
		setUp    func(*target) error
		request  []byte
		status   int
	}{
		{"pod admission", patient(map[string]string{"ADMISSION_MAX": "1"}),
			occupy(1, "llm_slots_in_use", 1), served, 503},
		{"the open breaker", map[string]string{"BREAKER_OPEN": "30m", "RETRY_MAX": "0"}, openBreaker, served, 503},
		{"shedding", patient(map[string]string{"SLOTS": "1", "QUEUE_MAX": "1", "ADMISSION_MAX": "4096"}),
			occupy(3, "llm_slots_waiting", 2), limited, 429},
		{"the user limit", nil, useUp(limited), limited, 429},
	} {
		t, err := b.startServer(c.name, b.serverPath, c.settings)
		if err != nil {
			return nil, err
		}
		if err := c.setUp(t); err != nil {
			return nil, fmt.Errorf("%s: %w", c.name, err)
		}
		all = append(all, refuser{t, c.name, c.request, c.status})
	}
	return all, nil
}

// patient adds settings with which requests stay in flight while other servers are measured.
func patient(settings map[string]string) map[string]string {
	maps.Copy(settings, map[string]string{"SLA": "30m", "QUEUE_TIMEOUT": "20m", "CALL_TIMEOUT": "25m",
		"BREAKER_LEASE": "60m", "SHUTDOWN_GRACE": "60m"})
	return settings
}

// openBreaker lets the vendor fail until the breaker is open.
func openBreaker(t *target) error {
	t.vendor.answer("500 Internal Server Error")
	for range 200 {
		r, err := load(t.addr, chatRequest, 16, 0, 100*time.Millisecond)
		if err != nil {
			return err
		}
		if r.statuses[503] == r.requests {
			return nil
		}
	}
	return fmt.Errorf("the breaker did not open")
}

// occupy fills the server with n requests that the vendor does not answer. It returns when metric has that value.
func occupy(n int, metric string, value float64) func(*target) error {
	return func(t *target) error {
		t.vendor.setHold(true)
		go func() { _, _ = load(t.addr, chatRequest, n, 0, time.Second) }()
		return t.waitMetric(metric, value)
	}
}

// useUp uses up the limit of a user.
func useUp(limited []byte) func(*target) error {
	return func(t *target) error {
		_, err := load(t.addr, limited, 1, 0, 200*time.Millisecond)
		return err
	}
}
