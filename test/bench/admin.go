//go:build linux

package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// waitMetric polls the admin port until the sum over the metric's series has reached value.
func waitMetric(admin, name string, value float64) error {
	last := 0.0
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		var err error
		if last, err = metric(admin, name); err != nil {
			return err
		}
		if last >= value {
			return nil
		}
	}
	return fmt.Errorf("%s is %v, want %v", name, last, value)
}

func metric(admin, name string) (sum float64, err error) {
	res, err := http.Get("http://" + admin + "/metrics")
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		line := lines.Text()
		if rest, ok := strings.CutPrefix(line, name); ok && (rest[0] == ' ' || rest[0] == '{') {
			v, err := strconv.ParseFloat(line[strings.LastIndexByte(line, ' ')+1:], 64)
			if err != nil {
				return 0, err
			}
			sum += v
		}
	}
	return sum, nil
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
