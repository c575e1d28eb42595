package main

import (
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// freezer can stop the traffic between this process and Redis. Redis then looks to this process, and to no other, like
// a server that is stopped: connections stay open and get no answer. newFreezer makes one.
type freezer struct {
	mu   sync.Mutex
	open chan struct{} // closed while traffic flows
}

func newFreezer() *freezer {
	f := &freezer{open: make(chan struct{})}
	close(f.open)
	return f
}

// freeze stops the traffic, or lets it go on.
func (f *freezer) freeze(frozen bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	select {
	case <-f.open:
		if frozen {
			f.open = make(chan struct{})
		}
	default:
		if !frozen {
			close(f.open)
		}
	}
}

// passage returns a channel that is closed when traffic flows.
func (f *freezer) passage() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.open
}

// lead returns conn with its traffic through the freezer. It still has the socket for the client library.
func (f *freezer) lead(conn net.Conn) net.Conn {
	c := &frozenConn{Conn: conn, freezer: f, closed: make(chan struct{})}
	if socket, ok := conn.(syscall.Conn); ok {
		return struct {
			*frozenConn
			syscall.Conn
		}{c, socket}
	}
	return c
}

// frozenConn is a connection to Redis that can be frozen. Its deadlines apply while it is frozen too.
type frozenConn struct {
	net.Conn

	freezer     *freezer
	read, write atomic.Pointer[time.Time] // deadlines; nil or zero: none
	closing     sync.Once
	closed      chan struct{}
}

func (c *frozenConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if err == nil {
		err = c.pass(c.read.Load())
	}
	if err != nil {
		return 0, err
	}
	return n, nil
}

func (c *frozenConn) Write(b []byte) (int, error) {
	if err := c.pass(c.write.Load()); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}

// pass waits until traffic flows, at most until the deadline by.
func (c *frozenConn) pass(by *time.Time) error {
	var late <-chan time.Time
	if by != nil && !by.IsZero() {
		timer := time.NewTimer(time.Until(*by))
		defer timer.Stop()
		late = timer.C
	}
	open := c.freezer.passage()
	select { // first, because a deadline may have passed as well
	case <-open:
		return nil
	default:
	}
	select {
	case <-open:
		return nil
	case <-late:
		return os.ErrDeadlineExceeded
	case <-c.closed:
		return net.ErrClosed
	}
}

func (c *frozenConn) SetDeadline(t time.Time) error {
	c.read.Store(&t)
	c.write.Store(&t)
	return c.Conn.SetDeadline(t)
}

func (c *frozenConn) SetReadDeadline(t time.Time) error {
	c.read.Store(&t)
	return c.Conn.SetReadDeadline(t)
}

func (c *frozenConn) SetWriteDeadline(t time.Time) error {
	c.write.Store(&t)
	return c.Conn.SetWriteDeadline(t)
}

func (c *frozenConn) Close() error {
	c.closing.Do(func() { close(c.closed) })
	return c.Conn.Close()
}
