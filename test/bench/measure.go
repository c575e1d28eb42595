//go:build linux

package main

import (
	"fmt"
	"time"
)

// conns is the number of connections of all loads.
const conns = 64

// steadyRate is the load of the latency measurement, in requests a second.
const steadyRate = 1000

// sample is one measurement of one target. Times are in microseconds.
type sample struct {
	perSecond, cpu, redis, p50, p99 float64
}

// take puts load on t and reports what it saw. More than a few answers of another status are an error:
// refusals are cheap and would make any program look good.
func (b *bench) take(t *target, request []byte, rate float64, d time.Duration, want int) (sample, error) {
	before, redisBefore, err := b.cpus(t)
	if err != nil {
		return sample{}, err
	}
	r, err := load(t.addr, request, conns, rate, d)
	if err != nil {
		return sample{}, fmt.Errorf("%s: %w", t.name, err)
	}
	after, redisAfter, err := b.cpus(t)
	if err != nil {
		return sample{}, err
	}
	if r.statuses[want]*1000 < r.requests*999 { // a user's limit lets one through every few seconds
		return sample{}, fmt.Errorf("%s: statuses %v, want only %d", t.name, r.statuses, want)
	}
	each := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 / float64(r.requests) }
	micros := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }
	return sample{
		perSecond: r.perSecond(), cpu: each(after - before), redis: each(redisAfter - redisBefore),
		p50: micros(r.quantile(.5)), p99: micros(r.quantile(.99)),
	}, nil
}

func (b *bench) cpus(t *target) (own, redis time.Duration, err error) {
	if own, err = t.process.cpu(); err != nil {
		return 0, 0, err
	}
	redis, err = b.redis.cpu()
	return own, redis, err
}

// series are the samples of one target, one for each round.
type series []sample

// measure does the rounds: every target at saturation, every target at the steady rate, then those that refuse. Whatever else
// the machine does in a round, it does to all of them.
func (b *bench) measure(targets []*target, refusing []refuser) error {
	saturated, steady, refused := map[string]series{}, map[string]series{}, map[string]series{}
	for _, t := range targets {
		if _, err := b.take(t, request, 0, time.Second, 200); err != nil { // warm-up
			return err
		}
	}
	for round := range b.rounds {
		for i := range targets {
			t := targets[(i+round)%len(targets)] // nobody is always the first
			s, err := b.take(t, request, 0, b.length, 200)
			if err != nil {
				return err
			}
			saturated[t.name] = append(saturated[t.name], s)
		}
		if b.quick {
			continue
		}
		for i := range targets {
			t := targets[(i+round)%len(targets)]
			s, err := b.take(t, request, steadyRate, b.length, 200)
			if err != nil {
				return err
			}
			steady[t.name] = append(steady[t.name], s)
		}
		for _, r := range refusing {
			s, err := b.take(r.target, r.request, 0, b.length/2, r.status)
			if err != nil {
				return err
			}
			refused[r.by] = append(refused[r.by], s)
		}
	}
	b.compared(targets, saturated, steady)
	b.unused(saturated)
	b.refused(refusing, refused, saturated["spillway"])
	return nil
}
