//go:build linux

package main

import (
	"bytes"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// streamReader reads streams in a single thread.
type streamReader struct {
	*poller

	opened  time.Time
	conns   map[int]*wireConn
	begun   map[int]bool
	firsts  []time.Duration // until the first event of a stream
	events  int
	scratch [64 << 10]byte
}

func openStreamsAt(addr string, n int) (l *streamReader, err error) {
	l = &streamReader{conns: map[int]*wireConn{}, begun: map[int]bool{}}
	if l.poller, err = newPoller(); err != nil {
		return nil, err
	}
	for range n {
		c, err := dial(addr)
		if err != nil {
			l.close()
			return nil, err
		}
		l.conns[c.fd] = c
		if err := l.add(c.fd); err != nil {
			l.close()
			return nil, err
		}
	}
	asking := post("bench-key", streamBody)
	l.opened = time.Now()
	for _, c := range l.conns {
		if err := c.write(asking); err != nil {
			l.close()
			return nil, err
		}
	}
	return l, nil
}

func (l *streamReader) close() {
	for _, c := range l.conns {
		c.close()
	}
	l.poller.close()
}

// readUntil counts events until the time end, or until done reports true.
func (l *streamReader) readUntil(end time.Time, done func() bool) error {
	for !done() {
		left := time.Until(end)
		if left <= 0 {
			return nil
		}
		ready, err := l.waitFor(left)
		if err != nil {
			return err
		}
		now := time.Now()
		for i := range ready {
			if err := l.receive(int(ready[i].Fd), now); err != nil {
				return err
			}
		}
	}
	return nil
}

// receive counts the events that have arrived on a stream. Each is one chunk, smaller than a packet, so it arrives
// whole.
func (l *streamReader) receive(fd int, now time.Time) error {
	n, err := unix.Read(fd, l.scratch[:])
	if err == unix.EAGAIN || err == unix.EINTR {
		return nil
	}
	if err != nil || n == 0 {
		return fmt.Errorf("a stream ended after %d events: %w", l.events, err)
	}
	came := bytes.Count(l.scratch[:n], []byte("data: {"))
	l.events += came
	if came > 0 && !l.begun[fd] {
		l.begun[fd] = true
		l.firsts = append(l.firsts, now.Sub(l.opened))
	}
	if came == 0 && bytes.HasPrefix(l.scratch[:n], []byte("HTTP/1.1 ")) &&
		!bytes.HasPrefix(l.scratch[:n], []byte("HTTP/1.1 200")) {
		return fmt.Errorf("refused: %q", l.scratch[:n])
	}
	return nil
}
