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

// syncer keeps a pod's snapshot of the breaker's state up to date. It reports how calls ended in the background:
// failures at once, successes with the next report. It learns by pub/sub when another pod changes the state; a slow
// poll finds what a lost message said. While Redis is away it takes the same steps on the machine of this pod.
type syncer struct {
	b       *Breaker
	rdb     *redisx.Client
	script  *redis.Script
	key     string
	channel string
	log     *slog.Logger

	wake    chan struct{} // there is something to report, or the state may have changed
	stop    context.CancelFunc
	stopped <-chan struct{}
	done    sync.WaitGroup

	mu         sync.Mutex
	failed     int     // steps in a row that Redis did not take
	localMode  bool    // the machine of this pod takes the steps
	localCause error   // of the local mode, when only the breaker's steps fail; nil when Redis is away
	unanswered string  // name of the last question for the lease, when its answer was lost
	own        machine // of this pod; its seq goes on in each local mode, so that no two leases have the same number
}

const (
	pollEvery        = time.Second            // mean time between two reads of the state, when no message comes
	reportPace       = 20 * time.Millisecond  // least time between two reports, however many calls fail
	stepRetry        = 100 * time.Millisecond // until a step that Redis did not take is tried again
	triesBeforeLocal = 3                      // steps in a row that must fail before a pod goes into local mode
)

// ownLeases is the number before the first lease of a pod's own machine. Its leases are negative and those of Redis are
// positive, so that no lease of one is taken for a lease of the other.
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

// nudge makes the next report come at once.
func (s *syncer) nudge() {
	select {
	case s.wake <- struct{}{}:
	default: // it comes already, and takes everything that is pending
	}
}

// run reports and polls until Close is called, and then reports what is left.
func (s *syncer) run(ctx context.Context) {
	for {
		next := stepRetry
		if s.report(ctx) {
			s.reclaim(ctx)
			next = pollEvery*3/4 + rand.N(pollEvery/2)
		}
		if !s.pause(next) {
			s.report(ctx)
			s.reclaim(ctx)
			return
		}
	}
}

// pause waits for d or for a nudge, and at least for reportPace. It reports false when Close was called.
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

// report sends the counts and takes over the state. Without counts it is the poll. Counts that Redis did not take are
// sent again. A report that Redis took, but did not answer in time, counts twice: that is better than not at all.
func (s *syncer) report(ctx context.Context) (taken bool) {
	snap := s.b.snapshot.Load()
	r := request{op: opReport, gen: snap.gen, known: snap.openLeft(time.Now()), tally: snap.take()}
	if _, taken = s.step(ctx, r); !taken {
		snap.restore(r.tally)
	}
	return taken
}

// step takes one step of the state machine, in Redis or, when Redis is away, on the machine of this pod, and adopts
// the state that follows. When a step fails in Redis once or twice it is not taken: one slow answer is no reason for a
// pod to leave the shared state and to send probes of its own.
func (s *syncer) step(ctx context.Context, r request) (v reply, taken bool) {
	seen := s.b.snapshot.Load()
	v, err := s.send(ctx, r)
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	s.answeredLocked(r, err)
	if err == nil {
		s.sharedAgainLocked()
		s.adoptLocked(now, v, seen, true)
		return v, true
	}
	if !s.localModeLocked(err) {
		return reply{}, false
	}
	r.asker = "" // this answer cannot be lost
	v = s.own.take(now, r)
	s.adoptLocked(now, v, s.b.snapshot.Load(), false)
	return v, true
}

// send takes a step in Redis.
func (s *syncer) send(ctx context.Context, r request) (v reply, err error) {
	err = s.rdb.Do(ctx, func(ctx context.Context, rdb redis.Cmdable) error {
		v, err = s.eval(ctx, rdb, r)
		return err
	})
	return v, err
}

// eval runs the script. It only moves bytes.
func (s *syncer) eval(ctx context.Context, rdb redis.Scripter, r request) (reply, error) {
	numbers, err := s.script.Run(ctx, rdb, []string{s.key}, r.args(s.b.cfg, s.channel)...).Int64Slice()
	if err != nil {
		return reply{}, fmt.Errorf("running breaker.lua: %w", err)
	}
	return parseReply(numbers)
}

// sharedAgainLocked ends the local mode.
func (s *syncer) sharedAgainLocked() {
	if s.localCause != nil {
		s.log.Info("breaker: shared again")
	}
	s.failed, s.localMode, s.localCause = 0, false, nil
}

// localModeLocked reports whether this pod is in local mode after a step failed in Redis. The mode begins when Redis is
// away, which the guard in redisx logs, or when enough steps failed in a row, which is logged here.
func (s *syncer) localModeLocked(err error) bool {
	s.failed++
	away := errors.Is(err, redisx.ErrAway) || s.rdb.Away()
	if s.localMode || !away && s.failed < triesBeforeLocal {
		return s.localMode
	}
	snap := s.b.snapshot.Load()
	s.localMode = true
	s.own = machine{cfg: s.b.cfg, state: snap.state, gen: snap.gen, until: snap.until, seq: s.own.seq}
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
