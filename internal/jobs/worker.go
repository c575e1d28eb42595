package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hibiken/asynq"

	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/outcome"
	"github.com/spillway-dev/spillway/internal/telemetry"
)

// Caller takes a call to the vendor; *llm.Caller is one.
type Caller interface {
	Do(ctx context.Context, call *llm.Call) (*llm.Response, error)
}

// worker takes jobs from the engine and works on them.
type worker struct {
	s      *Service
	d      Deps
	server *asynq.Server
	gates  turnstile

	stopping context.Context // ends when the pod stops
	begin    context.CancelFunc

	mu   sync.Mutex
	runs map[*run]struct{}
	idle chan struct{} // closed when the last run ends while the pod stops
}

// run is a job that is being worked on.
type run struct {
	*claimed        // nil until Redis has said so
	job      string // its ID
	cancel   context.CancelCauseFunc
	called   atomic.Bool // a vendor call has been made
}

// Causes of a run's end that nobody outside sees.
var (
	errHandBack = errors.New("jobs: handed back by a pod that stops")
	errLost     = errors.New("jobs: given to another pod")
)

func newWorker(s *Service, d Deps) *worker {
	w := &worker{s: s, d: d, runs: map[*run]struct{}{}, idle: make(chan struct{})}
	w.stopping, w.begin = context.WithCancel(context.Background())
	queues := map[string]int{}
	most := 0
	for class, weight := range s.cfg.Weights {
		queues[s.cfg.Name+":"+class] = weight
		most = max(most, weight)
	}
	queues[s.cfg.Name+":"+recovered] = most
	w.server = asynq.NewServerFromRedisClient(s.patient, asynq.Config{
		Concurrency: s.cfg.Workers, Queues: queues,
		RetryDelayFunc:  func(n int, err error, _ *asynq.Task) time.Duration { return delay(n, err) },
		IsFailure:       func(err error) bool { _, ok := errors.AsType[*attemptError](err); return ok },
		ShutdownTimeout: time.Second, // long after everything has been handed back
		Logger:          engineLog{s.log}, LogLevel: asynq.DebugLevel,
		BaseContext: context.Background,
	})
	return w
}

func (w *worker) start() error { return w.server.Start(asynq.HandlerFunc(w.process)) }

// stop takes no more jobs. Those that wait in the gates go back into the queue at once, those whose vendor call is under
// way when they have not ended within the grace.
func (w *worker) stop() {
	w.server.Stop()
	w.begin()
	w.mu.Lock()
	for r := range w.runs {
		if !r.called.Load() {
			r.cancel(errHandBack)
		}
	}
	if len(w.runs) == 0 {
		w.closeIdleLocked()
	}
	w.mu.Unlock()
	grace := time.NewTimer(w.s.cfg.StopGrace)
	defer grace.Stop()
	select {
	case <-w.idle:
	case <-grace.C:
		w.end(errHandBack)
		<-w.idle // each says so to Redis, which is bounded
	}
	w.server.Shutdown()
}

func (w *worker) closeIdleLocked() {
	select {
	case <-w.idle:
	default:
		close(w.idle)
	}
}

// dropAll ends every run without a word: the jobs are others' now.
func (w *worker) dropAll() { w.end(errLost) }

func (w *worker) end(cause error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for r := range w.runs {
		r.cancel(cause)
	}
}

// attemptError is a failed attempt after which the engine shall bring the job again.
type attemptError struct {
	attempts int
	err      error
}

func (e *attemptError) Error() string { return e.err.Error() }
func (e *attemptError) Unwrap() error { return e.err }

// delay is the pause before the engine brings a job again: after a failed attempt it grows, after trouble with Redis or a
// lease that ran out it is short.
func delay(_ int, err error) time.Duration {
	if failed, ok := errors.AsType[*attemptError](err); ok {
		return min(time.Second<<min(failed.attempts, 10), time.Minute) + rand.N(time.Second)
	}
	return time.Second
}

// process is the engine's handler: one turn of one job.
func (w *worker) process(ctx context.Context, task *asynq.Task) error {
	id, turn, ok := strings.Cut(string(task.Payload()), " ")
	if !ok {
		return fmt.Errorf("jobs: a task of another version: %w", asynq.SkipRetry)
	}
	if w.stopping.Err() != nil {
		return errHandBack // not begun: it comes again in a moment, to another pod
	}
	s := w.s
	running, cancel := context.WithCancelCause(telemetry.WithRequestID(ctx, id))
	defer cancel(nil)
	r := &run{job: id, cancel: cancel}
	defer w.track(r)() // before the claim, so that the keeper never takes it for a job that nobody knows of
	j, err := s.store.claim(ctx, s.patient, id, turn, s.pod, s.cfg.Lease)
	if err != nil || j == nil { // not to be had: a ghost
		return err
	}
	r.claimed = j
	return w.work(running, r)
}

// appendJobs adds the IDs of the jobs that this pod works on.
func (w *worker) appendJobs(to []any) []any {
	w.mu.Lock()
	defer w.mu.Unlock()
	for r := range w.runs {
		to = append(to, r.job)
	}
	return to
}

// track keeps r among the runs until the func it returns is called.
func (w *worker) track(r *run) (done func()) {
	w.s.metrics.running.Inc()
	w.mu.Lock()
	w.runs[r] = struct{}{}
	if w.stopping.Err() != nil { // stop has looked already
		r.cancel(errHandBack)
	}
	w.mu.Unlock()
	return func() {
		w.s.metrics.running.Dec()
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.runs, r)
		if w.stopping.Err() != nil && len(w.runs) == 0 {
			w.closeIdleLocked()
		}
	}
}

// work calls the vendor and writes down what came of it.
func (w *worker) work(ctx context.Context, r *run) error {
	ctx, span := w.startSpan(ctx, r.claimed)
	call, resp, err := w.call(ctx, r)
	defer resp.Close()
	cause := context.Cause(ctx)
	handedBack := errors.Is(cause, errHandBack)
	if cause != nil && (err != nil || !handedBack) { // somebody else has decided; an answer that came all the same is paid for, and kept
		telemetry.End(span, cause)
		if handedBack {
			return w.handBack(r)
		}
		return nil
	}
	telemetry.End(span, err)
	verdict, done := w.judge(r, resp, err)
	if !done {
		ok, gone := w.leave(ctx, r, "retry")
		if gone != nil || !ok {
			return gone
		}
		w.s.metrics.again.WithLabelValues("failure").Inc()
		w.say(ctx, r, call, "retry", err)
		return &attemptError{r.failures + 1, err}
	}
	ok, gone := w.leave(ctx, r, string(verdict.state), verdict.status, verdict.contentType, verdict.answer, verdict.problem, w.s.cfg.Retention.Milliseconds())
	if gone != nil || !ok {
		return gone
	}
	w.s.metrics.finished(r.class, verdict.state)
	w.say(ctx, r, call, string(verdict.state), err)
	if verdict.state == Failed {
		if err == nil {
			err = fmt.Errorf("the vendor answered %d", verdict.status)
		}
		return fmt.Errorf("%w: %w", err, asynq.SkipRetry) // which archives it
	}
	return nil
}

// verdict is how a job ended.
type verdict struct {
	state       State
	status      int
	contentType string
	answer      []byte
	problem     []byte
}

// judge reports false when the job shall be tried again.
func (w *worker) judge(r *run, resp *llm.Response, err error) (verdict, bool) {
	if err == nil {
		v := verdict{state: Succeeded, status: resp.Status, contentType: resp.Header.Get("Content-Type"), answer: resp.Body}
		if resp.Status >= 400 {
			v.state = Failed
		}
		return v, true
	}
	if r.failures+1 < w.s.cfg.Attempts && worthwhile(err) {
		return verdict{}, false
	}
	status, document := w.d.Problem(err, r.id)
	return verdict{state: Failed, status: status, problem: document}, true
}

// worthwhile tells whether another attempt can mend err: not what the vendor or a gate would say again.
func worthwhile(err error) bool {
	if failed, ok := errors.AsType[*llm.VendorError](err); ok {
		return failed.Retryable()
	}
	_, rejected := errors.AsType[*outcome.Rejected](err)
	return !rejected && !errors.Is(err, context.DeadlineExceeded)
}

// leave tells Redis how the run ended. ok is false when the job was not ours any more. When Redis is away it tries for as
// long as another pod would leave the job alone: a paid answer is worth it.
func (w *worker) leave(ctx context.Context, r *run, what string, more ...any) (ok bool, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), max(w.s.cfg.Lease, minLeave))
	defer cancel()
	for {
		ok, err = w.s.store.leave(ctx, w.s.patient, r.claimed, w.s.pod, what, more...)
		if err == nil || w.stopping.Err() != nil || sleep(ctx, time.Second) != nil {
			return ok, err
		}
	}
}

const minLeave = 30 * time.Second

// handBack puts the job back into the queue, in front of those that have not been begun.
func (w *worker) handBack(r *run) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	ok, err := w.leave(ctx, r, "back")
	if err != nil || !ok {
		return err
	}
	w.s.metrics.again.WithLabelValues("handed_back").Inc()
	w.s.log.LogAttrs(ctx, slog.LevelInfo, "job handed back", slog.String("job", r.id), slog.String("priority", r.class), slog.Bool("called", r.called.Load()))
	_ = w.s.enqueue(ctx, r.id, r.class, next(r.turn)) // else it is in the outbox, where the keepers of other pods look
	return nil
}

// next is the turn after turn.
func next(turn string) string { return strconv.Itoa(number(turn) + 1) }
