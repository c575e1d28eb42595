//go:build linux

package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/spillway-dev/spillway/internal/await"
)

// waitMetric waits until the sum over the metric's series has reached value.
func (t *target) waitMetric(name string, value float64) error {
	_, err := await.Poll(await.Limit, fmt.Sprintf("%s is %v", name, value), func() (bool, error) {
		now, err := t.process.Metric(name)
		return now >= value, err
	})
	return err
}

// profile writes a CPU profile of the service under load to path.
func (b *bench) profile(path string) error {
	if err := b.prepare(); err != nil {
		return err
	}
	t, err := b.startServer("spillway", b.serverPath, nil)
	if err != nil {
		return err
	}
	loaded := make(chan error, 1)
	go func() { _, err := load(t.addr, request, conns, 0, 32*time.Second); loaded <- err }()
	res, err := http.Get("http://" + t.admin + "/debug/pprof/profile?seconds=30")
	if err != nil {
		return err
	}
	defer res.Body.Close()
	out, err := os.Create(path)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, res.Body); err != nil {
		return err
	}
	return errors.Join(out.Close(), <-loaded)
}
