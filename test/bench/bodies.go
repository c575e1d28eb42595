//go:build linux

package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// bodyConns is the number of connections that send large bodies.
const bodyConns = 8

// largeBody is a chat with a megabyte of text.
var largeBody = `{"model":"bench","messages":[{"role":"user","content":"` +
	strings.Repeat("What does the quick brown fox do? ", 1<<20/34) + `"}],"max_tokens":64}`

// bodies measures newly started programs with bodies of a megabyte: the processor time of each body, and the most
// memory that the program had.
func (b *bench) bodies() error {
	cpu, peak := map[string][]float64{}, map[string][]float64{}
	for range b.rounds {
		for _, starts := range b.forwarders(nil) {
			t, err := starts()
			if err != nil {
				return err
			}
			used, most, err := b.body(t)
			t.process.stop()
			if err != nil {
				return fmt.Errorf("bodies for %s: %w", t.name, err)
			}
			cpu[t.name], peak[t.name] = append(cpu[t.name], used), append(peak[t.name], most)
		}
	}
	b.add(row{what: "a body of 1 MB: CPU, µs", figures: figuresOf(cpu, itself), ratio: 2})
	b.add(row{kind: memory, what: fmt.Sprintf("bodies of 1 MB, %d connections: most resident memory, MiB", bodyConns),
		figures: figuresOf(peak, itself), bar: 96})
	return nil
}

// body measures one program: microseconds for each request, and its highest resident memory in MiB, with pages of
// files.
func (b *bench) body(t *target) (cpu, peak float64, err error) {
	request := post("bench-key", largeBody)
	if _, err := sendLarge(t.addr, request, time.Now()); err != nil { // connections and caches
		return 0, 0, err
	}
	before, err := t.process.cpu()
	if err != nil {
		return 0, 0, err
	}
	wait := b.profiled(t, b.length)
	n, err := sendLarge(t.addr, request, time.Now().Add(b.length))
	if err = errors.Join(err, wait()); err != nil {
		return 0, 0, err
	}
	after, err := t.process.cpu()
	if err != nil {
		return 0, 0, err
	}
	most, err := t.process.Memory("VmHWM")
	return float64((after - before).Microseconds()) / float64(n), float64(most) / (1 << 20), err
}

// sendLarge sends request over all connections until end, at least once over each, and returns the number of answers.
func sendLarge(addr string, request []byte, end time.Time) (n int64, err error) {
	var answered atomic.Int64
	var senders sync.WaitGroup
	failed := make([]error, bodyConns)
	for i := range bodyConns {
		senders.Go(func() { failed[i] = sendOver(addr, request, end, &answered) })
	}
	senders.Wait()
	return answered.Load(), errors.Join(failed...)
}

func sendOver(addr string, request []byte, end time.Time, answered *atomic.Int64) error {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	answers := bufio.NewReader(conn)
	for {
		if _, err := conn.Write(request); err != nil {
			return err
		}
		resp, err := http.ReadResponse(answers, nil)
		if err != nil {
			return err
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK {
			return fmt.Errorf("%s %q %w", resp.Status, body, err)
		}
		answered.Add(1)
		if time.Now().After(end) {
			return nil
		}
	}
}
