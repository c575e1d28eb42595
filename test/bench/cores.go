//go:build linux

package main

import (
	"fmt"
	"os"
	"time"
)

// acrossCores measures throughput on 1, 2 and 4 cores, if the machine has them. The kernel chooses the cores of load,
// vendor and Redis: other cores when there are enough, else the same cores, for all programs alike.
func (b *bench) acrossCores() error {
	if err := b.prepare(); err != nil {
		return err
	}
	for _, n := range []int{1, 2, 4} {
		if n > cores() {
			fmt.Fprintf(os.Stderr, "no figure for %d cores: this machine has %d\n", n, cores())
			continue
		}
		b.cores = n
		if err := b.throughput(); err != nil {
			return fmt.Errorf("%d cores: %w", n, err)
		}
	}
	return nil
}

func (b *bench) throughput() error {
	targets, err := b.forward(nil)
	if err != nil {
		return err
	}
	defer stopAll(targets)
	samples := map[string][]sample{}
	for round := range b.rounds {
		for i := range targets {
			t := targets[(i+round)%len(targets)]
			if round == 0 { // warm-up
				if _, err := b.take(t, chatRequest, 0, time.Second, 200); err != nil {
					return err
				}
			}
			s, err := b.take(t, chatRequest, 0, b.length, 200)
			if err != nil {
				return err
			}
			samples[t.name] = append(samples[t.name], s)
		}
	}
	what := fmt.Sprintf("%d cores: ", b.cores)
	b.add(row{kind: speed, what: what + "requests per second",
		figures: figuresOf(samples, func(s sample) float64 { return s.perSecond }), least: .9})
	b.add(row{what: what + "CPU of a request, µs",
		figures: figuresOf(samples, func(s sample) float64 { return s.cpu })})
	return nil
}
