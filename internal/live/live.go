// Package live shows what this pod does, once a second: as a JSON document, as a stream of server-sent events and as a
// page for the browser.
//
//	registry ──every second──▶ figures ──▶ Snapshot ──▶ history of five minutes
//	access log ──▶ refusals                    │
//	                          GET /  GET /debug/live  GET /debug/live/events
//
// Most figures come from the service's own metrics, so that the page and /metrics cannot disagree. What is no metric
// comes in through the func fields of Config. The package knows the names of metrics and nothing of the layers that
// count them.
//
//	live.go      Config, New, and what happens each second
//	snapshot.go  the document
//	derive.go    two readings of the metrics become one snapshot; layers.go and parts.go have its parts
//	way.go       the steps of a request's way, which the page and the README's picture show
//	figures.go   how a reading is asked; quantile.go reads histograms
//	refusals.go  the requests that were refused or failed of late
//	view.go      what pages are shown; pods.go and addup.go: all pods as one
//	handler.go   what is served; events.go the stream; page.go and the folder page: the page
//	play.go      the playground: faults.go and vendor.go, load.go, redis.go, story.go and scenes.go, lessons.go
package live

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Config is what a Live watches. Metrics and Log are required.
type Config struct {
	Pod     string              // the name of this pod
	Metrics prometheus.Gatherer // the service's own registry
	Log     *slog.Logger        // told when the metrics cannot be read
	// Time until the open breaker of a lane lets a probe through, 0 while it is closed; nil: not known.
	ProbeIn func(lane string) time.Duration
	Board   Board // where pods leave their figures for each other; nil: nowhere
}

// How much is kept.
const (
	interval     = time.Second
	rateSpan     = 5                               // seconds that a rate is the mean of
	quantileSpan = 30                              // seconds whose durations the quantiles are of
	historySize  = int(5 * time.Minute / interval) // points of the history
)

// Live looks at the metrics once a second while it is started. Its methods may be called from several goroutines.
type Live struct {
	cfg      Config
	page     page
	refusals refusals
	play     *play // nil without the playground
	watchers chan struct{}

	stop    chan struct{}
	end     sync.Once
	ticking sync.WaitGroup

	own *view
	all *cluster // nil: pods share nothing

	mu       sync.Mutex
	readings ring[reading]
}

// New returns a Live that has looked once. Start makes it go on.
func New(cfg Config) *Live {
	l := &Live{
		cfg: cfg, page: newPage(), watchers: make(chan struct{}, maxWatchers),
		stop: make(chan struct{}), own: newView(), readings: newRing[reading](quantileSpan + 1),
	}
	if cfg.Board != nil {
		l.all = &cluster{board: cfg.Board, view: newView()}
	}
	l.look(time.Now())
	return l
}

// Start looks once a second until Close. It is called once.
func (l *Live) Start() {
	l.ticking.Go(func() {
		tick := time.NewTicker(interval)
		defer tick.Stop()
		for {
			select {
			case now := <-tick.C:
				l.look(now)
			case <-l.stop:
				return
			}
		}
	})
	if l.all != nil {
		l.ticking.Go(func() { l.all.run(l.own, l.stop) })
	}
	if l.play != nil {
		ctx, cancel := context.WithCancel(context.Background())
		l.ticking.Go(func() { <-l.stop; cancel() })
		l.ticking.Go(func() { l.play.vendor.follow(ctx, func() bool { return len(l.watchers) > 0 }) })
	}
}

// Close ends the streams of events, the load and the story of the playground, and the looking. It may be called more
// than once.
func (l *Live) Close() {
	l.end.Do(func() { close(l.stop) })
	if l.play != nil {
		l.play.close()
	}
	l.ticking.Wait()
}

// look takes one reading and makes the snapshot of it.
func (l *Live) look(now time.Time) {
	fig, err := gather(l.cfg.Metrics)
	if err != nil {
		l.cfg.Log.LogAttrs(context.Background(), slog.LevelWarn, "the live page cannot read every metric",
			slog.Any("error", err))
	}
	read := reading{at: now, figures: fig, refused: l.refusals.totals()}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.readings.add(read)
	s := derive(l.readings.back(rateSpan), l.readings.back(quantileSpan), read)
	s.Pod, s.Shares, s.Refused = l.cfg.Pod, l.all != nil, l.refusals.list()
	if l.cfg.ProbeIn != nil {
		for i := range s.Lanes {
			lane := &s.Lanes[i]
			lane.ProbeInSeconds = l.cfg.ProbeIn(lane.Name).Seconds()
			s.Breaker.ProbeInSeconds = sooner(s.Breaker.ProbeInSeconds, lane.ProbeInSeconds)
		}
	}
	if l.play != nil {
		s.Play = l.play.state(now)
	}
	l.own.put(s)
}

// document is the latest snapshot with the history.
func (l *Live) document(of *view) Document {
	d := of.document()
	d.Way = way
	if l.play != nil {
		d.Lessons = lessons
	}
	return d
}

// encode writes v as one line of JSON.
func encode(v any) []byte {
	var b bytes.Buffer
	_ = json.NewEncoder(&b).Encode(v) // numbers are finite, and nothing else can fail
	return b.Bytes()
}
