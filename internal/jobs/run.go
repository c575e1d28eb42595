package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/hibiken/asynq"

	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/outcome"
	"github.com/spillway-dev/spillway/internal/telemetry"
)

// work calls the vendor and writes down how the attempt ended.
func (w *worker) work(ctx context.Context, r *run) error {
	ctx, span := w.startSpan(ctx, r.claimed)
	call, resp, err := w.call(ctx, r)
	defer resp.Close()
	cause := context.Cause(ctx)
	handedBack := errors.Is(cause, errHandBack)
	// It was decided elsewhere; an answer that came all the same is paid for, and kept.
	if cause != nil && (err != nil || !handedBack) {
		telemetry.End(span, cause)
		if handedBack {
			return w.handBack(r)
		}
		return nil
	}
	telemetry.End(span, err)
	if waits, ok := errors.AsType[*waiting](err); ok {
		return w.wait(ctx, r, call, waits, err)
	}
	if full, ok := errors.AsType[*noRoom](err); ok {
		return w.giveWay(ctx, r, full)
	}
	v, done := w.judge(r, resp, err)
	if !done {
		outcome, failed := w.leave(ctx, r, leaveRetry, nil)
		if failed != nil || outcome == leftStale {
			return failed
		}
		w.s.metrics.again.WithLabelValues("failure").Inc()
		w.logAttempt(ctx, r, call, "retry", err)
		return &attemptError{r.failures + 1, err}
	}
	return w.finish(ctx, r, call, v, err)
}

// wait puts the job back until the operator has mended what stops it.
func (w *worker) wait(ctx context.Context, r *run, call *llm.Call, waits *waiting, err error) error {
	left, failed := w.leave(ctx, r, leaveWait, args{"waiting": waits.code})
	if failed != nil || left == leftStale {
		return failed
	}
	w.s.metrics.again.WithLabelValues("operator").Inc()
	if r.called.Load() { // one line for each call, not for each job that waits for what it finds
		w.logAttempt(ctx, r, call, "waiting", err)
	}
	return waits
}

// noRoomPause is how long a job keeps its worker before it gives it up, and noRoomPauses for how many workers that
// holds: with fewer it is shorter. It bounds how fast a pod looks through the jobs of a lane that is closed, to 50 to
// 100 a second, because each costs Redis four scripts.
const (
	noRoomPause  = 100 * time.Millisecond
	noRoomPauses = 10
)

// giveWay puts a job back whose lane has enough jobs waiting, so that its worker can do one of another lane.
func (w *worker) giveWay(ctx context.Context, r *run, full *noRoom) error {
	_ = sleep(ctx, min(noRoomPause, time.Duration(w.s.cfg.Workers)*noRoomPause/noRoomPauses))
	left, failed := w.leave(ctx, r, leaveWait, args{"waiting": ""})
	if failed != nil || left == leftStale {
		return failed
	}
	w.s.metrics.again.WithLabelValues("lane").Inc()
	return full
}

// verdict is how a job ended.
type verdict struct {
	state       State
	status      int
	contentType string
	coding      string
	answer      []byte
	problem     []byte
}

// judge reports false when the job shall be tried again.
func (w *worker) judge(r *run, resp *llm.Response, err error) (verdict, bool) {
	if err == nil {
		v := verdict{
			state: Succeeded, status: resp.Status, answer: resp.Body,
			contentType: resp.Header.Get("Content-Type"), coding: resp.Header.Get("Content-Encoding"),
		}
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

// worthwhile reports whether another attempt can mend err: not what the vendor or a gate would say again.
func worthwhile(err error) bool {
	if failed, ok := errors.AsType[*llm.VendorError](err); ok {
		return failed.Retryable()
	}
	_, rejected := errors.AsType[*outcome.Rejected](err)
	return !rejected && !errors.Is(err, context.DeadlineExceeded)
}

// finish stores the end of a job. A result that Redis has no memory for ends the job too, without its answer.
func (w *worker) finish(ctx context.Context, r *run, call *llm.Call, v verdict, err error) error {
	lost := w.resultLost(r, v)
	left, failed := w.leave(ctx, r, string(v.state), args{
		"status": v.status, "type": v.contentType, "coding": v.coding, "answer": v.answer, "problem": v.problem,
		"retention": w.s.cfg.Retention.Milliseconds(), "overhead": overhead, "bytes": w.s.memory.answers(),
		"lost_status": lost.status, "lost_problem": lost.problem,
	})
	switch {
	case failed != nil:
		w.keepLost(r, lost)
		return failed
	case left == leftStale:
		return nil
	case left == leftDropped:
		v.state, v.status = Failed, lost.status
		err = errors.New("the vendor's answer could not be stored: the memory for jobs is used up")
		w.s.metrics.dropped.Inc()
	}
	w.s.metrics.finished(r.class, v.state)
	if w.d.Used != nil {
		w.d.Used(r.user, call.Payload.Tokens(), call.Spent)
	}
	w.logAttempt(ctx, r, call, string(v.state), err)
	if v.state == Failed {
		if err == nil {
			err = fmt.Errorf("the vendor answered %d", v.status)
		}
		return fmt.Errorf("%w: %w", err, asynq.SkipRetry) // which archives it
	}
	return nil
}

// leave reports to Redis how the run ended. When Redis is away it tries for as long as another pod would leave the job
// alone: a paid answer is worth it.
func (w *worker) leave(ctx context.Context, r *run, what string, more args) (outcome string, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.leaveFor)
	defer cancel()
	for {
		outcome, err = w.s.store.leave(ctx, w.s.patient, r.claimed, w.s.pod, what, more)
		if err == nil || w.stopping() || sleep(ctx, time.Second) != nil {
			return outcome, err
		}
	}
}

// minLeave is how long a worker tries at least to write down how a job ended.
const minLeave = 30 * time.Second

// handBack puts the job back into the queue, in front of those that have not been begun.
func (w *worker) handBack(r *run) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	outcome, err := w.leave(ctx, r, leaveBack, nil)
	if err != nil || outcome == leftStale {
		return err
	}
	w.s.metrics.again.WithLabelValues("handed_back").Inc()
	w.s.log.LogAttrs(ctx, slog.LevelInfo, "job handed back",
		slog.String("job", r.id), slog.String("priority", r.class), slog.Bool("called", r.called.Load()))
	_ = w.s.enqueue(ctx, r.next(), r.class) // else it is in the outbox, where the keepers of other pods look
	return nil
}

// logAttempt writes the one line of an attempt.
func (w *worker) logAttempt(ctx context.Context, r *run, call *llm.Call, state string, err error) {
	attrs := []slog.Attr{
		slog.String("job", r.id), slog.String("user", r.user), slog.String("priority", r.class),
		slog.String("state", state),
		slog.String("lane", call.Lane), slog.Int("failures", r.failures), slog.Int("attempts", call.Attempts),
		slog.Int64("wait_ms", r.started.Sub(r.created).Milliseconds()),
		slog.Int64("queue_ms", call.Timing.Queue.Milliseconds()),
		slog.Int64("vendor_ms", call.Timing.Vendor.Milliseconds()),
	}
	level := slog.LevelInfo
	if err != nil {
		level = slog.LevelWarn
		attrs = append(attrs, slog.String("error", err.Error()))
	}
	w.s.log.LogAttrs(ctx, level, "job", attrs...)
}
