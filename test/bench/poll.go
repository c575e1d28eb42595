//go:build linux

package main

import (
	"fmt"
	"net"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// poller waits for many sockets in a single thread.
type poller struct {
	fd     int
	events [256]unix.EpollEvent
}

func newPoller() (*poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	return &poller{fd: fd}, err
}

func (p *poller) close() { _ = unix.Close(p.fd) }

// add makes wait return fd when it can be read.
func (p *poller) add(fd int) error {
	return unix.EpollCtl(p.fd, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)})
}

// wait returns when sockets can be read, with these sockets.
func (p *poller) wait() ([]unix.EpollEvent, error) { return p.waitMillis(-1) }

// waitFor is wait for at most d, in whole milliseconds.
func (p *poller) waitFor(d time.Duration) ([]unix.EpollEvent, error) {
	return p.waitMillis(int(d.Milliseconds()) + 1)
}

func (p *poller) waitMillis(millis int) ([]unix.EpollEvent, error) {
	for {
		n, err := unix.EpollWait(p.fd, p.events[:], millis)
		if err != unix.EINTR {
			return p.events[:max(n, 0)], err
		}
	}
}

// wireConn is one end of a connection, with the bytes that have arrived.
type wireConn struct {
	fd int
	in []byte
}

// read reads the bytes that have arrived. more is false when the other end has closed.
func (c *wireConn) read() (more bool, err error) {
	if len(c.in) == cap(c.in) {
		c.in = append(c.in, make([]byte, 4<<10)...)[:len(c.in)]
	}
	n, err := unix.Read(c.fd, c.in[len(c.in):cap(c.in)])
	if err == unix.EAGAIN || err == unix.EINTR {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	c.in = c.in[:len(c.in)+n]
	return n > 0, nil
}

// next removes the next complete message from the bytes, and returns its first line, which is valid until the next
// read.
func (c *wireConn) next() (first []byte, err error) {
	first, size, err := message(c.in)
	if err != nil || size == 0 {
		return nil, err
	}
	if size == len(c.in) {
		c.in = c.in[:0]
	} else {
		c.in = c.in[size:]
	}
	return first, nil
}

// write sends all of b, which must fit into the socket's buffer.
func (c *wireConn) write(b []byte) error {
	if n, err := unix.Write(c.fd, b); err != nil || n < len(b) {
		return fmt.Errorf("wrote %d of %d bytes: %w", n, len(b), err)
	}
	return nil
}

func (c *wireConn) close() { _ = unix.Close(c.fd) }

// loopback is the socket address on 127.0.0.1 for the port of addr.
func loopback(addr string) (*unix.SockaddrInet4, error) {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	n, err := strconv.Atoi(port)
	return &unix.SockaddrInet4{Port: n, Addr: [4]byte{127, 0, 0, 1}}, err
}

// dial opens a connection to addr.
func dial(addr string) (*wireConn, error) {
	to, err := loopback(addr)
	if err != nil {
		return nil, err
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	c := &wireConn{fd: fd}
	if err = unix.Connect(fd, to); err == nil {
		err = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	}
	if err == nil {
		err = unix.SetNonblock(fd, true)
	}
	if err != nil {
		c.close()
		return nil, fmt.Errorf("connect to %s: %w", addr, err)
	}
	return c, nil
}
