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

// waitMetric waits until the sum over the metric's series is at least value.
func (t *target) waitMetric(name string, value float64) error {
	_, err := await.Poll(await.Limit, fmt.Sprintf("%s is %v", name, value), func() (bool, error) {
		now, err := t.process.Metric(name)
		return now >= value, err
	})
	return err
}

// profiled fetches a CPU profile of t over the next d, when one is wanted. The returned func waits for it.
func (b *bench) profiled(t *target, d time.Duration) (wait func() error) {
	if b.profilePath == "" || t.name != ownName {
		return func() error { return nil }
	}
	done := make(chan error, 1)
	go func() {
		done <- fetch(fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%.0f", t.admin, d.Seconds()), b.profilePath)
	}()
	return func() error { return <-done }
}

// profile writes a CPU profile of the service at saturation.
func (b *bench) profile() error {
	if err := b.prepare(); err != nil {
		return err
	}
	t, err := b.startServer(ownName, b.serverPath, nil)
	if err != nil {
		return err
	}
	const length = 30 * time.Second
	wait := b.profiled(t, length)
	_, err = load(t.addr, chatRequest, smallConns, 0, length+2*time.Second)
	return errors.Join(err, wait())
}

// fetch writes the answer of url to a file.
func fetch(url, path string) error {
	res, err := http.Get(url)
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
	return out.Close()
}
