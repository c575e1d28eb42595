//go:build linux

package main

import (
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/spillway-dev/spillway/internal/await"
)

// The number of streams that are opened at once, and the events per second that the vendor sends on each.
const (
	openStreams = 1000
	eventRate   = 10
)

// streamSample has the figures of one program with openStreams streams. Times are in microseconds, memory is in KiB.
type streamSample struct {
	cpu, first, memory float64 // per event; p99 until the first event; of an open stream
}

// streamBody asks for a stream.
var streamBody = chatBody[:len(chatBody)-1] + `,"stream":true}`

// streams measures newly started programs in turn: memory of earlier work would hide the memory of the streams.
func (b *bench) streams() error {
	samples := map[string][]streamSample{}
	for range (b.rounds + 1) / 2 {
		for _, starts := range b.forwarders(map[string]string{"SLOTS": "2048", "ADMISSION_MAX": "4096"}) {
			t, err := starts()
			if err != nil {
				return err
			}
			s, err := b.stream(t)
			t.process.stop()
			if err != nil {
				return fmt.Errorf("streams of %s: %w", t.name, err)
			}
			samples[t.name] = append(samples[t.name], s)
		}
	}
	of := func(pick func(streamSample) float64) figures {
		return figuresOf(samples, pick)
	}
	b.add(row{what: "an event of a stream: CPU, µs",
		figures: of(func(s streamSample) float64 { return s.cpu }), bar: 16})
	b.add(row{kind: speed, what: fmt.Sprintf("first event, p99 of %d streams opened at once, ms", openStreams),
		figures: of(func(s streamSample) float64 { return s.first / 1000 }), bar: 100})
	b.add(row{kind: memory, what: "memory of an open stream, KiB",
		figures: of(func(s streamSample) float64 { return s.memory }), bar: 45})
	return nil
}

// stream opens all streams of t at once, and measures while events flow.
func (b *bench) stream(t *target) (s streamSample, err error) {
	t.vendor.setStream(true)
	if _, err := load(t.addr, chatRequest, 1, 0, time.Millisecond); err != nil {
		return s, err
	}
	before, err := t.process.resident()
	if err != nil {
		return s, err
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	l, err := openStreamsAt(t.addr, openStreams)
	if err != nil {
		return s, err
	}
	defer l.close()
	if err := l.readUntil(time.Now().Add(await.Limit),
		func() bool { return len(l.firsts) == openStreams }); err != nil {
		return s, err
	}
	if len(l.firsts) < openStreams {
		return s, fmt.Errorf("%d of %d streams had an event after %v", len(l.firsts), openStreams, await.Limit)
	}
	slices.Sort(l.firsts)
	s.first = float64(l.firsts[len(l.firsts)*99/100].Microseconds())
	never := func() bool { return false }
	if err := l.readUntil(time.Now().Add(time.Second), never); err != nil {
		return s, err
	}
	cpu, err := t.process.cpu()
	if err != nil {
		return s, err
	}
	length := 2 * b.length // the collection of garbage from the opening is not part of an event's cost
	events, wait := l.events, b.profiled(t, length)
	if err := l.readUntil(time.Now().Add(length), never); err != nil {
		return s, err
	}
	used, err := t.process.cpu()
	if err != nil {
		return s, err
	}
	if err := wait(); err != nil {
		return s, err
	}
	s.cpu = float64((used - cpu).Nanoseconds()) / 1000 / float64(l.events-events)
	after, err := t.process.resident()
	s.memory = float64(after-before) / openStreams / 1024
	return s, err
}
