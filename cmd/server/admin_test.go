package main

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/spillway-dev/spillway/internal/api"
	"github.com/spillway-dev/spillway/internal/config"
	"github.com/spillway-dev/spillway/internal/health"
	"github.com/spillway-dev/spillway/internal/live"
)

// pipes is a listener whose connections need no network.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	if conn, ok := <-p; ok {
		return conn, nil
	}
	return nil, net.ErrClosed
}

func (p pipes) Close() error   { return nil }
func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }

// ask sends a request and returns the connection.
func (p pipes) ask(t *testing.T, path string) net.Conn {
	t.Helper()
	near, far := net.Pipe()
	p <- far
	if _, err := fmt.Fprintf(near, "GET %s HTTP/1.1\r\nHost: pod\r\n\r\n", path); err != nil {
		t.Fatal(err)
	}
	return near
}

// onAdminPort serves the admin port, with profiles and the live page, while test runs.
func onAdminPort(t *testing.T, test func(*testing.T, pipes)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		log := slog.New(slog.DiscardHandler)
		page := live.New(live.Config{Pod: "pod-1", Metrics: prometheus.NewRegistry(), Log: log})
		page.Start()
		defer page.Close()
		pod := health.New(health.Config{}, func() float64 { return 0 })
		s := &service{cfg: config.ServerConfig{ReadTimeout: 15 * time.Second, IdleTimeout: time.Minute}, log: log,
			admin: page.Over(api.NewAdmin(pod, prometheus.NewRegistry(), true))}
		server, conns := s.adminServer(func() bool { return false }), make(pipes)
		done := make(chan error, 1)
		go func() { done <- server.Serve(conns) }()
		test(t, conns)
		close(conns)
		_ = server.Close()
		<-done
	})
}

// TestAReaderThatStopsLosesItsAdminConnection: otherwise some of them would hold all connections of the admin port.
func TestAReaderThatStopsLosesItsAdminConnection(t *testing.T) {
	t.Parallel()
	onAdminPort(t, func(t *testing.T, conns pipes) {
		conn := conns.ask(t, "/metrics")
		defer conn.Close()
		time.Sleep(adminWrite + time.Second)
		if got, err := io.ReadAll(conn); err != nil || len(got) > 0 {
			t.Errorf("the connection is still there: %d bytes, %v", len(got), err)
		}
	})
}

// TestALongProfileIsNotCut: its answer comes later than the write timeout.
func TestALongProfileIsNotCut(t *testing.T) {
	t.Parallel()
	onAdminPort(t, func(t *testing.T, conns pipes) {
		conn, start := conns.ask(t, "/debug/pprof/goroutine?seconds=60"), time.Now()
		defer conn.Close()
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if got, err := io.ReadAll(res.Body); res.StatusCode != http.StatusOK || len(got) == 0 || err != nil ||
			time.Since(start) < time.Minute {
			t.Errorf("%s, %d bytes, %v", res.Status, len(got), err)
		}
	})
}

// TestTheLivePageIsNotCut: its stream goes on after the write timeout.
func TestTheLivePageIsNotCut(t *testing.T) {
	t.Parallel()
	onAdminPort(t, func(t *testing.T, conns pipes) {
		conn, start := conns.ask(t, "/debug/live/events"), time.Now()
		defer conn.Close()
		events := 0
		for lines := bufio.NewReader(conn); time.Since(start) < 3*adminWrite; {
			line, err := lines.ReadString('\n')
			if err != nil {
				t.Fatalf("after %v and %d events: %v", time.Since(start), events, err)
			}
			if strings.HasPrefix(line, "data: ") {
				events++
			}
		}
		if events < 80 {
			t.Errorf("%d events", events)
		}
	})
}
