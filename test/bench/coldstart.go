//go:build linux

package main

import (
	"fmt"
	"io"
	"net"
	"time"

	"github.com/spillway-dev/spillway/internal/await"
)

// coldStarts measures the time from the start of a program until it answers, and until the service is ready.
func (b *bench) coldStarts() error {
	took := map[string][]float64{}
	for range 3 * b.rounds {
		for _, arrange := range []func() (*target, error){
			func() (*target, error) { return b.bareForwarder("bare") },
			func() (*target, error) { return b.service("spillway", b.serverPath, nil) },
		} {
			t, err := arrange()
			if err != nil {
				return err
			}
			ms, err := b.coldStart(t)
			if err != nil {
				return fmt.Errorf("cold start of %s: %w", t.name, err)
			}
			took[t.name] = append(took[t.name], ms)
		}
	}
	b.add(row{kind: speed, what: "cold start until ready, ms", figures: figuresOf(took, itself), bar: 100})
	return nil
}

func (b *bench) coldStart(t *target) (millis float64, err error) {
	begin := time.Now()
	if err := b.launch(t); err != nil {
		return 0, err
	}
	defer t.process.stop()
	_, err = await.PollEvery(500*time.Microsecond, await.Limit, t.name+" is ready",
		func() (bool, error) { return isReady(t.addr), nil })
	return float64(time.Since(begin).Microseconds()) / 1000, err
}

// isReady reports whether a program answers GET /ready with 200, or with 404 because it does not know it.
func isReady(addr string) bool {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return false
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET /ready HTTP/1.0\r\n\r\n"); err != nil {
		return false
	}
	var line [12]byte
	_, err = io.ReadFull(conn, line[:])
	return err == nil && (string(line[9:]) == "200" || string(line[9:]) == "404")
}
