package redisx_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spillway-dev/spillway/internal/redistest"
	"github.com/spillway-dev/spillway/internal/redisx"
)

// All commands on a lost connection fail, and count as one failure: other commands go on with Redis.
func TestALostConnectionCountsOnce(t *testing.T) {
	t.Parallel()
	proxy := newCutter(t, redistest.Start(t).Addr())
	c, _ := connect(t, redisx.Config{URL: "redis://" + proxy.addr, Budget: time.Second})
	if err := c.Do(t.Context(), run); err != nil {
		t.Fatal(err)
	}
	failed := 0
	for failed == 0 { // until there is a crowd
		var wg sync.WaitGroup
		errs := make([]error, 256)
		for i := range errs {
			wg.Go(func() { errs[i] = c.Do(t.Context(), run) })
		}
		wg.Wait()
		for _, err := range errs {
			if errors.Is(err, redisx.ErrAway) {
				t.Fatal("one lost connection, and Redis is away")
			}
			if err != nil {
				failed++
			}
		}
	}
	if failed < crowd || proxy.cut.Load() != 1 {
		t.Errorf("%d commands failed on %d connections, want at least %d on one", failed, proxy.cut.Load(), crowd)
	}
	if c.Away() {
		t.Error("Redis is away")
	}
}

// crowd is the number of scripts in one read at which a cutter cuts the connection.
const crowd = 4

// cutter is a proxy in front of Redis that cuts the first connection with a crowd of scripts.
type cutter struct {
	addr string
	cut  atomic.Int32
}

func newCutter(t *testing.T, redis string) *cutter {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &cutter{addr: l.Addr().String()}
	var all sync.WaitGroup
	t.Cleanup(all.Wait)
	t.Cleanup(func() { _ = l.Close() })
	all.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", redis)
			if err != nil {
				_ = client.Close()
				continue
			}
			all.Go(func() {
				_, _ = io.Copy(client, server)
				_ = client.Close()
			})
			all.Go(func() {
				defer server.Close()
				p.forward(client, server)
			})
		}
	})
	return p
}

// forward copies from client to server until it cuts the connection.
func (p *cutter) forward(client, server net.Conn) {
	buf := make([]byte, 64<<10)
	for {
		n, err := client.Read(buf)
		if err != nil {
			return
		}
		if bytes.Count(buf[:n], []byte("evalsha")) >= crowd && p.cut.CompareAndSwap(0, 1) {
			return
		}
		if _, err := server.Write(buf[:n]); err != nil {
			return
		}
	}
}
