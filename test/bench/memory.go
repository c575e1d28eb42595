//go:build linux

package main

import (
	"strconv"
	"time"

	"github.com/spillway-dev/spillway/internal/await"
)

// inFlight is the number of requests that wait for the vendor while memory is measured.
const inFlight = 1000

// inFlightMemory measures what a request in flight costs, of the service and of the bare forwarder. Where their
// collectors happen to stand decides how much of it is garbage, so it is the median of fresh programs.
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

// grown is how much the memory of t has grown, for each request in KiB, from a single one to all of them in flight. A
// program that had been busy before would hide part of it, in memory that it has not given back.
func grown(t *target) (float64, error) {
	if _, err := load(t.addr, request, 1, 0, time.Millisecond); err != nil {
		return 0, err
	}
	before, err := t.process.resident()
	if err != nil {
		return 0, err
	}
	t.vendor.setHold(true)
	go func() { _, _ = load(t.addr, request, inFlight, 0, time.Second) }()
	if _, err := await.Poll(await.Limit, t.name+": all requests reach the vendor", func() (bool, error) {
		return t.vendor.held.Load() >= inFlight, nil
	}); err != nil {
		return 0, err
	}
	after, err := t.process.resident()
	return float64(after-before) / inFlight / 1024, err
}
