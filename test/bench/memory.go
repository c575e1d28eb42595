//go:build linux

package main

import (
	"strconv"
	"time"

	"github.com/spillway-dev/spillway/internal/await"
)

// inFlight is the number of requests that wait for the vendor while memory is measured.
const inFlight = 1000

// inFlightMemory measures the memory of a request in flight, in the service and in the bare forwarder. The part that is
// garbage depends on the state of the collector, so the figure is the median over newly started programs.
func (b *bench) inFlightMemory() error {
	var bare, full []float64
	for range 5 {
		for _, c := range []struct {
			into  *[]float64
			start func() (*target, error)
		}{
			{&bare, func() (*target, error) { return b.startBare("memory of the bare forwarder") }},
			{&full, func() (*target, error) {
				return b.startServer("memory", b.serverPath, map[string]string{"SLOTS": strconv.Itoa(inFlight)})
			}},
		} {
			t, err := c.start()
			if err != nil {
				return err
			}
			kib, err := grown(t)
			t.process.stop()
			if err != nil {
				return err
			}
			*c.into = append(*c.into, kib)
		}
	}
	b.add(row{kind: memory, what: "memory of a request in flight, KiB",
		figures: figures{ownName: full, bareName: bare}})
	return nil
}

// grown is the growth of t's memory from one request in flight to all of them, in KiB per request. t must be newly
// started: a busy program has memory that it has not given back, which would hide a part of the growth.
func grown(t *target) (float64, error) {
	if _, err := load(t.addr, chatRequest, 1, 0, time.Millisecond); err != nil {
		return 0, err
	}
	before, err := t.process.resident()
	if err != nil {
		return 0, err
	}
	t.vendor.setHold(true)
	go func() { _, _ = load(t.addr, chatRequest, inFlight, 0, time.Second) }()
	if _, err := await.Poll(await.Limit, t.name+": all requests reach the vendor", func() (bool, error) {
		return t.vendor.held.Load() >= inFlight, nil
	}); err != nil {
		return 0, err
	}
	after, err := t.process.resident()
	return float64(after-before) / inFlight / 1024, err
}
