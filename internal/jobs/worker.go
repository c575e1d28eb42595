package jobs

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hibiken/asynq"

	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/telemetry"
)

// Caller takes a call to a vendor. In the service it is a *chain.Chain, which chooses the lane first.
type Caller interface {
	Do(ctx context.Context, call *llm.Call) (*llm.Response, error)
}

// worker takes jobs from the engine and works on them.
type worker struct {
	s      *Service
	d      Deps
	server *asynq.Server
	gates  turnstiles
	pauses pauses

	leaveFor time.Duration // how long a run tries to write down how it ended

	mu   sync.Mutex
	runs map[*run]struct{}
	lost []lostResult  // of runs that have ended
	idle chan struct{} // closed when the last run ends while the pod stops
}

// run is a job that is being worked on.
type run struct {
	*claimed        // nil until Redis has given the job to this pod
	job      string // its ID
	cancel   context.CancelCauseFunc
	called   atomic.Bool // a vendor call has been made
}

// Causes of a run's end that no client sees.
var (
	errHandBack = errors.New("jobs: handed back by a pod that stops")
	errLost     = errors.New("jobs: given to another pod")
)

func newWorker(s *Service, d Deps) *worker {
	return &worker{
		s: s, d: d, server: s.newServer(),
		gates:    turnstiles{room: max(1, s.cfg.Workers/2), places: &places{limit: s.cfg.Workers - 1}, lane: d.Lane},
		leaveFor: max(s.cfg.Lease, minLeave), runs: map[*run]struct{}{}, idle: make(chan struct{}),
	}
}

func (w *worker) start() error { return w.server.Start(asynq.HandlerFunc(w.process)) }

// stop takes no more jobs. Those that wait in the gates go back into the queue at once, those whose vendor call is
// under way when they have not ended within the grace.
func (w *worker) stop() {
	w.server.Stop()
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
		<-w.idle // each reports to Redis, which is bounded
	}
	w.server.Shutdown()
}

func (w *worker) stopping() bool { return w.s.stopping.Err() != nil }

func (w *worker) closeIdleLocked() {
	select {
	case <-w.idle:
	default:
		close(w.idle)
	}
}

// dropAll ends every run and reports nothing: the jobs are other pods' now.
func (w *worker) dropAll() { w.end(errLost) }

func (w *worker) end(cause error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for r := range w.runs {
		r.cancel(cause)
	}
}

// process is the engine's handler: one generation of one job.
func (w *worker) process(ctx context.Context, engineTask *asynq.Task) error {
	t, ok := taskOf(engineTask.Payload())
	if !ok {
		return fmt.Errorf("jobs: a task of another version: %w", asynq.SkipRetry)
	}
	if w.stopping() {
		return errHandBack // not begun: another pod gets it in a moment
	}
	s := w.s
	running, cancel := context.WithCancelCause(telemetry.WithRequestID(ctx, t.id))
	defer cancel(nil)
	r := &run{job: t.id, cancel: cancel}
	defer w.track(r)() // before the claim, so that the keeper never takes it for a job that this pod does not know
	j, err := s.store.claim(ctx, s.patient, t, s.pod, s.cfg.Lease)
	if err != nil || j == nil { // not to be had: the task is stale
		return err
	}
	r.claimed = j
	return w.work(running, r)
}

// jobs are the IDs of the jobs that this pod works on, or has yet to report.
func (w *worker) jobs() (ids []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for r := range w.runs {
		ids = append(ids, r.job)
	}
	for _, l := range w.lost {
		ids = append(ids, l.job.id)
	}
	return ids
}

// track keeps r among the runs until the func it returns is called.
func (w *worker) track(r *run) (done func()) {
	w.s.metrics.running.Inc()
	w.mu.Lock()
	w.runs[r] = struct{}{}
	if w.stopping() { // stop has looked already
		r.cancel(errHandBack)
	}
	w.mu.Unlock()
	return func() {
		w.s.metrics.running.Dec()
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.runs, r)
		if w.stopping() && len(w.runs) == 0 {
			w.closeIdleLocked()
		}
	}
}
