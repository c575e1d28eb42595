//go:build linux

package main

import (
	"fmt"
	"strconv"
	"time"
)

// smallConns is the number of connections of all loads of small requests.
const smallConns = 64

// steadyRate is the load of the latency measurement, in requests a second.
const steadyRate = 1000

// sample is one measurement of one target. Times are in microseconds.
type sample struct {
	perSecond, cpu, redis, p50, p99 float64
}

// take puts load on t and measures it. More than a few answers with another status are an error: refusals are cheap and
// would make every program look good.
func (b *bench) take(t *target, request []byte, rate float64, d time.Duration, want int) (sample, error) {
	before, redisBefore, err := b.cpus(t)
	if err != nil {
		return sample{}, err
	}
	r, err := load(t.addr, request, smallConns, rate, d)
	if err != nil {
		return sample{}, fmt.Errorf("%s: %w", t.name, err)
	}
	after, redisAfter, err := b.cpus(t)
	if err != nil {
		return sample{}, err
	}
	if r.statuses[want]*1000 < r.requests*999 { // a user's limit allows one request every few seconds
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

// requests measures small requests: every target at saturation, and every target at the steady rate. The targets take
// turns within a round, so that other work of the machine affects all of them.
func (b *bench) requests() error {
	targets, err := b.forward(nil)
	if err != nil {
		return err
	}
	pinging, err := b.startBare(pingName, "-redis", b.redisAddr)
	if err != nil {
		return err
	}
	lanes, err := b.startWithLanes()
	if err != nil {
		return err
	}
	targets = append(targets, pinging, lanes)
	defer stopAll(targets)
	for _, t := range targets {
		if _, err := b.take(t, chatRequest, 0, time.Second, 200); err != nil { // warm-up
			return err
		}
	}
	saturated, steady := map[string][]sample{}, map[string][]sample{}
	for round := range b.rounds {
		for _, load := range []struct {
			into map[string][]sample
			rate float64
		}{{saturated, 0}, {steady, steadyRate}} {
			for i := range targets {
				t := targets[(i+round)%len(targets)] // another program is first in each round
				s, err := b.take(t, chatRequest, load.rate, b.length, 200)
				if err != nil {
					return err
				}
				load.into[t.name] = append(load.into[t.name], s)
			}
		}
	}
	b.addRequests(saturated, steady)
	b.addUnused(saturated)
	return nil
}

func (b *bench) addRequests(saturated, steady map[string][]sample) {
	cpu := func(s sample) float64 { return s.cpu }
	redis := func(s sample) float64 { return s.redis }
	at := ", " + strconv.Itoa(steadyRate) + " requests/s"
	b.add(row{what: "a request at saturation: CPU, µs", figures: figuresOf(saturated, cpu)})
	b.add(row{what: "the same, Redis's CPU, µs", figures: figuresOf(saturated, redis), against: nothing})
	b.add(row{what: "a request" + at + ": CPU, µs", figures: figuresOf(steady, cpu)})
	b.add(row{what: "the same, Redis's CPU, µs", figures: figuresOf(steady, redis), against: nothing})
	b.add(row{kind: speed, what: "requests per second at saturation",
		figures: figuresOf(saturated, func(s sample) float64 { return s.perSecond }), least: .9})
	b.add(row{kind: speed, what: "p50" + at + ", µs",
		figures: figuresOf(steady, func(s sample) float64 { return s.p50 }), against: pingName})
	b.add(row{kind: speed, what: "p99" + at + ", µs",
		figures: figuresOf(steady, func(s sample) float64 { return s.p99 }), against: pingName, ratio: 1.25})
}

// forward starts all forwarders.
func (b *bench) forward(settings map[string]string) (all []*target, err error) {
	for _, starts := range b.forwarders(settings) {
		t, err := starts()
		if err != nil {
			return all, err
		}
		all = append(all, t)
	}
	return all, nil
}

func stopAll(targets []*target) {
	for _, t := range targets {
		t.process.stop()
	}
}
