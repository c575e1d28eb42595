//go:build linux

package main

import (
	"encoding/binary"
	"time"

	"golang.org/x/sys/unix"
)

// pace sends over the connections in turn, on a timer that the poller waits for too.
func (l *loader) pace(rate float64, d time.Duration) error {
	timer, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(timer) }()
	if err := l.add(timer); err != nil {
		return err
	}
	every := unix.NsecToTimespec(int64(float64(time.Second) / rate))
	if err := unix.TimerfdSettime(timer, 0, &unix.ItimerSpec{Interval: every, Value: every}, nil); err != nil {
		return err
	}
	total := int(rate * d.Seconds())
	for sent := 0; sent < total || l.busy > 0; {
		ready, err := l.wait()
		if err != nil {
			return err
		}
		for i := range ready {
			now := time.Now()
			if a := l.conns[int(ready[i].Fd)]; a != nil {
				if err := l.receive(a, now); err != nil {
					return err
				}
				continue
			}
			for range expirations(timer) {
				if sent == total {
					break
				}
				a := l.all[sent%len(l.all)]
				sent++
				if !a.since.IsZero() {
					a.waiting = append(a.waiting, now)
				} else if err := l.send(a, now); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// expirations is how often the timer has expired since the last call.
func expirations(timer int) uint64 {
	var b [8]byte
	if n, err := unix.Read(timer, b[:]); err != nil || n != len(b) {
		return 0
	}
	return binary.NativeEndian.Uint64(b[:])
}
