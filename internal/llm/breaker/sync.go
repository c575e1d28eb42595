package breaker

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/spillway-dev/spillway/internal/redisx"
)

//go:embed breaker.lua
var breakerLua string

// breakerSync keeps a pod's copy of the breaker's state true. Outcomes are reported in the background: failures at once,
// successes with the next report. What another pod changes is heard by pub/sub; a slow poll covers a lost message. While
// Redis is away the same steps are taken on a machine of this pod's own.
type breakerSync struct {
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

	mu     sync.Mutex
	failed int            // steps in a row that Redis did not take
	alone  bool           // steps are taken by own
	grudge error          // why, when it is not that Redis is away for everybody
	own    breakerMachine // of this pod; its seq lives on, so that no lease is mistaken for another
}

const (
	breakerPoll  = time.Second            // mean time between two looks at the state, when no message comes
	breakerPace  = 20 * time.Millisecond  // least time between two reports, however many calls fail
	breakerRetry = 100 * time.Millisecond // until a step is tried again that Redis did not take
	breakerTries = 3                      // steps in a row after which a pod no longer counts on Redis
)

// ownLeases is where the numbers of this pod's own leases begin: below those of Redis, which are positive.
const ownLeases = -1 << 62

func newBreakerSync(b *Breaker, rdb *redisx.Client, vendorName string, log *slog.Logger) *breakerSync {
	key := "llm:{" + vendorName + "}:breaker"
	return &breakerSync{
		b: b, rdb: rdb, script: redis.NewScript(breakerLua), key: key, channel: key + ":changes", log: log,
		wake: make(chan struct{}, 1), own: breakerMachine{seq: ownLeases},
	}
}

func (s *breakerSync) begin() {
	ctx, stop := context.WithCancel(context.Background())
	s.stop, s.stopped = stop, ctx.Done()
	s.rdb.OnChange(func(bool) { s.nudge() })
	s.done.Go(func() { s.listen(ctx) })
	s.done.Go(func() { s.run(ctx) })
}

func (s *breakerSync) nudge() {
	select {
	case s.wake <- struct{}{}:
	default: // the reporter is called already, and takes whatever has come together
	}
}

// run reports and polls until ctx ends, and then reports what is left.
func (s *breakerSync) run(ctx context.Context) {
	for {
		next := breakerRetry
		if s.report(ctx) {
			next = breakerPoll*3/4 + rand.N(breakerPoll/2)
		}
		if !s.pause(next) {
			s.report(ctx)
			return
		}
	}
}

// pause waits for the next report: for a nudge, but at least for the pace. It reports false when there is only one more.
func (s *breakerSync) pause(d time.Duration) bool {
	timer := time.NewTimer(breakerPace)
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

// report hands on what has been counted, and hears the state. Without counts it is the poll. What is not taken stays
// counted; a report that Redis took after we gave it up then counts twice, which is better than not at all.
func (s *breakerSync) report(ctx context.Context) (taken bool) {
	c := s.b.copy.Load()
	step := breakerStep{op: stepReport, gen: c.gen, known: c.openLeft(time.Now())}
	step.failures = c.failures.Swap(0)               // before calls, so that there are never more failures than calls
	step.calls = max(c.calls.Swap(0), step.failures) // but for a call whose end was half counted in the report before
	if _, taken = s.step(ctx, step); !taken {
		c.calls.Add(step.calls)
		c.failures.Add(step.failures)
	}
	return taken
}

// step takes one step of the state machine, in Redis or, when that is away, on the machine of this pod, and adopts the
// state that follows. It is not taken at all when Redis fails for the first time or two: one slow answer is no reason for
// a pod to go its own way, and to probe beside the others.
func (s *breakerSync) step(ctx context.Context, step breakerStep) (v breakerView, taken bool) {
	seen := s.b.copy.Load()
	v, err := s.send(ctx, step)
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if err == nil {
		s.togetherLocked()
		s.adoptLocked(now, v, seen, true)
		return v, true
	}
	if !s.aloneLocked(err) {
		return breakerView{}, false
	}
	v = s.own.take(now, step)
	s.adoptLocked(now, v, s.b.copy.Load(), false)
	return v, true
}

// send takes a step in Redis.
func (s *breakerSync) send(ctx context.Context, step breakerStep) (v breakerView, err error) {
	err = s.rdb.Do(ctx, func(ctx context.Context, r redis.Cmdable) error {
		v, err = s.eval(ctx, r, step)
		return err
	})
	return v, err
}

// eval runs the script; it only moves bytes.
func (s *breakerSync) eval(ctx context.Context, r redis.Scripter, step breakerStep) (breakerView, error) {
	cfg := s.b.cfg
	reply, err := s.script.Run(ctx, r, []string{s.key}, step.op, step.gen, step.calls+step.lease, step.failures, step.known.Milliseconds(),
		s.channel, cfg.Failures, cfg.Window.Milliseconds(), cfg.Open.Milliseconds(), cfg.Successes, cfg.Lease.Milliseconds()).Int64Slice()
	if err != nil {
		return breakerView{}, fmt.Errorf("running breaker.lua: %w", err)
	}
	if len(reply) != 4 || reply[0] < int64(Closed) || reply[0] > int64(Open) {
		return breakerView{}, fmt.Errorf("breaker.lua replied %v", reply)
	}
	return breakerView{State(reply[0]), reply[1], time.Duration(reply[2]) * time.Millisecond, reply[3]}, nil
}

// togetherLocked goes back to the state of all pods.
func (s *breakerSync) togetherLocked() {
	if s.grudge != nil {
		s.log.Info("breaker: shared again")
	}
	s.failed, s.alone, s.grudge = 0, false, nil
}

// aloneLocked tells whether this pod goes by its own counts, and lets it begin to when Redis has failed it often enough.
// The guard has already said so when Redis is away for everybody; what fails only here is said here.
func (s *breakerSync) aloneLocked(err error) bool {
	s.failed++
	away := errors.Is(err, redisx.ErrAway) || s.rdb.Away()
	if s.alone || !away && s.failed < breakerTries {
		return s.alone
	}
	c := s.b.copy.Load()
	s.alone, s.own = true, breakerMachine{cfg: s.b.cfg, state: c.state, gen: c.gen, until: c.until, seq: s.own.seq}
	if !away {
		s.grudge = err
		s.log.Warn("breaker: this pod's own counts decide until Redis takes its steps again", slog.Any("error", err))
	}
	return true
}

// listen hears what other pods change. The client library subscribes again when the connection breaks; messages may have
// been missed then, so the state is asked for.
func (s *breakerSync) listen(ctx context.Context) {
	sub := s.rdb.Redis().Subscribe(ctx, s.channel)
	defer func() { _ = sub.Close() }()
	for events := sub.ChannelWithSubscriptions(); ; {
		select {
		case <-ctx.Done():
			return
		case event, open := <-events:
			if !open {
				return
			}
			if m, ok := event.(*redis.Message); ok {
				s.hear(m.Payload)
			} else {
				s.nudge()
			}
		}
	}
}

// hear takes a message. One that is no news may be late, or from a Redis whose generations went back: asking tells.
func (s *breakerSync) hear(message string) {
	var state, gen, left int64
	if _, err := fmt.Sscanf(message, "%d %d %d", &state, &gen, &left); err != nil || state < 0 || state > int64(Open) {
		s.log.Warn("breaker: message not understood", slog.String("message", strconv.Quote(message)))
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch c := s.b.copy.Load(); {
	case gen == c.gen && !s.alone: // this pod's own step, or heard by its answer
	case gen < c.gen || s.alone:
		s.nudge()
	default:
		s.adoptLocked(time.Now(), breakerView{State(state), gen, time.Duration(left) * time.Millisecond, 0}, nil, true)
	}
}

func (s *breakerSync) close() error {
	s.stop()
	s.done.Wait()
	return nil
}
