package redisx_test

import (
	"net"
	"sync/atomic"
	"testing"

	"github.com/spillway-dev/spillway/internal/await"
	"github.com/spillway-dev/spillway/internal/redistest"
	"github.com/spillway-dev/spillway/internal/redisx"
)

// TestEveryConnectionGoesThrough: Through gets the connections of requests and of background work, to one Redis and to
// a Cluster.
func TestEveryConnectionGoesThrough(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]redisx.Config{
		"one Redis": {URL: redistest.Start(t).URL()},
		"a Cluster": {URL: redistest.StartCluster(t), Cluster: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var seen atomic.Int64
			cfg.Through = func(conn net.Conn) net.Conn { return counted{conn, &seen} }
			c, _ := connect(t, cfg)
			if err := c.Do(t.Context(), set); err != nil || seen.Load() == 0 {
				t.Errorf("a request: %v, and %d writes went through", err, seen.Load())
			}
			patient, err := c.Patient()
			if err != nil {
				t.Fatal(err)
			}
			defer patient.Close()
			before := seen.Load()
			if err := set(t.Context(), patient); err != nil || seen.Load() == before {
				t.Errorf("background work: %v, and nothing it wrote went through", err)
			}
		})
	}
}

// counted counts the writes on a connection.
type counted struct {
	net.Conn

	writes *atomic.Int64
}

func (c counted) Write(b []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(b)
}

// TestTheFirstConnectionGoesThrough: a client connects by itself as soon as it is made, before anything is asked. Many
// clients are made, because a connection that is missed depends on which of two goroutines comes first.
func TestTheFirstConnectionGoesThrough(t *testing.T) {
	t.Parallel()
	cfg := redisx.Config{URL: redistest.Start(t).URL()}
	for range 500 {
		through := make(chan struct{}, 1)
		cfg.Through = func(conn net.Conn) net.Conn {
			select {
			case through <- struct{}{}:
			default: // a second connection
			}
			return conn
		}
		c, _ := connect(t, cfg)
		await.Value(t, "the first connection goes through", through)
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}
