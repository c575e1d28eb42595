//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"log"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// vendor answers every request at once, or never while it holds: then requests stay in flight. A single thread serves
// all connections.
type vendor struct {
	port  int
	mu    sync.Mutex
	reply []byte
	hold  bool
	flow  bool
	held  atomic.Int64 // requests that arrived while it held
}

func newVendor() (*vendor, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return nil, err
	}
	if err := unix.Listen(fd, 4096); err != nil {
		return nil, err
	}
	own, err := unix.Getsockname(fd)
	if err != nil {
		return nil, err
	}
	v := &vendor{port: own.(*unix.SockaddrInet4).Port}
	v.answer("200 OK")
	p, err := newPoller()
	if err != nil {
		return nil, err
	}
	if err := p.add(fd); err != nil {
		return nil, err
	}
	go func() {
		runtime.LockOSThread()
		log.Fatal(v.serve(p, fd))
	}()
	return v, nil
}

func (v *vendor) url() string {
	return "http://127.0.0.1:" + strconv.Itoa(v.port) + "/v1/chat/completions"
}

// answer sets the status line of all further answers.
func (v *vendor) answer(status string) {
	body := `{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"bench","choices":[{"index":0,"message":{"role":"assistant","content":"The quick brown fox jumps over the lazy dog, and then it does so again because the answer has to have some length."},"finish_reason":"stop"}],"usage":{"prompt_tokens":20,"completion_tokens":24,"total_tokens":44}}`
	v.mu.Lock()
	defer v.mu.Unlock()
	v.reply = fmt.Appendf(nil, "HTTP/1.1 %s\r\nContent-Type: application/json\r\nDate: Thu, 01 Jan 2026 00:00:00 "+
		"GMT\r\nContent-Length: %d\r\n\r\n%s", status, len(body), body)
}

func (v *vendor) setHold(hold bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.hold = hold
}

// setStream makes the vendor answer later requests for streams with streams that do not end.
func (v *vendor) setStream(flow bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.flow = flow
}

func (v *vendor) serve(p *poller, listener int) error {
	conns := map[int]*wireConn{}
	streams, err := newStreamer(p)
	if err != nil {
		return err
	}
	for {
		ready, err := p.wait()
		if err != nil {
			return err
		}
		v.mu.Lock()
		reply, hold, flow := v.reply, v.hold, v.flow
		v.mu.Unlock()
		for i := range ready {
			switch fd := int(ready[i].Fd); {
			case fd == listener:
				if err := accept(p, listener, conns); err != nil {
					return err
				}
			case fd == streams.timer:
				streams.tick()
			case conns[fd] == nil: // closed; a program that is being started has it for a moment
			case !v.serveOne(conns[fd], reply, hold, flow, streams):
				streams.end(conns[fd])
				conns[fd].close()
				delete(conns, fd)
			}
		}
	}
}

func accept(p *poller, listener int, conns map[int]*wireConn) error {
	for {
		fd, _, err := unix.Accept4(listener, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		if errors.Is(err, unix.EAGAIN) {
			return nil
		}
		if err != nil {
			return err
		}
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
		conns[fd] = &wireConn{fd: fd}
		if err := p.add(fd); err != nil {
			return err
		}
	}
}

// serveOne answers the requests that have arrived on c. It reports false when c is closed.
func (v *vendor) serveOne(c *wireConn, reply []byte, hold, flow bool, streams *streamer) bool {
	if more, err := c.read(); err != nil || !more {
		return false
	}
	flow = flow && bytes.Contains(c.in, []byte(`"stream":true`))
	first, err := c.next()
	switch {
	case err != nil:
		return false
	case first == nil:
		return true
	case hold:
		v.held.Add(1)
		return true
	case flow:
		return streams.begin(c)
	}
	return c.write(reply) == nil
}
