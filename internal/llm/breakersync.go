package llm

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
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

	calls    atomic.Int64 // ended, not reported yet
	failures atomic.Int64
	wake     chan struct{} // a failure is to be reported, or Redis came or went
	stop     context.CancelFunc
	done     sync.WaitGroup

	mu    sync.Mutex
	local *breakerMachine // nil in shared mode
}

// breakerPoll is the longest time a lost message goes unnoticed.
const breakerPoll = time.Second

func newBreakerSync(b *Breaker, rdb *redisx.Client, vendorName string, log *slog.Logger) *breakerSync {
	key := "llm:{" + vendorName + "}:breaker"
	s := &breakerSync{b: b, rdb: rdb, script: redis.NewScript(breakerLua), key: key, channel: key + ":changes", log: log, wake: make(chan struct{}, 1)}
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	rdb.OnChange(func(bool) { s.nudge() })
	s.done.Go(func() { s.listen(ctx) })
	s.done.Go(func() { s.run(ctx) })
	return s
}

// ended counts one call that ended in the closed state.
func (s *breakerSync) ended(failed bool) {
	s.calls.Add(1)
	if failed {
		s.failures.Add(1)
		s.nudge()
	}
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
		s.report(ctx)
		pause := time.NewTimer(breakerPoll*3/4 + rand.N(breakerPoll/2))
		select {
		case <-ctx.Done():
			pause.Stop()
			s.report(ctx)
			return
		case <-s.wake:
		case <-pause.C:
		}
		pause.Stop()
	}
}

func (s *breakerSync) report(ctx context.Context) {
	failures := s.failures.Swap(0) // before calls, so that there are never more failures than calls
	calls := s.calls.Swap(0)
	s.step(ctx, "report", calls, failures, func(m *breakerMachine, now time.Time) int64 {
		m.report(now, int(calls), int(failures))
		return 0
	})
}

// probe asks for the probe's lease; 0 means that another has it.
func (s *breakerSync) probe(ctx context.Context) int64 {
	return s.step(ctx, "probe", 0, 0, func(m *breakerMachine, now time.Time) int64 {
		return m.probe(now, s.b.cfg.Lease)
	})
}

// probed reports a probe's end, off the request's path.
func (s *breakerSync) probed(id int64, v verdict) {
	s.done.Go(func() {
		s.step(context.Background(), string(v), id, 0, func(m *breakerMachine, now time.Time) int64 {
			m.probed(now, id, v)
			return 0
		})
		s.b.nextAt.Store(0)
	})
}

// step takes one step of the state machine, in Redis or, when that is away, on the machine of this pod, and adopts the
// state that follows.
func (s *breakerSync) step(ctx context.Context, op string, arg, failures int64, local func(*breakerMachine, time.Time) int64) (granted int64) {
	var reply []int64
	cfg := s.b.cfg
	err := s.rdb.Do(ctx, func(ctx context.Context, r redis.Cmdable) (err error) {
		reply, err = s.script.Run(ctx, r, []string{s.key}, op, arg, failures, s.channel, cfg.Failures,
			cfg.Window.Milliseconds(), cfg.Open.Milliseconds(), cfg.Successes, cfg.Lease.Milliseconds()).Int64Slice()
		return err
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if err == nil && len(reply) == 4 {
		s.adoptLocked(now, BreakerState(reply[0]), reply[1], time.Duration(reply[2])*time.Millisecond)
		s.local = nil
		return reply[3]
	}
	if s.local == nil {
		c := s.b.copy.Load()
		s.local = &breakerMachine{cfg: cfg, state: c.state, gen: c.gen, until: c.until}
	}
	granted = local(s.local, now)
	s.adoptLocked(now, s.local.state, s.local.gen, s.local.left(now))
	return granted
}

// adoptLocked makes the state the pod's copy. Answers and messages may come late: generations only grow, so an older one is
// no news. Generation 0 comes from a Redis that knows nothing, perhaps because it has lost its data: a pod that knows the
// breaker to be open then keeps to that until its time is over. A pod that comes back from local mode takes what it gets.
func (s *breakerSync) adoptLocked(now time.Time, state BreakerState, gen int64, left time.Duration) {
	c := s.b.copy.Load()
	switch {
	case gen == c.gen && state == c.state:
		return
	case gen == 0 && c.state == Open && now.Before(c.until):
		return
	case gen != 0 && gen < c.gen && s.local == nil:
		return
	}
	until := time.Time{}
	if state == Open {
		until = now.Add(left)
	}
	s.b.set(state, gen, until)
	s.b.nextAt.Store(0)
	if state != c.state {
		s.b.metrics.transitions.WithLabelValues(state.String()).Inc()
		s.log.Info("breaker "+state.String(), slog.Duration("for", left))
	}
}

// listen hears what other pods change. The client library subscribes again when the connection breaks.
func (s *breakerSync) listen(ctx context.Context) {
	sub := s.rdb.Redis().Subscribe(ctx, s.channel)
	defer sub.Close()
	for messages := sub.Channel(); ; {
		select {
		case <-ctx.Done():
			return
		case m, ok := <-messages:
			if !ok {
				return
			}
			s.hear(m.Payload)
		}
	}
}

func (s *breakerSync) hear(message string) {
	var state, gen, left int64
	if _, err := fmt.Sscanf(message, "%d %d %d", &state, &gen, &left); err != nil || state < 0 || state > int64(Open) {
		s.log.Warn("breaker: message not understood", slog.String("message", strconv.Quote(message)))
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.local == nil {
		s.adoptLocked(time.Now(), BreakerState(state), gen, time.Duration(left)*time.Millisecond)
	}
}

func (s *breakerSync) close() error {
	s.stop()
	s.done.Wait()
	return nil
}

type breakerMetrics struct {
	rejected    prometheus.Counter
	transitions *prometheus.CounterVec
	probes      *prometheus.CounterVec
}

func newBreakerMetrics(reg prometheus.Registerer, state func() BreakerState) (*breakerMetrics, error) {
	m := &breakerMetrics{
		rejected:    prometheus.NewCounter(prometheus.CounterOpts{Name: "llm_breaker_rejections_total", Help: "Calls turned away because the breaker was not closed."}),
		transitions: counterVec("llm_breaker_transitions_total", "Changes of the breaker's state that this pod heard of, by the new state.", "to"),
		probes:      counterVec("llm_breaker_probes_total", "Probes this pod made in the half-open state, by result: won, lost, freed.", "result"),
	}
	return m, errors.Join(reg.Register(m.rejected), reg.Register(m.transitions), reg.Register(m.probes),
		reg.Register(gauge("llm_breaker_state", "0 closed, 1 half-open, 2 open, as this pod knows it.", func() float64 { return float64(state()) })))
}
