//go:build linux

package main

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// event is the vendor's event for one token.
const event = `data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"bench","choices":[{"index":0,"delta":{"content":" fox"},"finish_reason":null}]}` + "\n\n"

var (
	eventChunk   = fmt.Appendf(nil, "%x\r\n%s\r\n", len(event), event)
	streamAnswer = append([]byte("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nDate: Thu, 01 Jan 2026 "+
		"00:00:00 GMT\r\nTransfer-Encoding: chunked\r\n\r\n"), eventChunk...)
)

// streamer sends events on the streams of a vendor: every millisecond on some of them, so that each stream has
// eventRate events per second, and the total rate is steady.
type streamer struct {
	timer int
	open  []*wireConn
	next  int
	owed  float64
}

func newStreamer(p *poller) (*streamer, error) {
	timer, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	return &streamer{timer: timer}, p.add(timer)
}

// begin answers a request with a stream.
func (s *streamer) begin(c *wireConn) bool {
	if len(s.open) == 0 {
		every := unix.NsecToTimespec(time.Millisecond.Nanoseconds())
		if unix.TimerfdSettime(s.timer, 0, &unix.ItimerSpec{Interval: every, Value: every}, nil) != nil {
			return false
		}
	}
	s.open = append(s.open, c)
	return c.write(streamAnswer) == nil
}

// tick sends the events that are due.
func (s *streamer) tick() {
	times := expirations(s.timer)
	s.owed += float64(times) * float64(len(s.open)) * eventRate / 1000
	for ; s.owed >= 1 && len(s.open) > 0; s.owed-- {
		s.next = (s.next + 1) % len(s.open)
		if s.open[s.next].write(eventChunk) != nil {
			s.end(s.open[s.next])
		}
	}
}

// end removes a stream, and the timer with the last one.
func (s *streamer) end(c *wireConn) {
	for i, one := range s.open {
		if one == c {
			s.open = append(s.open[:i], s.open[i+1:]...)
			break
		}
	}
	if len(s.open) == 0 {
		s.owed = 0
		_ = unix.TimerfdSettime(s.timer, 0, &unix.ItimerSpec{}, nil)
	}
}
