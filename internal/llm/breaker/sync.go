package breaker

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/spillway-dev/spillway/internal/redisx"
)

//go:embed breaker.lua
var scriptText string

// syncer keeps a pod's snapshot of the breaker's state true. It reports outcomes in the background: failures at once,
// successes with the next report. It learns by pub/sub what another pod changes; a slow poll covers a lost message.
// While Redis is away it takes the same steps on a machine of this pod's own.
type syncer struct {
	b       *Breaker
	rdb     *redisx.Client
	script  *redis.Script
	key     string
	channel string
	log     *slog.Logger

	wake    chan struct{} // there is something to report, or to ask
	stop    context.CancelFunc
	stopped <-chan struct{}
	done    sync.WaitGroup

	mu         sync.Mutex
	failed     int     // steps in a row that Redis did not take
	alone      bool    // own takes the steps
	localCause error   // why, when Redis fails only this pod's breaker; nil when Redis is away altogether
	own        machine // of this pod; its seq lives on, so that no lease is mistaken for another
}

const (
	pollEvery        = time.Second            // mean time between two looks at the state, when no message comes
	reportPace       = 20 * time.Millisecond  // least time between two reports, however many calls fail
	stepRetry        = 100 * time.Millisecond // until a step is tried again that Redis did not take
	triesBeforeLocal = 3                      // steps in a row after which a pod no longer counts on Redis
)

// ownLeases is where the numbers of this pod's own leases begin: below those of Redis, which are positive.
const ownLeases = -1 << 62

func newSyncer(b *Breaker, rdb *redisx.Client, vendorName string, log *slog.Logger) *syncer {
	key := "llm:{" + vendorName + "}:breaker"
	return &syncer{
		b: b, rdb: rdb, script: redis.NewScript(scriptText), key: key, channel: key + ":changes", log: log,
		wake: make(chan struct{}, 1), own: machine{seq: ownLeases},
	}
}

func (s *syncer) begin() {
	ctx, stop := context.WithCancel(context.Background())
	s.stop, s.stopped = stop, ctx.Done()
	s.rdb.OnChange(func(bool) { s.nudge() })
	s.done.Go(func() { s.listen(ctx) })
	s.done.Go(func() { s.run(ctx) })
}

func (s *syncer) nudge() {
	select {
	case s.wake <- struct{}{}:
	default: // the reporter is woken already, and takes everything that is pending
	}
}

// run reports and polls until ctx ends, and then reports what is left.
func (s *syncer) run(ctx context.Context) {
	for {
		next := stepRetry
		if s.report(ctx) {
			next = pollEvery*3/4 + rand.N(pollEvery/2)
		}
		if !s.pause(next) {
			s.report(ctx)
			return
		}
	}
}

// pause waits for the next report: for a nudge, but at least for the pace. It reports false when there is only one
// more.
func (s *syncer) pause(d time.Duration) bool {
	timer := time.NewTimer(reportPace)
	defer timer.Stop()
	select {
	case <-s.stopped:
		return false
	case <-timer.C:
	}
	timer.Reset(d)
	select {
	case <-s.stopped:
		return false
	case <-s.wake:
	case <-timer.C:
	}
	return true
}

// report passes on what has been counted and takes in the state. Without counts it is the poll. What Redis does not
// take stays counted; a report that Redis took, but did not answer in time, counts twice, which is better than not at
// all.
func (s *syncer) report(ctx context.Context) (taken bool) {
	c := s.b.snapshot.Load()
	r := request{op: stepReport, gen: c.gen, known: c.openLeft(time.Now()), tally: c.take()}
	if _, taken = s.step(ctx, r); !taken {
		c.restore(r.tally)
	}
	return taken
}

// step takes one step of the state machine, in Redis or, when Redis is away, on the machine of this pod, and adopts
// the state that follows. When Redis fails for the first time or two it takes no step at all: one slow answer is no
// reason for a pod to leave the shared state and to probe beside the others.
func (s *syncer) step(ctx context.Context, step request) (v reply, taken bool) {
	seen := s.b.snapshot.Load()
	v, err := s.send(ctx, step)
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if err == nil {
		s.sharedAgainLocked()
		s.adoptLocked(now, v, seen, true)
		return v, true
	}
	if !s.localModeLocked(err) {
		return reply{}, false
	}
	v = s.own.take(now, step)
	s.adoptLocked(now, v, s.b.snapshot.Load(), false)
	return v, true
}

// send takes a step in Redis.
func (s *syncer) send(ctx context.Context, step request) (v reply, err error) {
	err = s.rdb.Do(ctx, func(ctx context.Context, r redis.Cmdable) error {
		v, err = s.eval(ctx, r, step)
		return err
	})
	return v, err
}

// eval runs the script; it only moves bytes.
func (s *syncer) eval(ctx context.Context, rdb redis.Scripter, r request) (reply, error) {
	numbers, err := s.script.Run(ctx, rdb, []string{s.key}, r.args(s.b.cfg, s.channel)...).Int64Slice()
	if err != nil {
		return reply{}, fmt.Errorf("running breaker.lua: %w", err)
	}
	return parseReply(numbers)
}

// sharedAgainLocked goes back to the state of all pods.
func (s *syncer) sharedAgainLocked() {
	if s.localCause != nil {
		s.log.Info("breaker: shared again")
	}
	s.failed, s.alone, s.localCause = 0, false, nil
}

// localModeLocked reports whether this pod goes by its own counts. It begins to when Redis has failed it often
// enough. The guard in redisx logs that Redis is away; what fails only the breaker is logged here.
func (s *syncer) localModeLocked(err error) bool {
	s.failed++
	away := errors.Is(err, redisx.ErrAway) || s.rdb.Away()
	if s.alone || !away && s.failed < triesBeforeLocal {
		return s.alone
	}
	c := s.b.snapshot.Load()
	s.alone, s.own = true, machine{cfg: s.b.cfg, state: c.state, gen: c.gen, until: c.until, seq: s.own.seq}
	if !away {
		s.localCause = err
		s.log.Warn("breaker: this pod's own counts decide until Redis takes its steps again", slog.Any("error", err))
	}
	return true
}

func (s *syncer) close() error {
	s.stop()
	s.done.Wait()
	return nil
}
