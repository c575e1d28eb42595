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

// result is what one run of load saw.
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

// loader is one run of load. One thread does it all.
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

	since   time.Time   // when the request under way was sent, or was to be sent; zero: none is
	waiting []time.Time // when paced: requests that wait for the one under way
}

// load sends request over conns connections for the given time: as fast as answers come when rate is 0, else at rate
// requests a second in total, evenly spread. A paced request that had to wait for its connection counts from the moment
// it should have been sent.
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

// saturate has every connection send as soon as it has its answer.
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

// receive takes what has come in on a: when that is the answer, the next request follows.
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
			return errors.New("the server closed a connection under a request")
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
