//go:build linux

package main

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"time"
)

// result is the result of one run of load.
type result struct {
	requests  int
	statuses  map[int]int
	elapsed   time.Duration
	latencies []time.Duration // sorted; only when paced
}

func (r result) perSecond() float64 { return float64(r.requests) / r.elapsed.Seconds() }

func (r result) quantile(q float64) time.Duration {
	if len(r.latencies) == 0 {
		return 0
	}
	return r.latencies[min(int(q*float64(len(r.latencies))), len(r.latencies)-1)]
}

// loader is one run of load, in a single thread.
type loader struct {
	*poller
	result

	request []byte
	conns   map[int]*asker
	all     []*asker
	busy    int
	paced   bool
	until   time.Time
}

// asker is one connection of the load.
type asker struct {
	wireConn

	since   time.Time   // when the request in flight was sent, or should have been sent; zero: there is none
	waiting []time.Time // when paced: requests that wait for the one in flight
}

// load sends request over conns connections for the time d: as fast as answers come when rate is 0, else rate requests
// per second in total, evenly spread. The latency of a paced request counts from the time at which it should have been
// sent, also when it waits for its connection.
func load(addr string, request []byte, conns int, rate float64, d time.Duration) (r result, err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	l := &loader{request: request, conns: map[int]*asker{}, paced: rate > 0}
	if l.poller, err = newPoller(); err != nil {
		return result{}, err
	}
	defer l.close()
	defer func() {
		for _, c := range l.all {
			c.close()
		}
	}()
	l.statuses = map[int]int{}
	for range conns {
		c, err := dial(addr)
		if err != nil {
			return result{}, err
		}
		a := &asker{wireConn: *c}
		l.all, l.conns[c.fd] = append(l.all, a), a
		if err := l.add(c.fd); err != nil {
			return result{}, err
		}
	}
	start := time.Now()
	l.until = start.Add(d)
	if l.paced {
		err = l.pace(rate, d)
	} else {
		err = l.saturate()
	}
	l.elapsed = time.Since(start)
	slices.Sort(l.latencies)
	return l.result, err
}

// saturate sends the next request on each connection as soon as its answer is there.
func (l *loader) saturate() error {
	for _, a := range l.all {
		if err := l.send(a, time.Now()); err != nil {
			return err
		}
	}
	for l.busy > 0 {
		ready, err := l.wait()
		if err != nil {
			return err
		}
		now := time.Now()
		for i := range ready {
			if err := l.receive(l.conns[int(ready[i].Fd)], now); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *loader) send(a *asker, since time.Time) error {
	a.since = since
	l.busy++
	return a.write(l.request)
}

// receive reads what has arrived on a. When the answer is complete, it sends the next request.
func (l *loader) receive(a *asker, now time.Time) error {
	more, err := a.read()
	if err != nil {
		return err
	}
	line, err := a.next()
	if err != nil {
		return err
	}
	if line == nil {
		if !more {
			return errors.New("the server closed a connection while a request was in flight")
		}
		return nil
	}
	status, err := strconv.Atoi(string(line[9:12]))
	if err != nil {
		return fmt.Errorf("%w the status line %q: %w", errWire, line, err)
	}
	l.requests++
	l.statuses[status]++
	l.busy--
	if !l.paced {
		if now.Before(l.until) {
			return l.send(a, now)
		}
		return nil
	}
	l.latencies = append(l.latencies, now.Sub(a.since))
	a.since = time.Time{}
	if len(a.waiting) > 0 {
		since := a.waiting[0]
		a.waiting = a.waiting[1:]
		return l.send(a, since)
	}
	return nil
}
